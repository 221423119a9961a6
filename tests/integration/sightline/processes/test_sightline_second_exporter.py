"""configure() beside exporters of the application: one that sends to the same collector is named, once."""

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

_BEGIN = """
import logging, warnings
warnings.simplefilter("ignore")
logging.basicConfig(level=logging.WARNING)
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
import sightline

def export(exporter, processor=BatchSpanProcessor):
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    provider.add_span_processor(processor(exporter))

URL = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
"""


def log_of(collector: Any, script: str) -> str:
    """Return the log of a process that makes one span."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    env = {**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRICS_EXPORTER": "none"}
    script = (
        f"import os{_BEGIN}{textwrap.dedent(script)}\n"
        "with sightline.trace('x'): pass\n"
        "assert tracing.force_flush(20) and tracing.faults() == {}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "script",
    [
        "export(OTLPSpanExporter()); tracing = sightline.configure()",
        "export(OTLPSpanExporter(URL.replace('127.0.0.1', 'localhost') + '/v1/traces'), SimpleSpanProcessor)\n"
        "tracing = sightline.configure()",
        "tracing = sightline.configure(); export(OTLPSpanExporter())",
        """
        class Own(BatchSpanProcessor): pass
        export(OTLPSpanExporter(), Own)
        export(OTLPSpanExporter(), Own)
        tracing = sightline.configure()
        """,
    ],
    ids=["before", "localhost", "after", "own_processor"],
)
def test_an_exporter_to_the_same_collector_is_named_once(collector: Any, script: str) -> None:
    """The spans do arrive more than once; the log says so one time, with both places and the way out."""
    log = log_of(collector, script)
    assert log.count("SENT TWICE") == 1
    assert "Remove that exporter, or point it to another collector" in log
    assert collector.url.rpartition(":")[2] in log


@pytest.mark.parametrize(
    "script",
    [
        "export(OTLPSpanExporter('http://127.0.0.1:9/v1/traces')); tracing = sightline.configure()",
        "export(ConsoleSpanExporter(open(os.devnull, 'w'))); tracing = sightline.configure()",
        "export(OTLPSpanExporter('http://[broken:x/v1/traces')); tracing = sightline.configure()",
        "tracing = sightline.configure()",
    ],
    ids=["elsewhere", "console", "unreadable", "none"],
)
def test_other_exporters_are_left_alone(collector: Any, script: str) -> None:
    """Spans that go to other places too are nothing to warn of, and an unreadable address breaks nothing."""
    assert "SENT TWICE" not in log_of(collector, script)


def test_configure_makes_thread_pools_keep_the_trace(collector: Any) -> None:
    """Nothing to turn on: after configure() the work of a pool is in the caller's trace, after shutdown() as before."""
    log_of(
        collector,
        """
        from concurrent.futures import ThreadPoolExecutor
        before = ThreadPoolExecutor.submit
        tracing = sightline.configure()
        with ThreadPoolExecutor(2) as pool, sightline.request("ask"):
            sightline.identify(tenant="acme")
            list(pool.map(sightline.retrieval("Documents")(len), ["a", "b", "c"]))
        assert tracing.force_flush(20)
        tracing.shutdown()
        assert ThreadPoolExecutor.submit is before
        """,
    )
    spans = [span for span in collector.spans() if span.name != "x"]
    assert len(spans) == 4
    assert len({span.trace_id for span in spans}) == 1
    assert all("acme" in [pair.value.string_value for pair in span.attributes] for span in spans)


def test_the_log_holds_no_secret_of_a_url(collector: Any) -> None:
    """User, password and query of either endpoint are left out, also where a setting is refused."""
    log = log_of(
        collector,
        """
        logging.getLogger("sightline").setLevel(logging.INFO)
        export(OTLPSpanExporter(URL.replace("//", "//user:hunter2@") + "/v1/traces?key=hunter2"))
        try:
            sightline.configure(endpoint="ftp://user:hunter2@host?next=http://hunter2")
        except sightline.errors.SettingsError as error:
            logging.error(error)
        tracing = sightline.configure(endpoint=URL.replace("//", "//user:hunter2@"))
        """,
    )
    assert "hunter2" not in log
    assert log.count("/v1/traces") >= 3
    assert "ftp://host" in log
    assert "SENT TWICE" in log


def test_numbers_go_on_after_a_second_configure(collector: Any) -> None:
    """One process counts its spans once: 1, 2, however often tracing was shut down."""
    log_of(
        collector,
        """
        tracing = sightline.configure()
        with sightline.trace("x"): pass
        tracing.shutdown(20)
        tracing = sightline.configure()
        """,
    )
    numbers = [
        pair.value.int_value
        for span in collector.spans()
        for pair in span.attributes
        if pair.key == "sightline.span.sequence"
    ]
    assert sorted(numbers) == [1, 2]
