"""configure(): settings, other people's providers, the pipeline to a real socket, exit."""

import json
import os
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from sightline import SettingsError, TracingSettings, semconv
from sightline.capture.mode import Capture


def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own: the TracerProvider can be set only once in one."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=clean | env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )


def attributes(item: Any) -> dict[str, Any]:
    """Return OTLP attributes as a dict."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in item.attributes}


def test_spans_and_scores_reach_the_collector_at_exit(collector: Any) -> None:
    """A script that just ends loses nothing; scores travel as log records; spans are numbered from 1."""
    done = run(
        """
        import sightline
        tracing = sightline.configure(service_name="svc")
        assert sightline.configure() is tracing
        @sightline.request
        def ask(question):
            sightline.identify(session="s1", user="u1", tenant="t1")
            with sightline.llm("m", provider="openai"):
                pass
            sightline.score("faithfulness", 0.5, judge="j")
            sightline.score("context_recall", float("nan"), error=ValueError("judge failed"))
            return sightline.current_trace_id()
        print(ask("why"))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        SIGHTLINE_CAPTURE="full",
        SIGHTLINE_EXIT_TIMEOUT_S="20",  # the test machine may be busy
    )
    spans = {span.name: span for span in collector.spans()}
    assert sorted(spans) == ["ask", "chat m"]
    found = attributes(spans["ask"])
    assert found[semconv.SPAN_SEQUENCE] == 1
    assert attributes(spans["chat m"])[semconv.SPAN_SEQUENCE] == 2
    assert attributes(spans["chat m"])[semconv.TENANT_ID] == found[semconv.TENANT_ID] == "t1"
    assert found[semconv.INPUT] == "why"
    resource = attributes(collector.traces[0].resource_spans[0].resource)
    assert resource[semconv.SERVICE_NAME] == "svc"
    assert resource["deployment.environment.name"] == "test"
    assert len(resource[semconv.SERVICE_INSTANCE_ID]) == 36
    assert resource[semconv.SIGHTLINE_VERSION]
    records = [r for log in collector.logs for rl in log.resource_logs for sl in rl.scope_logs for r in sl.log_records]
    good, bad = records
    assert good.event_name == bad.event_name == "gen_ai.evaluation.result"
    assert good.trace_id.hex() == done.stdout.strip()
    assert good.span_id == spans["ask"].span_id
    assert attributes(good)[semconv.GEN_AI_EVALUATION_SCORE_VALUE] == 0.5
    assert attributes(good)[semconv.EVALUATION_JUDGE] == "j"
    assert semconv.GEN_AI_EVALUATION_SCORE_VALUE not in attributes(bad)
    assert attributes(bad)[semconv.ERROR_TYPE] == "ValueError"
    assert attributes(collector.logs[0].resource_logs[0].resource)[semconv.SERVICE_NAME] == "svc"


