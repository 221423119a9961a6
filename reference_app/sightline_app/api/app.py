"""The app's HTTP interface: POST /v1/chat (SSE or JSON), GET /healthz, GET /stats.

Whatever can fail before the answer starts (a bad request, the vector store) is an HTTP error; what fails later is an
``event: error`` at the end of the stream. A client that leaves cancels the work behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from opentelemetry import trace as otel_trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import Status, StatusCode
from starlette.types import ASGIApp, Receive, Scope, Send

import sightline
from sightline import semconv
from sightline.asgi import RequestMiddleware
from sightline_app.embedding import load
from sightline_app.errors import AppError, RequestRefused, Unavailable
from sightline_app.generator import Generator
from sightline_app.index import Manifest, open_retriever, read_manifest, version_folder
from sightline_app.lexicon import Lexicon
from sightline_app.pipeline import Done, Event, Pipeline, Question, Sources, Token
from sightline_app.settings import AppSettings

_log = logging.getLogger("sightline.app")
_ROLES = frozenset({"user", "assistant", "system"})
_MAX_ID_CHARS = 200
_UNTRACED = ("/healthz", "/stats")


def open_pipeline(settings: AppSettings) -> Pipeline:
    """Load the index and build the pipeline.

    Raises:
        IndexMissing: nothing was ingested.
        InvalidSetting: the index's embedding can't be had with these settings.
    """
    manifest = read_manifest(settings.data_dir)
    folder = version_folder(settings.data_dir, manifest.version)
    embedding = load(manifest.embedding, manifest.dimensions, folder, settings)
    lexicon = Lexicon.load(folder / "lexicon.json")
    return Pipeline(
        settings,
        manifest,
        embedding=embedding,
        lexicon=lexicon,
        retriever=open_retriever(settings, manifest),
        generator=Generator(settings),
    )


class _Serving:
    """The pipeline in use; replaced when another ingest has switched the manifest."""

    def __init__(self, settings: AppSettings, build: Callable[[AppSettings], Pipeline]) -> None:
        self._settings = settings
        self._build = build
        self.pipeline = build(settings)

    async def refresh(self) -> None:
        """Take over a new index version; requests that run go on with the old one."""
        try:
            manifest: Manifest = await asyncio.to_thread(read_manifest, self._settings.data_dir)
            if (
                manifest.version == self.pipeline.manifest.version
                and manifest.backend == self.pipeline.manifest.backend
            ):
                return
            fresh = await asyncio.to_thread(self._build, self._settings)
        except AppError as exc:
            _log.warning("keeping index %s: %s", self.pipeline.manifest.version, exc)
            return
        old, self.pipeline = self.pipeline, fresh
        await fresh.generator.learn_note()
        _log.info("now serving index %s (%d passages)", manifest.version, manifest.passages)
        await asyncio.sleep(self._settings.request_timeout_s)
        await old.close()


async def _read_json(request: Request, limit_bytes: int) -> dict[str, Any]:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > limit_bytes:
            raise RequestRefused(
                f"the request is larger than SIGHTLINE_APP_MAX_BODY_BYTES={limit_bytes}",
                kind="request_too_large",
                status=413,
            )
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise RequestRefused(f"the body is not JSON: {exc}", kind="invalid_json") from exc
    if not isinstance(parsed, dict):
        raise RequestRefused("the body must be a JSON object", kind="invalid_json")
    return parsed


def _question(body: dict[str, Any], tenant: str, limit_chars: int) -> Question:
    text = body.get("question")
    if not isinstance(text, str) or not text.strip():
        raise RequestRefused("'question' must be a text that is not empty", kind="empty_question")
    if len(text) > limit_chars:
        raise RequestRefused(
            f"the question has {len(text)} characters; SIGHTLINE_APP_MAX_QUESTION_CHARS allows {limit_chars}",
            kind="question_too_long",
            status=413,
        )
    history = body.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(each, dict) and each.get("role") in _ROLES and isinstance(each.get("content"), str)
        for each in history
    ):
        raise RequestRefused("'history' must be a list of {role, content} messages", kind="invalid_history")
    since = body.get("since")
    if since is not None:
        try:
            since = datetime.date.fromisoformat(since)
        except (TypeError, ValueError) as exc:
            raise RequestRefused("'since' must be a date like 2026-01-31", kind="invalid_date") from exc
    if not isinstance(body.get("stream", True), bool):
        raise RequestRefused("'stream' must be true or false", kind="invalid_request")
    recent = [{"role": each["role"], "content": each["content"][:limit_chars]} for each in history[-20:]]
    return Question(text=text.strip(), history=recent, tenant=tenant, since=since)


def _header(request: Request, name: str) -> str | None:
    value = request.headers.get(name, "").strip()
    return value[:_MAX_ID_CHARS] or None


def _sources(event: Sources) -> list[dict[str, Any]]:
    return [{"id": hit.id, "title": hit.title, "score": round(hit.score, 6), "names": hit.names} for hit in event.hits]


def _sse(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _mark_failed(exc: BaseException, kind: str) -> None:
    """Write a failure that the client reads in a 200 stream onto the request's span."""
    span = otel_trace.get_current_span()
    span.record_exception(exc)
    span.set_status(Status(StatusCode.ERROR, str(exc)[:200]))
    sightline.annotate_request({semconv.ERROR_TYPE: kind})


