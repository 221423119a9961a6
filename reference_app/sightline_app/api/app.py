"""The ASGI application: its routes, what they share, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

import sightline
from sightline_app.api.chaos_routes import add_chaos
from sightline_app.api.chat import Chat
from sightline_app.api.chat_request import read_json
from sightline_app.api.chat_routes import add_chat
from sightline_app.api.document_routes import add_documents
from sightline_app.api.feedback import record_feedback
from sightline_app.api.index_in_use import IndexInUse, open_pipeline
from sightline_app.api.live_stream import LiveStreams
from sightline_app.api.openapi import KEYED, SESSION, TENANT, USER, add_docs, body_of, errors
from sightline_app.api.probes import add_probes
from sightline_app.api.readiness import Readiness
from sightline_app.api.request_spans import UNTRACED_URLS, TracedRequests, mark_failed
from sightline_app.api.schema import FeedbackRequest
from sightline_app.api.shared_streams import SharedStreams
from sightline_app.chaos.board import FaultBoard
from sightline_app.chat_page import add_chat_page
from sightline_app.conversation.session_key import SessionKey, checked_id
from sightline_app.conversation.sessions import Sessions
from sightline_app.conversation.stores import ProcessConversations, RedisConversations
from sightline_app.errors import RequestRefused, StateAway, Unavailable
from sightline_app.index import open_writer
from sightline_app.ingestion.choice import open_queue
from sightline_app.ingestion.queue import DocumentQueue
from sightline_app.ingestion.work import OpenWriter
from sightline_app.limits.access import Access
from sightline_app.limits.ledgers import ProcessLedger, RedisLedger
from sightline_app.limits.limiter import Limiter
from sightline_app.pipeline import Pipeline
from sightline_app.scaling.signals import ScaleSignals, Watched
from sightline_app.settings import AppSettings
from sightline_app.state.redis_link import RedisLink, open_link

_log = logging.getLogger("sightline.app")
_HOLD_MARGIN_S = 60.0
"""How much longer than a request its reservation holds."""


def create_app(
    settings: AppSettings,
    tracing: sightline.Tracing,
    build: Callable[[AppSettings], Pipeline] = open_pipeline,
    open_writer: OpenWriter = open_writer,
    signals: ScaleSignals | None = None,
) -> FastAPI:
    """Return the ASGI application. `serving.run` checks before it whose pages may ask.

    Args:
        settings: limits and addresses.
        tracing: the library's handle, for /stats and the last flush.
        build: makes the pipeline; tests put in their own.
        open_writer: the vector store that uploads are written to; tests put in their own.
        signals: its metrics; without, they are on `/metrics` only. `app.state.drain` is how it stops.

    Raises:
        AppError: the index can't be served, or the settings leave open who may ask.
    """
    access = Access(settings)
    link = open_link(settings.state)
    sessions, limiter = _state(settings, link)
    board = FaultBoard(build) if settings.chaos.secret_key else None
    serving = IndexInUse(settings, build if board is None else board.build)
    documents = open_queue(settings, serving, open_writer)
    readiness = Readiness(settings, link, limiter, documents, asks_keys=not access.is_open)

    shared = _shared_streams(settings, link)
    streams = LiveStreams(settings.api, None if shared is None else shared.note)
    chat = Chat(settings, access, serving=serving, sessions=sessions, limiter=limiter, streams=streams)
    signals = signals or ScaleSignals()
    signals.watch(
        Watched(
            open_answers=lambda: chat.open_answers,
            waiting_answers=lambda: chat.waiting_answers,
            waiting_documents=lambda: documents.waiting,
            budgets_used=limiter.use.used,
            charged_tokens=lambda: limiter.use.charged_tokens,
            refused=limiter.use.refused,
        )
    )
    app = FastAPI(
        title="sightline-app",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lambda _: _life(
            settings,
            tracing,
            serving=serving,
            limiter=limiter,
            link=link,
            streams=streams,
            shared=shared,
            documents=documents,
            readiness=readiness,
            signals=signals,
        ),
    )
    app.state.drain = chat.drain
    _handle_errors(app)
    add_chat(app, settings, access, chat, streams=streams, shared=shared)
    _add_forget(app, access, sessions)
    _add_feedback(app, access, serving, settings.max_body_bytes)
    add_documents(app, settings.uploads, access, limiter, documents)
    add_chat_page(app, settings.dashboards_url)
    add_probes(app, settings, tracing, serving, readiness, drain=chat.drain, signals=signals)
    if settings.chaos.secret_key and board is not None:
        board.serve_with(serving.rebuild)
        add_chaos(app, settings.chaos.secret_key, access, board)
    if settings.api.docs:
        add_docs(app, asks_keys=not access.is_open)
    app.add_middleware(TracedRequests)
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"], excluded_urls=UNTRACED_URLS)
    return app


@contextlib.asynccontextmanager
async def _life(
    settings: AppSettings,
    tracing: sightline.Tracing,
    *,
    serving: IndexInUse,
    limiter: Limiter,
    link: RedisLink | None,
    streams: LiveStreams,
    shared: SharedStreams | None,
    documents: DocumentQueue,
    readiness: Readiness,
    signals: ScaleSignals,
) -> AsyncIterator[None]:
    """What runs beside the requests, and what is closed after the last one."""
    await serving.pipeline.learn_notes()
    documents.start()
    tasks = [
        asyncio.create_task(serving.watch()),
        asyncio.create_task(limiter.keep_charging(settings.state.retry_s)),
        *([] if shared is None else [asyncio.create_task(shared.run())]),
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await streams.close()
    if shared is not None:
        await shared.close()
    await documents.close()
    await readiness.close()
    await limiter.charge_owed()
    if limiter.owed:
        _log.error("%d answers were never charged: Redis is away", limiter.owed)
    if link is not None:
        await link.close()
    await serving.close()
    await asyncio.to_thread(signals.close)
    await asyncio.to_thread(tracing.force_flush, 2.0)


def _state(settings: AppSettings, link: RedisLink | None) -> tuple[Sessions, Limiter]:
    """Return conversations and limits, kept in Redis or in this process."""
    hold_s = settings.request_timeout_s + _HOLD_MARGIN_S
    ttl_s = settings.state.session_ttl_s
    conversations = ProcessConversations(ttl_s) if link is None else RedisConversations(link, ttl_s)
    ledger = ProcessLedger(hold_s) if link is None else RedisLedger(link, hold_s)
    limiter = Limiter(ledger, admits_when_away=settings.limits.when_away == "open")
    return Sessions(conversations, settings.state, settings.request_timeout_s), limiter


def _shared_streams(settings: AppSettings, link: RedisLink | None) -> SharedStreams | None:
    """Return what shares streams with other processes; None where there is no Redis, or no stream is read on.

    Its connections are its own: where streams find Redis slow, conversations and limits do not wait.
    """
    if link is None or not settings.api.resume_s:
        return None
    own = open_link(settings.state, "streams of answers")
    return None if own is None else SharedStreams(own, settings.api)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestRefused)
    async def refused(request: Request, exc: RequestRefused) -> JSONResponse:
        del request
        return JSONResponse({"error": {"message": str(exc), "type": exc.kind}}, exc.status, exc.headers)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, exc: RequestValidationError) -> JSONResponse:
        del request
        message = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in exc.errors())
        return JSONResponse({"error": {"message": message, "type": "invalid_request"}}, 422)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, exc: Unavailable) -> JSONResponse:
        del request
        _log.warning("%s", exc)
        mark_failed(exc, exc.kind)
        return JSONResponse({"error": {"message": str(exc), "type": exc.kind}}, 503, {"retry-after": "5"})


def _add_forget(app: FastAPI, access: Access, sessions: Sessions) -> None:
    @app.delete(
        "/v1/conversation",
        tags=["chat"],
        summary="Forget a conversation",
        operation_id="forget_conversation",
        status_code=204,
        responses=errors(400, 401, 403, 503),
        openapi_extra={"parameters": [TENANT, SESSION], "security": KEYED},
    )
    async def forget(request: Request) -> Response:
        """Remove the turns of the session that `x-session-id` names."""
        caller = access.caller(request.headers)
        session = checked_id(request.headers.get("x-session-id"), "session")
        if session is None:
            raise RequestRefused("x-session-id must name the session", kind="invalid_session")
        try:
            await sessions.forget(SessionKey(caller.reads_as, session))
        except StateAway:
            error = {"message": "Redis is away: nothing was forgotten", "type": "state_unavailable"}
            return JSONResponse({"error": error}, 503, {"retry-after": "5"})
        return Response(status_code=204)


def _add_feedback(app: FastAPI, access: Access, serving: IndexInUse, max_body_bytes: int) -> None:
    @app.post(
        "/v1/feedback",
        tags=["chat"],
        summary="Judge an answer",
        operation_id="feedback",
        status_code=204,
        responses=errors(400, 401, 403, 413),
        openapi_extra={
            "requestBody": body_of(FeedbackRequest),
            "parameters": [TENANT, USER, SESSION],
            "security": KEYED,
        },
    )
    async def feedback(request: Request) -> Response:
        """Take a reader's verdict on an answer; it becomes a score of the answer's trace."""
        caller = access.caller(request.headers)
        sightline.identify(tenant=caller.tenant, session=checked_id(request.headers.get("x-session-id"), "session"))
        verdict = await read_json(request, max_body_bytes)
        record_feedback(verdict, caller.user)
        if not verdict["helpful"]:
            await serving.pipeline.forget_answer(caller.reads_as, verdict["trace_id"])
        return Response(status_code=204)
