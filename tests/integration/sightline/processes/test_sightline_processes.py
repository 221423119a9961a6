"""What holds for a process that uses the library: what it imports, forks, and work that must end in time."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from sightline import semconv


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_starts_with_an_empty_account() -> None:
    """A child sends only its own, once, and the parent keeps its own."""
    script = """
        import os, time, warnings
        warnings.simplefilter("ignore")
        from sightline.export.otlp_http import Answer, Verdict
        from sightline.export.outbox import Outbox
        taken = []
        def send(body, timeout_s):
            taken.append(body)
            return Answer(Verdict.SENT)
        outbox = Outbox("things", lambda batch: b"".join(batch), send, interval_s=0.3)
        outbox.put(b"parent")
        pid = os.fork()
        if pid == 0:
            outbox.put(b"child")
            ok = outbox.flush(5) and taken == [b"child"] and outbox.stats().emitted == 1
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert outbox.flush(5) and taken == [b"parent"], taken
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=30)


def test_a_server_that_ends_by_its_signal_has_sent_its_spans(collector: Any) -> None:
    """Uvicorn raises SIGTERM again when it has stopped: nothing runs at exit, and the queue is empty all the same."""
    script = """
        import os, signal, socket, threading, time, urllib.request
        import uvicorn
        import sightline
        from sightline.asgi import RequestMiddleware

        sightline.configure()

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                for step in ("startup", "shutdown"):
                    assert (await receive())["type"] == f"lifespan.{step}"
                    await send({"type": f"lifespan.{step}.complete"})
                return
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"word"})

        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(RequestMiddleware(app), log_level="error"))

        def ask():
            while not server.started:
                time.sleep(0.01)
            with urllib.request.urlopen(f"http://127.0.0.1:{listening.getsockname()[1]}/") as answer:
                assert answer.read() == b"word"
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=ask, daemon=True).start()
        server.run(sockets=[listening])
        os._exit(1)  # never reached
    """
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=env, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM
    names = [
        span.name
        for request in collector.traces
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert names == ["GET"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_generator_that_is_collected_inside_an_import_may_record_and_fork() -> None:
    """Its clean-up runs on the thread that imports: neither waits for the other."""
    script = """
        import os, sys
        import sightline
        from sightline.forks import IMPORT_LOCK
        from sightline.testing import captured

        @sightline.llm("m")
        def words():
            try:
                yield {"text": "a"}
            finally:
                sightline.record_usage({"input_tokens": 3})
                pid = os.fork()
                if pid == 0:
                    os._exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7

        class Finder:
            stream = None
            def find_spec(self, name, path=None, target=None):
                if name == "sightline.streaming.sse":
                    self.stream = None

        with captured() as spans:
            finder = Finder()
            sys.meta_path.insert(0, finder)
            finder.stream = words()
            next(finder.stream)
            with IMPORT_LOCK:
                import sightline.streaming.sse
            assert spans.attributes("chat m")["gen_ai.usage.input_tokens"] == 3
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(script)], check=True, timeout=30)


def test_importing_the_library_does_not_import_the_client() -> None:
    """Neither ``sightline`` nor ``sightline.weaviate`` costs a process the client's import."""
    code = "import sys, sightline.sketch, sightline.weaviate; print(sorted({'weaviate', 'grpc'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_time_grows_with_the_text_only() -> None:
    """Hundreds of thousands of hostile characters: anything quadratic would take minutes, far beyond the limit."""
    script = """
        from sightline import masks
        for part in ("a", "1", "4444 ", "a@", "a.", "@a", "-----BEGIN PRIVATE KEY-----", "eyJ-", "eyJaaaaaaaa.", "sk-",
                     "+1 ", ":", "a:", "1.", "AB12 ", "DE89 ", "1 ", "bearer ", "secret=", "://", "://a:", "xoxb-",
                     "0-", "a+", "%40", "gsk_", "ghp_", "sk-proj-", "password: ", "1-", "0171 ", "+4 ", "eyJaaaaaaaa..",
                     "k=", "key:", "token=a", "[", "::", "dapi", "A1 ", "\u00e9", "a\u00e9-", "\u7528\u6237", "\u00e9.",
                     "@\u00e9", "1\u00e9", "%40\u7528"):
            for mask in (masks.SECRET, masks.EMAIL, masks.IBAN, masks.CARD, masks.PHONE, masks.IP):
                n = 50_000 if mask in (masks.CARD, masks.IBAN) else 400_000
                mask("@" + part * (n // len(part)))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_the_process_loads_no_protobuf(collector: Any) -> None:
    """Spans, scores and metrics arrive without the message classes, which take longer to load than the SDK."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    script = """
        import json, sys
        import sightline
        tracing = sightline.configure()
        with sightline.llm("m"):
            sightline.score("s", 1.0)
        assert tracing.force_flush(20)
        print(json.dumps([name for name in sys.modules if name.startswith(("google.", "opentelemetry.proto"))]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=clean | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "SIGHTLINE_EXIT_TIMEOUT_S": "20"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == []
    assert [span.name for span in collector.spans()] == ["chat m"]
    assert collector.logs
    assert collector.metrics


def test_configured_sampling_end_to_end(collector: Any) -> None:
    """configure(): half of the traces arrive, whole; metrics count all model calls; the header forces one."""
    script = """
        import json, os
        import sightline
        from sightline.asgi import RequestMiddleware
        tracing = sightline.configure(sample_ratio=0.5)
        for _ in range(200):
            with sightline.request("r"):
                with sightline.llm("m", provider="openai"):
                    pass
        import asyncio
        async def app(scope, receive, send):
            with sightline.workflow("forced"):
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x"})
        async def nothing(*args):
            return {"type": "http.disconnect"}
        scope = {"type": "http", "path": "/", "method": "GET", "headers": [
            (b"x-sightline-debug", b"sesame"), (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00")]}
        asyncio.run(RequestMiddleware(app)(scope, nothing, nothing))
        assert tracing.force_flush(20)
        print(json.dumps(tracing.faults()))
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    env = {**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "SIGHTLINE_DEBUG_SECRET": "sesame"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {}
    spans = collector.spans()
    assert {span.name for span in spans} == {"r", "chat m", "GET", "invoke_workflow forced"}
    forced = [span for span in spans if span.trace_id == bytes.fromhex("1" * 32)]
    assert len(forced) == 2
    traces = {span.trace_id for span in spans} - {bytes.fromhex("1" * 32)}
    assert 50 < len(traces) < 150
    assert len(spans) - 2 == 2 * len(traces)
    assert all("ot=th:8" in span.trace_state for span in spans if span.trace_id in traces)
    assert collector.counts(semconv.METRIC_OPERATION_DURATION)[-1] == 200


def test_sketch_is_the_same_on_other_interpreters() -> None:
    """Hash randomisation and another process change nothing."""
    code = "from sightline.sketch import sketch; print(sketch([((n * 37) % 101 - 50) / 64 for n in range(384)]))"
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "ziwZ5hf+CRX6FRAB7jwG9RgSCf8D4ffwAfoE8xkOIgs="


HEAVY = (
    "clickhouse_connect",
    "chdb",
    "streamlit",
    "ragas",
    "pandas",
    "numpy",
    "fastapi",
    "weaviate",
    "openai",
    "httpx",
)


def test_importing_the_library_loads_nothing_heavy() -> None:
    """`import sightline` in a fresh interpreter touches no platform module."""
    probe = f"import sys, sightline; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
