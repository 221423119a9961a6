"""Spans of forked children that end by ``os._exit``: multiprocessing, Celery, and children made by hand."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sightline import semconv

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

_BEGIN = """
import multiprocessing, os, sys, warnings
warnings.simplefilter("ignore")
import sightline
tracing = sightline.configure(service_name="children")
@sightline.tool("step")
def step(n=0):
    return n
def work(count=5):
    for n in range(count):
        step(n)
fork = multiprocessing.get_context("fork")
"""


def run(collector: Any, script: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a script whose parent and children send to the collector."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    return subprocess.run(
        [sys.executable, "-c", _BEGIN + textwrap.dedent(script)],
        env={**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRICS_EXPORTER": "none", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("p = fork.Process(target=work); p.start(); p.join(); sys.exit(p.exitcode)", 5),
        (
            """
            processes = [fork.Process(target=work, args=(n,)) for n in (1, 2, 3)]
            for p in processes: p.start()
            for p in processes: p.join()
            sys.exit(any(p.exitcode for p in processes))
            """,
            6,
        ),
        (
            """
            pool = fork.Pool(2)
            assert pool.map(step, range(10)) == list(range(10))
            pool.close(); pool.join()
            """,
            10,
        ),
        (
            """
            from concurrent.futures import ProcessPoolExecutor
            with ProcessPoolExecutor(2, mp_context=fork) as pool:
                assert list(pool.map(step, range(10))) == list(range(10))
            """,
            10,
        ),
        (
            """
            pid = os.fork()
            if pid == 0:
                work()
                os._exit(3)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
            """,
            5,
        ),
        (
            """
            def parent_of_a_child():
                step()
                p = fork.Process(target=work); p.start(); p.join()
            step()
            p = fork.Process(target=parent_of_a_child); p.start(); p.join()
            sys.exit(p.exitcode)
            """,
            7,
        ),
        (
            """
            tracing.shutdown()
            def configured_in_the_child():
                sightline.configure(service_name="child")
                work()
            p = fork.Process(target=configured_in_the_child); p.start(); p.join()
            sys.exit(p.exitcode)
            """,
            5,
        ),
        (
            """
            def failing():
                work()
                raise SystemExit(4)
            p = fork.Process(target=failing); p.start(); p.join()
            assert p.exitcode == 4
            """,
            5,
        ),
    ],
    ids=["process", "processes", "pool", "executor", "by_hand", "grandchild", "configured_in_child", "exits"],
)
def test_spans_of_forked_children_arrive(collector: Any, script: str, expected: int) -> None:
    """Every span of every child arrives once, and the child ends with its own code."""
    done = run(collector, script)
    assert done.returncode == 0, done.stderr
    spans = [span.span_id for span in collector.spans()]
    assert len(spans) == len(set(spans)) == expected


def test_a_child_without_spans_ends_at_once_and_one_without_a_collector_says_what_it_lost(collector: Any) -> None:
    """A child that made none waits for nothing; one that cannot send counts, logs, and ends in the time of an exit."""
    done = run(
        collector,
        """
        import time
        for target, least_s, most_s in ((int, 0, 0.3), (work, 0.3, 1.5)):
            started = time.monotonic()
            p = fork.Process(target=target); p.start(); p.join()
            took = time.monotonic() - started
            assert p.exitcode == 0 and least_s <= took < most_s, (target, took)
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        SIGHTLINE_EXIT_TIMEOUT_S="0.4",
    )
    assert done.returncode == 0, done.stderr
    assert "5 spans dropped at exit" in done.stderr


@pytest.mark.parametrize(
    "end",
    ["os.kill(os.getpid(), signal.SIGKILL)", "os.kill(os.getpid(), signal.SIGTERM)", "posix._exit(0)"],
)
def test_what_a_killed_child_had_not_sent_is_counted_by_its_parent(collector: Any, end: str) -> None:
    """Sent by the child or lost: the parent's account holds the rest, once, and the log names the way out."""
    done = run(
        collector,
        f"""
        import posix, signal, time
        step()
        def killed():
            work(20)
            assert tracing.force_flush(20)
            work(7)
            {end}
        for expected in (7, 14):
            p = fork.Process(target=killed); p.start(); p.join()
            stats = tracing.stats()
            assert (stats.emitted, stats.dropped) == (1 + expected, expected), stats
        assert tracing.force_flush(20)
        stats = tracing.stats()
        assert stats.emitted == stats.exported + stats.dropped == 15, stats
        """,
        OTEL_BSP_SCHEDULE_DELAY="5000",
    )
    assert done.returncode == 0, done.stderr
    assert len(collector.spans()) == 41
    assert done.stderr.count("7 spans lost: a forked child was killed") == 2