def test_stats_are_true_while_the_collector_says_503(collector: Any) -> None:
    """A 503 with Retry-After costs nothing but time."""
    collector.refuse = 2
    done = run(
        """
        import json, sightline
        tracing = sightline.configure()
        for _ in range(100):
            with sightline.trace("x"):
                pass
        before = tracing.stats()
        assert before.emitted == 100 and before.exported + before.queued == 100
        assert tracing.force_flush(10)
        import dataclasses
        print(json.dumps(dataclasses.asdict(tracing.stats())))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert json.loads(done.stdout) == {"emitted": 100, "exported": 100, "dropped": 0, "queued": 0}
    numbers = [attributes(span)[semconv.SPAN_SEQUENCE] for span in collector.spans()]
    assert sorted(numbers) == list(range(1, 101))


def test_exit_without_a_collector_takes_about_a_second() -> None:
    """Nobody listens: the process still ends soon and says what was lost."""
    started = time.monotonic()
    done = run(
        """
        import logging, sightline
        logging.basicConfig()
        sightline.configure()
        with sightline.trace("x"):
            pass
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert time.monotonic() - started < 30
    assert "1 spans dropped at exit" in done.stderr


def test_existing_provider_is_kept_and_logged(collector: Any) -> None:
    """An application's provider stays; ours is added to it and the log says so."""
    done = run(
        """
        import logging
        logging.basicConfig(level=logging.INFO)
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        trace.set_tracer_provider(mine)
        import sightline
        tracing = sightline.configure(service_name="other")
        assert trace.get_tracer_provider() is mine
        with mine.get_tracer("app").start_as_current_span("theirs"):
            with sightline.trace("ours"):
                pass
        assert tracing.force_flush(5)
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert "the application has a TracerProvider" in done.stderr
    assert {span.name for span in collector.spans()} == {"theirs", "ours"}
    assert len({span.trace_id for span in collector.spans()}) == 1


def test_forked_workers_number_and_name_themselves(collector: Any) -> None:
    """A forked child has its own instance id and starts its numbers at 1."""
    run(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import sightline
        tracing = sightline.configure()
        with sightline.trace("parent"):
            pass
        pid = os.fork()
        if pid == 0:
            with sightline.trace("child"):
                pass
            os._exit(0 if tracing.force_flush(5) and tracing.stats().exported == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert sorted(span.name for span in collector.spans()) == ["child", "parent"]
    numbered = numbers_by_instance(collector)
    assert sorted(numbered.values()) == [[1], [1]]
    assert None not in numbered


def test_fork_while_another_thread_configures() -> None:
    """The child does not wait for a lock that a thread of its parent holds: it starts tracing itself."""
    run(
        """
        import collections, os, signal, threading, warnings
        warnings.simplefilter("ignore")
        import sightline
        inside, go_on = threading.Event(), threading.Event()

        class Slow(collections.UserDict):
            def keys(self):
                inside.set()
                go_on.wait(30)
                return super().keys()

        thread = threading.Thread(target=sightline.configure, kwargs={"env": Slow()})
        thread.start()
        assert inside.wait(30)
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            os._exit(0 if sightline.configure().stats().emitted == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        go_on.set()
        thread.join()
        """,
        OTEL_METRICS_EXPORTER="none",
    )


def numbers_by_instance(collector: Any) -> dict[str | None, list[int | None]]:
    """Return the numbers of the stored spans for each `service.instance.id`; None where there is none."""
    numbers: dict[str | None, list[int | None]] = {}
    for request in collector.traces:
        for item in request.resource_spans:
            known = numbers.setdefault(attributes(item.resource).get(semconv.SERVICE_INSTANCE_ID), [])
            known += [attributes(span).get(semconv.SPAN_SEQUENCE) for scope in item.scope_spans for span in scope.spans]
    return numbers


def test_instance_id_of_the_user_is_kept(collector: Any) -> None:
    """An id from OTEL_RESOURCE_ATTRIBUTES is no random one: it is not replaced."""
    run(
        """
        import sightline
        tracing = sightline.configure()
        with sightline.trace("x"):
            pass
        assert tracing.force_flush(20)
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_RESOURCE_ATTRIBUTES="service.instance.id=pod-1",
    )
    assert numbers_by_instance(collector) == {"pod-1": [1]}


def test_spans_of_a_provider_without_instance_id_are_not_numbered(collector: Any) -> None:
    """Nobody could tell whose the numbers are; the log says it once."""
    done = run(
        """
        import logging
        logging.basicConfig()
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider(resource=Resource({"service.name": "mine"})))
        import sightline
        tracing = sightline.configure()
        sightline.configure()
        for _ in range(2):
            with sightline.trace("x"):
                sightline.identify(user="u")
                with sightline.trace("y"):
                    pass
        assert tracing.force_flush(20)
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert numbers_by_instance(collector) == {None: [None] * 4}
    assert done.stderr.count("has no service.instance.id: its spans are not numbered") == 1
    assert {attributes(span).get(semconv.USER_ID) for span in collector.spans() if span.name == "y"} == {"u"}


def test_no_number_stands_twice_beside_one_instance_id(collector: Any) -> None:
    """A forked child of an application's own provider numbers its spans only if the SDK gave it another id."""
    run(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.instance.id": "one"})))
        import sightline
        tracing = sightline.configure()
        with sightline.trace("parent"):
            pass
        pid = os.fork()
        if pid == 0:
            with sightline.trace("child"):
                pass
            os._exit(0 if tracing.force_flush(20) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    numbered = numbers_by_instance(collector)
    assert sum(map(len, numbered.values())) == 2
    assert all(numbers.count(1) == 1 for numbers in numbered.values())


def test_endpoint_argument_wins_over_the_environment_for_every_signal(collector: Any) -> None:
    """`configure(endpoint=...)` moves spans, scores and metrics, whatever the variables of the signals say."""
    nowhere = {
        f"OTEL_EXPORTER_OTLP_{part}ENDPOINT": "http://127.0.0.1:9" for part in ("", "TRACES_", "LOGS_", "METRICS_")
    }
    run(
        f"""
        import sightline
        tracing = sightline.configure(endpoint={collector.url!r})
        with sightline.llm("m"):
            sightline.score("s", 1.0)
        assert tracing.force_flush(20)
        """,
        **nowhere,
    )
    assert collector.traces
    assert collector.logs
    assert collector.metrics


def test_disabled_and_unconfigured_are_no_ops() -> None:
    """OTEL_SDK_DISABLED, or no configure() at all: everything works and nothing is sent."""
    run(
        """
        import sightline
        @sightline.llm
        def stream():
            sightline.annotate(a=1)
            sightline.identify(user="u")
            sightline.record_documents([{"id": 1}])
            yield "a"
        assert list(stream()) == ["a"]
        assert sightline.current_trace_id() == "" and sightline.request_ids() == ("", "")
        tracing = sightline.configure()
        assert list(stream()) == ["a"]
        assert tracing.stats().emitted == 0 and tracing.force_flush() and tracing.shutdown() is None
        """,
        OTEL_SDK_DISABLED="true",
    )


HEAVY = {"httpx", "requests", "pandas", "numpy", "openai", "fastapi", "starlette", "google.protobuf", "aiohttp"}
"""Client libraries, protobuf and HTTP clients that are not Python's."""


def test_import_is_light() -> None:
    """Decorated code that nobody traces needs OpenTelemetry's API only: SDK and exporter come with configure()."""
    done = run(
        """
        import json, sys
        import sightline
        @sightline.llm("m")
        def answer(question):
            sightline.annotate(a=1)
            return "text"
        assert answer("why") == "text"
        print(json.dumps(sorted(sys.modules)))
        """
    )
    modules = set(json.loads(done.stdout))
    assert modules & HEAVY == set()
    assert [name for name in modules if name.startswith(("opentelemetry.sdk", "sightline.export"))] == []


def test_configure_is_light() -> None:
    """To start tracing takes the SDK, and nothing that is heavier; the classes that it returns are exported too."""
    done = run(
        """
        import json, sys
        import sightline
        tracing = sightline.configure()
        assert isinstance(tracing, sightline.Tracing)
        assert isinstance(tracing.settings, sightline.TracingSettings)
        assert isinstance(tracing.stats(), sightline.Stats)
        print(json.dumps(sorted(sys.modules)))
        """
    )
    assert set(json.loads(done.stdout)) & HEAVY == set()


def test_settings_from_the_environment() -> None:
    """Standard names are read; signal-specific ones win."""
    settings = TracingSettings.from_env(
        {
            "OTEL_SERVICE_NAME": "svc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://l:1/x",
            "OTEL_EXPORTER_OTLP_HEADERS": "a=1, B=two%20words",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
            "SIGHTLINE_CAPTURE": "Full",
            "SIGHTLINE_CAPTURE_MAX_CHARS": "10",
        }
    )
    assert settings.service_name == "svc"
    assert settings.traces_endpoint == "http://c:4318/v1/traces"
    assert settings.logs_endpoint == "http://l:1/x"
    assert settings.traces_headers == (("a", "1"), ("b", "two words"))
    assert settings.timeout_s == 3
    assert settings.flush_interval_s == 1
    assert settings.capture is Capture.FULL
    assert settings.capture_max_chars == 10
    assert TracingSettings.from_env({}) == TracingSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGHTLINE_CAPTURE", "everything"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "nan"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
    ],
)
def test_bad_settings_name_the_setting_and_the_way_out(name: str, value: str) -> None:
    """A setting that cannot be used is reported with name and value."""
    with pytest.raises(SettingsError, match=name) as caught:
        TracingSettings.from_env({name: value})
    assert caught.value.setting == name
    assert caught.value.value.lower().startswith(value.lower())