class _TracedRequests:
    """The library's request middleware, except for what supervisors ask every second."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._traced = RequestMiddleware(app, content_events={"token"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        plain = scope["type"] != "http" or scope["path"] in _UNTRACED
        await (self._plain if plain else self._traced)(scope, receive, send)


class _EventStream(StreamingResponse):
    """Server-sent events; tells the generator when the client is gone, so that its spans end as cancelled."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the end or until the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Does nothing after a regular end. A cancelled scope would cancel this too, hence the shield.
            with anyio.CancelScope(shield=True), anyio.move_on_after(3), contextlib.suppress(BaseException):
                await self._events.athrow(asyncio.CancelledError())


def create_app(
    settings: AppSettings, tracing: sightline.Tracing, build: Callable[[AppSettings], Pipeline] = open_pipeline
) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: limits and addresses.
        tracing: the library's handle, for /stats and the last flush.
        build: makes the pipeline; tests put in their own.

    Raises:
        AppError: the index can't be served.
    """
    serving = _Serving(settings, build)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        await serving.pipeline.generator.learn_note()
        watcher = asyncio.create_task(_watch(serving))
        yield
        watcher.cancel()
        await serving.pipeline.close()
        await asyncio.to_thread(tracing.force_flush, 2.0)

    app = FastAPI(title="sightline-app", lifespan=lifespan)

    @app.exception_handler(RequestRefused)
    async def refused(request: Request, exc: RequestRefused) -> JSONResponse:
        del request
        return JSONResponse({"error": {"message": str(exc), "type": exc.kind}}, exc.status)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, exc: Unavailable) -> JSONResponse:
        del request
        _log.warning("%s", exc)
        _mark_failed(exc, exc.kind)
        return JSONResponse({"error": {"message": str(exc), "type": exc.kind}}, 503, {"retry-after": "5"})

    @app.post("/v1/chat")
    async def chat(request: Request) -> Response:
        """Answer a question from the documentation."""
        tenant = _header(request, "x-tenant-id")
        sightline.identify(session=_header(request, "x-session-id"), user=_header(request, "x-user-id"), tenant=tenant)
        body = await _read_json(request, settings.max_body_bytes)
        question = _question(body, tenant or "public", settings.max_question_chars)
        sightline.annotate_request({semconv.INPUT: question.text})
        events = serving.pipeline.answer(question)
        try:
            first = await anext(events)  # everything before the model: failures are still HTTP errors here
        except BaseException:
            await events.aclose()  # type: ignore[attr-defined]  # it is an async generator
            raise
        assert isinstance(first, Sources)
        if body.get("stream", True):
            return _EventStream(_stream(first, events))
        return await _collect(first, events)

    @app.get("/healthz")
    async def health() -> JSONResponse:
        pipeline = serving.pipeline
        ready = await pipeline.retriever.ready()
        told = {
            "ready": ready,
            "embedding": {"name": pipeline.embedding.name, "version": pipeline.embedding.version},
            "retrieval": pipeline.retriever.backend,
            "index": {"version": pipeline.manifest.version, "passages": pipeline.manifest.passages},
            "model": settings.chat_model,
            "note": pipeline.generator.note,
            "priced_as": settings.priced_as,
        }
        return JSONResponse(told, 200 if ready else 503)

    @app.get("/stats")
    async def stats(flush: int = 0) -> dict[str, int]:
        if flush:
            await asyncio.to_thread(tracing.force_flush, 5.0)
        counted = tracing.stats()
        return {name: getattr(counted, name) for name in ("emitted", "exported", "dropped", "queued")}

    app.add_middleware(_TracedRequests)
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"], excluded_urls=",".join(_UNTRACED))
    return app


async def _watch(serving: _Serving) -> None:
    """Look for a new index every two seconds."""
    while True:
        await asyncio.sleep(2.0)
        await serving.refresh()


async def _stream(first: Sources, events: AsyncIterator[Event]) -> AsyncGenerator[str, None]:
    """Turn the pipeline's events into server-sent ones."""
    trace_id, span_id = sightline.request_ids()
    said: list[str] = []
    try:
        yield _sse("meta", {"trace_id": trace_id, "span_id": span_id})
        yield _sse("sources", _sources(first))
        async for event in events:
            if isinstance(event, Token):
                said.append(event.text)
                yield _sse("token", {"text": event.text})
            elif isinstance(event, Done):
                sightline.annotate_request({semconv.OUTPUT: "".join(said)})
                yield _sse("done", {"usage": event.usage, "finish_reason": event.finish_reason, "note": event.note})
    except (asyncio.CancelledError, GeneratorExit) as gone:
        with contextlib.suppress(BaseException):
            await events.athrow(gone)  # type: ignore[attr-defined]  # it is an async generator
        raise
    except Unavailable as exc:
        _log.warning("%s", exc)
        _mark_failed(exc, exc.kind)
        yield _sse("error", {"message": str(exc), "type": exc.kind})
    except Exception as exc:
        _log.exception("the answer failed")
        _mark_failed(exc, type(exc).__name__)
        yield _sse("error", {"message": "internal error", "type": "internal_error"})


async def _collect(first: Sources, events: AsyncIterator[Event]) -> JSONResponse:
    """Wait for the whole answer."""
    trace_id, span_id = sightline.request_ids()
    said: list[str] = []
    done = Done("stop")
    async for event in events:
        if isinstance(event, Token):
            said.append(event.text)
        elif isinstance(event, Done):
            done = event
    answer = "".join(said)
    sightline.annotate_request({semconv.OUTPUT: answer})
    return JSONResponse(
        {
            "trace_id": trace_id,
            "span_id": span_id,
            "answer": answer,
            "sources": _sources(first),
            "usage": done.usage,
            "finish_reason": done.finish_reason,
            "note": done.note,
        }
    )
