"""gevent: a process whose threads are greenlets traces, streams, forks and ends as any other. Runs where gevent is."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from typing import Any

import pytest

from sightline import semconv

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed here")


def run(script: str, **env: str) -> Any:
    """Run a script in a patched process of its own and return the JSON that it printed last; it may not complain."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    first = "from gevent import monkey\nmonkey.patch_all()\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", first + textwrap.dedent(script)],
        env=clean | {"SIGHTLINE_EXIT_TIMEOUT_S": "20"} | env,  # the test machine may be busy
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


def text_of(span: Any, key: str) -> str:
    """Return an attribute of a span that arrived, '' where it is not."""
    return next((pair.value.string_value for pair in span.attributes if pair.key == key), "")


def test_greenlets_have_spans_and_streams_of_their_own(collector: Any) -> None:
    """Fifty requests at once, a stream handed to another greenlet, one that is killed, one that is dropped."""
    told = run(
        """
        import gc, json
        import gevent
        from opentelemetry import trace
        import sightline

        tracing = sightline.configure()

        @sightline.llm("m")
        def words(count):
            for _ in range(count):
                gevent.sleep(0.001)
                yield "w"

        @sightline.request
        def ask(number):
            sightline.identify(session=f"s{number}")
            mine = trace.get_current_span()
            return [trace.get_current_span() is mine for _ in words(3)]

        asked = gevent.joinall([gevent.spawn(ask, number) for number in range(50)], raise_error=True)
        alone = all(each.value == [True] * 3 for each in asked)
        stream = words(3)
        handed = gevent.spawn(lambda: list(stream))
        handed.join()
        killed = gevent.spawn(lambda: list(words(10**9)))
        gevent.sleep(0.05)
        killed.kill()
        stream = words(3)
        next(stream)
        del stream
        gc.collect()
        gevent.get_hub().threadpool.apply(lambda: list(words(2)))
        sent = tracing.force_flush(20)
        print(json.dumps([alone, len(handed.value), sent, type(tracing._spans._worker).__module__, tracing.faults()]))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert told == [True, 3, True, "gevent.threading", {}]
    spans = collector.spans()
    outcomes = Counter(text_of(span, semconv.STREAM_OUTCOME) for span in spans if span.name == "chat m")
    assert outcomes == {"completed": 52, "cancelled": 1, "abandoned": 1}
    asked = {span.span_id: text_of(span, semconv.SESSION_ID) for span in spans if span.name == "ask"}
    inside = [span for span in spans if span.name == "chat m" and span.parent_span_id]
    assert len(asked) == len(set(asked.values())) == len(inside) == 50
    assert all(text_of(span, semconv.SESSION_ID) == asked[span.parent_span_id] for span in inside)


def test_what_is_queued_arrives_when_the_process_ends(collector: Any) -> None:
    """Thousands of spans that wait when a patched script ends."""
    run(
        """
        import json
        import sightline
        tracing = sightline.configure()
        for _ in range(3000):
            with sightline.trace("x"):
                pass
        print(json.dumps(tracing.stats().queued))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="600000",
    )
    assert len(collector.spans()) == 3000


def test_a_fork_in_the_middle_of_a_request(collector: Any) -> None:
    """The parent's sending greenlet lives on in the child and must send nothing there: each span arrives once."""
    collector.held = threading.Event()
    timer = threading.Timer(1.0, collector.held.set)
    timer.start()
    told = run(
        """
        import json, os
        import gevent
        import sightline
        tracing = sightline.configure()
        with sightline.trace("parent"):
            pass
        while tracing._spans._queue:
            gevent.sleep(0.01)
        gevent.sleep(0.1)  # the receiver has it, and has not answered
        pid = os.fork()
        if pid == 0:
            for _ in range(3):
                with sightline.trace("child"):
                    pass
            stats = tracing.stats()
            done = tracing.force_flush(20) and tracing.stats().exported == stats.emitted == 3
            os._exit(not done)  # gevent on CPython 3.12 may hang when a child ends any other way
        status = os.waitpid(pid, 0)[1]
        sent = tracing.force_flush(20)
        print(json.dumps([status, sent, tracing.stats().exported]))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    timer.join()
    assert told == [0, True, 1]
    assert Counter(span.name for span in collector.spans()) == {"parent": 1, "child": 3}
