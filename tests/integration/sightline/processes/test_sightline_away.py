"""Never in the way: a collector that is away, slow or wrong; exits, forks, threads, event loops, consumers that go."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import sightline
from sightline import semconv
from sightline.asgi import RequestMiddleware
from sightline.testing import Spans


def run(script: str, **env: str) -> Any:
    """Run a script in a process of its own and return the JSON that it printed last."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=clean | env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A receiver that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def babbler() -> Iterator[str]:
    """A receiver that answers what is no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(0.2)
                    try:
                        connection.recv(65536)
                        connection.sendall(b"220 smtp.example ESMTP ready\r\n")
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()


CALLER = """
    import json, sys, threading, time
    import sightline
    from sightline.export import outbox
    tracing = sightline.configure()
    main = threading.get_ident()
    sent_by = set()
    send = tracing._spans._send
    def noted(*args):
        sent_by.add(threading.get_ident())
        return send(*args)
    tracing._spans._send = noted
    @sightline.llm("m", provider="openai")
    def stream(n):
        for _ in range(n):
            yield "word "
    for _ in range(300):
        with sightline.request("r"):
            for _ in stream(3):
                pass
            sightline.score("s", 1.0)
    until = time.monotonic() + 10
    while not sent_by and time.monotonic() < until:
        time.sleep(0.01)
    stats = tracing.stats()
    print(json.dumps({"by_caller": main in sent_by, "sent": bool(sent_by), "faults": tracing.faults(),
        "emitted": stats.emitted, "sum": stats.exported + stats.dropped + stats.queued}))
"""


@pytest.mark.parametrize("kind", ["away", "slow", "wrong"])
def test_the_caller_never_waits_for_the_collector(kind: str, request: pytest.FixtureRequest) -> None:
    """Away, silent or talking nonsense: callers only queue, another thread sends, the account holds, the exit is short.

    The exit has a fifth of a second here; the process is given a minute, but must end by itself.
    """
    url = {"away": lambda: "http://127.0.0.1:9"}.get(
        kind, lambda: str(request.getfixturevalue("black_hole" if kind == "slow" else "babbler"))
    )()
    told = run(CALLER, OTEL_EXPORTER_OTLP_ENDPOINT=url, SIGHTLINE_EXIT_TIMEOUT_S="0.2", OTEL_BSP_SCHEDULE_DELAY="5")
    assert told == {"by_caller": False, "sent": True, "faults": {}, "emitted": 600, "sum": 600}


def test_no_lock_is_shared_with_the_exporter() -> None:
    """While the exporting thread encodes or sends, for however long, callers queue."""
    told = run(
        """
        import json, threading
        from sightline.export.otlp_http import Answer, Verdict
        from sightline.export.outbox import Outbox
        busy, go = threading.Event(), threading.Event()
        def encode(batch):
            if batch:
                busy.set()
                go.wait(30)
            return b""
        box = Outbox("things", encode, lambda body, timeout_s: Answer(Verdict.SENT), interval_s=0.001)
        box.put(1)
        assert busy.wait(30)
        kept = [box.put(each) for each in range(1000)]  # would hang here with a shared lock
        before = box.stats().queued
        go.set()
        box.flush(30)
        print(json.dumps([all(kept), before, box.stats().exported]))
        """
    )
    assert told == [True, 1001, 1001]


def test_a_script_that_just_ends_loses_nothing(collector: Any) -> None:
    """Thousands of spans that are queued when the script ends arrive; its last ones end while it goes down."""
    told = run(
        """
        import atexit, json
        import sightline
        def late():
            with sightline.trace("late"):
                pass
        tracing = sightline.configure()
        atexit.register(late)
        for _ in range(3000):
            with sightline.trace("x"):
                pass
        print(json.dumps({}))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        SIGHTLINE_EXIT_TIMEOUT_S="20",
    )
    assert told == {}
    names = [span.name for span in collector.spans()]
    assert names.count("x") == 3000
    assert names.count("late") == 1


