"""The HTTP interface of a model in llama.cpp: what comes from outside passes here, and little of it is changed.

Requests go on to the engine's Unix socket, and its bytes come back as they are. This module decides who may ask
(API key; the Host header is checked by `serving.run`), what may be asked (chat completions and the list of models),
and how many may wait. A client that leaves ends the computation behind it.

GET /metrics is the engine's page (`llamacpp:requests_processing`, `llamacpp:requests_deferred`, tokens and seconds)
with this server's own numbers below it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sightline_app.model_server.llama import Engine
from sightline_app.model_server.openai_interface import (
    RequestInvalid,
    check_key,
    check_model,
    new_app,
    read_body,
    read_object,
    response,
)
from sightline_app.settings import ModelSettings

_QUICK_S = 5.0


class Counters:
    """Numbers of /metrics."""

    def __init__(self, settings: ModelSettings) -> None:
        self.open = 0
        self.most = settings.slots + settings.max_waiting
        self.refused = 0
        self._settings = settings

    def text(self) -> str:
        """Return them in Prometheus' form."""
        waiting = max(0, self.open - self._settings.slots)
        rows = (
            ("slots", "gauge", "Requests that can be computed at the same time", self._settings.slots),
            ("requests_open", "gauge", "Requests that are computed or wait", self.open),
            ("requests_waiting", "gauge", "Requests that wait for a slot", waiting),
            ("requests_refused_total", "counter", "Requests answered 503, because too many waited", self.refused),
        )
        return "".join(
            f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}\n"
            for name, kind, meaning, value in ((f"sightline_model_{row[0]}", *row[1:]) for row in rows)
        )


class _Passed(StreamingResponse):
    """An answer of the engine, whose connection is closed however this one ends: that ends the computation."""

    def __init__(self, answer: httpx.Response, counters: Counters) -> None:
        super().__init__(answer.aiter_raw(), answer.status_code)
        self._answer = answer
        self._counters = counters
        for name in ("content-type", "content-length"):
            if name in answer.headers:
                self.headers[name] = answer.headers[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the bytes on."""
        try:
            with contextlib.suppress(httpx.HTTPError):  # the engine broke off: the client sees a stream without an end
                await super().__call__(scope, receive, send)
        finally:
            self._counters.open -= 1
            await self._answer.aclose()


def without_late_wakeups(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what a callback raised as every loop does, but drop one error that means nothing.

    anyio (4.16) waits for a Unix socket with a bare ``Future.set_result``: where bytes of the engine come in the same
    turn of the loop in which the reading request is cancelled, it raises InvalidStateError, and nothing is lost.

    Args:
        loop: the running loop.
        context: as of ``asyncio.loop.call_exception_handler``.
    """
    is_late = isinstance(context.get("exception"), asyncio.InvalidStateError)
    if not (is_late and "set_result" in str(context.get("handle"))):
        loop.default_exception_handler(context)


class EndQuietly:
    """An ASGI application in front of another: a request that is cancelled when the server stops is no error.

    A request whose answer has not begun is answered 503; a stream ends where it is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            if not has_begun:
                await response("the server is stopping", 503)(scope, receive, send)


def create_app(settings: ModelSettings, engine: Engine) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: name, key and limits.
        engine: the loaded model.
    """
    transport = httpx.AsyncHTTPTransport(uds=str(engine.socket), limits=httpx.Limits(max_keepalive_connections=8))
    client = httpx.AsyncClient(
        transport=transport, base_url="http://llama", timeout=httpx.Timeout(None, connect=_QUICK_S)
    )
    counters = Counters(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        asyncio.get_running_loop().set_exception_handler(without_late_wakeups)
        yield
        await client.aclose()

    app = new_app(lifespan)

    @app.exception_handler(httpx.HTTPError)
    async def failed(request: Request, exc: httpx.HTTPError) -> JSONResponse:
        del request
        return response(f"llama.cpp did not answer: {type(exc).__name__}", 503)

    @app.get("/health")
    @app.get("/healthz")
    async def health() -> JSONResponse:
        ready = False
        with contextlib.suppress(httpx.HTTPError):
            ready = (await client.get("/health", timeout=_QUICK_S)).status_code == 200
        facts = {
            "ready": ready,
            "model": settings.name,
            "note": None,
            "threads": engine.threads,
            "slots": settings.slots,
        }
        return JSONResponse(facts, 200 if ready else 503)

    @app.get("/metrics")
    async def metrics(request: Request) -> PlainTextResponse:
        check_key(request, settings)
        page = await client.get("/metrics", timeout=_QUICK_S)
        return PlainTextResponse(page.text + counters.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        check_key(request, settings)
        listed = (await client.get("/v1/models", timeout=_QUICK_S)).json()
        return {"object": "list", "data": [{**model, "created": int(time.time())} for model in listed["data"]]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        check_key(request, settings)
        body = await read_body(request)
        check_model(read_object(body), settings.name)  # the engine would answer any name with its only model
        if counters.open >= counters.most:
            counters.refused += 1
            raise RequestInvalid(
                f"{counters.open} requests are computed or wait: SIGHTLINE_MODEL_SLOTS={settings.slots}, "
                f"SIGHTLINE_MODEL_MAX_WAITING={settings.max_waiting}",
                status=503,
                code="too_many_waiting",
            )
        counters.open += 1
        headers = {"content-type": "application/json"}
        passed_on = client.build_request("POST", "/v1/chat/completions", content=body, headers=headers)
        try:
            answer = await _unless_client_leaves(request, client.send(passed_on, stream=True))
        except BaseException:
            counters.open -= 1
            raise
        return _Passed(answer, counters)

    return app


async def _unless_client_leaves(request: Request, sending: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
    """Wait for the head of the engine's answer, which comes with the first token.

    Raises:
        RequestInvalid: the client has gone; the engine's connection is closed, which ends its work.
    """

    async def until_client_leaves() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answer, leaving = asyncio.create_task(sending), asyncio.create_task(until_client_leaves())
    try:
        await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise RequestInvalid("the client has gone", status=499)
    finally:
        for task in (answer, leaving):
            if not task.done():
                task.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
