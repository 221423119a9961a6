"""instrument() and uninstrument() while a FastAPI application serves: the next request is traced, or is not."""

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

# The application has FastAPI's own spans turned off unless a test is about them.
SERVED = """
    import json, logging, os, socket, threading, time, urllib.request
    import sightline
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sightline.configure()
    ended = []

    class Keep(SpanProcessor):
        def on_end(self, span):
            ended.append([span.instrumentation_scope.name.removeprefix("opentelemetry.instrumentation."), span.name])

    trace.get_tracer_provider().add_span_processor(Keep())
    if {before}:
        sightline.instrument(only=["fastapi"])
    import fastapi, uvicorn
    from fastapi.responses import StreamingResponse
    from sightline.asgi import RequestMiddleware

    app = fastapi.FastAPI() if {own_spans} else fastapi.FastAPI(telemetry={{"tracing": False}})
    if {marked}:
        app.add_middleware(RequestMiddleware)

    @app.get("/words")
    async def words():
        return StreamingResponse(iter(["a", "b"]))

    served = threading.Event()

    async def noted(scope, receive, send):
        await app(scope, receive, send)
        if scope["type"] == "http":
            served.set()  # all that the request has made has ended

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(noted, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={{"sockets": [listening]}})
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def ask():
        ended.clear()
        served.clear()
        url = f"http://127.0.0.1:{{listening.getsockname()[1]}}/words"
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"ab"
        assert served.wait(30)
        return sorted(ended)

    told = [ask()]
    for _ in range(2):
        sightline.instrument(only={only}, app=app)
        told.append(ask())
        sightline.uninstrument()
        told.append(ask())
    server.should_exit = True
    thread.join()
    listening.close()
    print(json.dumps(told))
"""
TRACED = [["fastapi", "GET /words"]]


def serve(**told: Any) -> tuple[list[Any], str]:
    """Serve an application; spans of a request before, with and without the instrumentation, twice; and the log."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    asked = {"before": False, "own_spans": False, "marked": False, "only": ["fastapi"], **told}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SERVED).format(**asked)],
        env=clean | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SIGHTLINE_EXIT_TIMEOUT_S": "0"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("only", [["fastapi"], ["httpx"]])
def test_an_app_that_serves_is_traced_and_left(only: list[str]) -> None:
    """Given to instrument() while it serves, whatever is turned on: one span a request, none after uninstrument()."""
    told, _ = serve(only=only)
    assert told == [[], TRACED, [], TRACED, []]


def test_an_app_made_under_instrument_is_left_while_it_serves() -> None:
    """What instrument() has traced from the start is not traced any more from the next request on."""
    told, _ = serve(before=True)
    assert told == [TRACED, TRACED, [], TRACED, []]


def test_our_own_middleware_is_yours() -> None:
    """RequestMiddleware marks the server span while there is one, and starts its own otherwise: you have added it."""
    told, _ = serve(marked=True)
    own = [["sightline", "GET /words"]]
    assert told == [own, TRACED, own, TRACED, own]


@pytest.mark.parametrize("marked", [False, True])
def test_fastapis_own_spans_are_not_ours_to_stop(marked: bool) -> None:
    """A FastAPI that makes spans itself does so again after uninstrument(), and the log says how to turn that off."""
    told, log = serve(own_spans=True, marked=marked)
    before, traced, after, *_ = told
    assert traced == TRACED
    assert before == after
    makes_spans = ["fastapi", "GET /words"] in before
    assert ("FastAPI makes spans itself" in log) == makes_spans
    if makes_spans:  # one request is one, also where the middleware finds FastAPI's own span
        assert [name for _, name in before].count("GET /words") == 1