def test_a_worker_that_cannot_start_any_more_is_replaced_by_the_exit(collector: Any) -> None:
    """A first span in the last moment, when no thread may start, is sent from where it is."""
    run(
        """
        import json, threading
        import sightline
        tracing = sightline.configure()
        class Refuses(threading.Thread):
            def start(self):
                raise RuntimeError("can't create new thread at interpreter shutdown")
        threading.Thread = Refuses
        with sightline.trace("last"):
            pass
        print(json.dumps({}))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        SIGHTLINE_EXIT_TIMEOUT_S="20",
    )
    assert [span.name for span in collector.spans()] == ["last"]


def test_uvloop_runs_streams_and_requests(collector: Any) -> None:
    """Under uvloop a stream that is cancelled, dropped or finished leaves one ended span each, without a complaint."""
    pytest.importorskip("uvloop")
    told = run(
        """
        import asyncio, gc, json, uvloop
        import sightline
        tracing = sightline.configure()
        complaints = []
        @sightline.llm("m")
        async def words(n):
            for _ in range(n):
                await asyncio.sleep(0)
                yield "w"
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: complaints.append(context["message"]))
            assert [w async for w in words(3)] == ["w"] * 3
            stream = words(3)
            await anext(stream)
            await asyncio.create_task(stream.aclose())
            async for _ in words(3):
                break
            async def slow():
                async for _ in words(1_000_000_000):
                    pass
            task = asyncio.create_task(slow())
            await asyncio.sleep(0.01)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            gc.collect()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        assert tracing.force_flush(20)
        print(json.dumps({"complaints": complaints, "faults": tracing.faults()}))
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    assert told == {"complaints": [], "faults": {}}
    outcomes = sorted(
        pair.value.string_value
        for span in collector.spans()
        for pair in span.attributes
        if pair.key == semconv.STREAM_OUTCOME
    )
    assert outcomes == ["abandoned", "cancelled", "closed", "completed"]


@sightline.llm("m", provider="openai")
async def answer(*words: str) -> AsyncIterator[str]:
    """Stream words."""
    for word in words:
        await asyncio.sleep(0)
        yield word


async def _socket(app: Any, received: list[dict[str, Any]], *, lost_after: int | None = None) -> list[dict[str, Any]]:
    """Run a WebSocket connection through the middleware and return what was sent."""
    sent: list[dict[str, Any]] = []
    messages = iter(received)

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        if lost_after is not None and len(sent) >= lost_after:
            raise OSError("client is gone")
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": []}
    await RequestMiddleware(app, content_events={"token"})(scope, receive, send)
    return sent


async def _chat(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    await send({"type": "websocket.send", "text": '{"event": "meta"}'})
    async for word in answer("a", "b"):
        await send({"type": "websocket.send", "text": json.dumps({"event": "token", "text": word})})
    await send({"type": "websocket.close", "code": 1000})


CONNECT = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "why?"}]


async def test_websocket_streams_have_an_edge(spans: Spans) -> None:
    """The first token message, not the framing before it, is the first content; the model's span is below."""
    await _socket(_chat, CONNECT)
    attributes = spans.attributes(stage="request")
    assert attributes[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] > 0
    assert attributes[semconv.RESPONSE_CONTENT_EVENTS] == 2
    assert attributes[semconv.RESPONSE_OUTCOME] == "completed"
    assert spans.tree() == "WEBSOCKET\n  chat m"


async def test_websocket_client_that_goes(spans: Spans) -> None:
    """A client that disconnects in mid-stream is recorded as such; the model's stream is closed at that chunk."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        stream = answer("a", "b", "c")
        try:
            async for word in stream:
                await send({"type": "websocket.send", "text": word})
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    with pytest.raises(OSError, match="gone"):
        await _socket(app, CONNECT, lost_after=2)
    assert spans.attributes(stage="request")[semconv.RESPONSE_OUTCOME] == "client_gone"
    model = spans.attributes(stage="model")
    assert model[semconv.STREAM_OUTCOME] == "closed"
    assert model[semconv.STREAM_CHUNKS] == 2


async def test_first_token_by_hand(spans: Spans) -> None:
    """Where no middleware sees the edge, a word from the code does; only the first one counts."""
    with sightline.request("queue job"):
        async for _ in answer("a", "b"):
            sightline.record_first_token()
            first = spans
    assert first is spans
    attributes = spans.attributes("queue job")
    model = spans.attributes("chat m")
    assert attributes[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] >= model[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0


def test_a_traced_stream_is_what_its_source_is(spans: Spans) -> None:
    """inspect, isinstance and a decorator outside see a generator: a stream handed on is followed by both spans."""
    import inspect

    @sightline.llm("m")
    def words() -> Iterator[str]:
        yield from "ab"

    @sightline.workflow("w")
    def hand_on() -> Any:
        return words()

    stream = hand_on()
    assert inspect.isgenerator(stream)
    assert list(stream) == ["a", "b"]
    assert {(each.attributes or {})[semconv.STREAM_OUTCOME] for each in spans} == {"completed"}
    assert len(spans) == 2