@pytest.mark.parametrize(
    "script",
    [
        """
        with sightline.request("ask"):
            pid = os.fork()
            if pid == 0:
                step()
                sys.exit(0)
            os.waitpid(pid, 0)
        """,
        """
        import gc
        @sightline.llm("ask", attributes={"n": 1})
        def words():
            yield "a"
            yield "b"
        stream = words()
        next(stream)
        def drop():
            global stream
            step()
            stream = None
            gc.collect()
        p = fork.Process(target=drop); p.start(); p.join()
        assert list(stream) == ["b"]
        """,
    ],
    ids=["block", "stream"],
)
def test_a_span_that_is_open_at_a_fork_is_sent_by_its_own_process(collector: Any, script: str) -> None:
    """Left by an exit, or collected there: the child does not send what its parent ends."""
    done = run(collector, script)
    assert done.returncode == 0, done.stderr
    names = Counter(span.name.rpartition(" ")[2] for span in collector.spans())
    assert names == {"ask": 1, "step": 1}


def test_a_pipeline_that_was_shut_down_stays_so_in_children(collector: Any) -> None:
    """A child with one of its own sends each span once, one without sends nothing, however long they live."""
    done = run(
        collector,
        """
        import time
        tracing.shutdown()
        def configured():
            own = sightline.configure(service_name="child")
            work()
            assert own.force_flush(20)
            time.sleep(0.5)
        def without():
            work()
            time.sleep(0.5)
        for target in (configured, without):
            p = fork.Process(target=target); p.start(); p.join()
            assert p.exitcode == 0
        """,
    )
    assert done.returncode == 0, done.stderr
    assert len(collector.spans()) == len({span.span_id for span in collector.spans()}) == 5


def test_metrics_of_a_child_whose_spans_are_sampled_out_arrive(collector: Any) -> None:
    """A child that has no span to send still reports the calls that it counted."""
    done = run(
        collector,
        """
        def child():
            with sightline.llm("m", provider="openai"):
                pass
        p = fork.Process(target=child); p.start(); p.join(); sys.exit(p.exitcode)
        """,
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_TRACES_SAMPLER="traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0",
    )
    assert done.returncode == 0, done.stderr
    assert collector.spans() == []
    assert collector.counts(semconv.METRIC_OPERATION_DURATION) == [1]


def test_more_children_than_are_followed_at_a_time_are_counted_one_after_the_other(collector: Any) -> None:
    """Also where the parent makes no span itself, so that nothing of its own looks after them."""
    done = run(
        collector,
        """
        import posix
        from sightline.export import child_ledger
        child_ledger._CHILDREN = 4
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                step()
                posix._exit(0)
            os.waitpid(pid, 0)
        stats = tracing.stats()
        assert (stats.emitted, stats.dropped) == (20, 20), stats
        assert tracing.force_flush(5)
        """,
        OTEL_BSP_SCHEDULE_DELAY="60000",
    )
    assert done.returncode == 0, done.stderr


def test_a_pool_that_is_terminated_loses_nothing_silently(collector: Any) -> None:
    """Leaving ``with Pool()`` kills the children: each span arrives or is counted."""
    done = run(
        collector,
        """
        with fork.Pool(2) as pool:
            pool.map(step, range(10))
        pool.join()
        print(tracing.stats().dropped)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert len(collector.spans()) + int(done.stdout) == 10


_TASKS = """
import sightline
from celery import Celery
from celery.signals import worker_process_init, worker_ready

app = Celery("tasks", broker="filesystem://", broker_transport_options={OPTIONS})
app.conf.worker_max_tasks_per_child = 1
app.conf.broker_connection_retry_on_startup = True

@worker_process_init.connect
def start(**_):
    sightline.configure(service_name="worker")

@app.task
@sightline.workflow("index")
def index(number):
    return number

@worker_ready.connect
def send(**_):
    for number in range(10):
        index.delay(number)
"""


def test_celery_worker_with_one_task_a_child_sends_all_spans(collector: Any, tmp_path: Path) -> None:
    """Ten tasks in ten children of a real worker are ten spans, each of a process of its own."""
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    options: dict[str, Any] = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
        "polling_interval": 0.05,
    }
    (tmp_path / "tasks.py").write_text(_TASKS.replace("{OPTIONS}", repr(options)))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    env = {**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRICS_EXPORTER": "none"}
    flags = ["-c", "10", "-P", "prefork", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", *flags],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 40
        while len(collector.spans()) < 10 and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # a warm shutdown takes five seconds
        output, _ = worker.communicate(timeout=30)
    instances = Counter(
        attribute.value.string_value
        for request in collector.traces
        for resource in request.resource_spans
        for attribute in resource.resource.attributes
        if attribute.key == "service.instance.id"
    )
    assert len(collector.spans()) == len(instances) == 10, output
