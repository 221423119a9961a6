"""The ASGI application: its routes, what they share, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

import sightline
from sightline import semconv
from sightline_app.api.answers import Answer, EventStream, collect
from sightline_app.api.chat_request import read_json, read_question, read_session
from sightline_app.api.feedback import record_feedback
from sightline_app.api.index_in_use import IndexInUse, open_pipeline
from sightline_app.api.readiness import Readiness
from sightline_app.api.request_spans import UNTRACED_URLS, TracedRequests, mark_failed
from sightline_app.chat_page import add_chat_page
from sightline_app.conversation.session_key import SessionKey, checked_id
from sightline_app.conversation.sessions import Sessions
from sightline_app.conversation.stores import ProcessConversations, RedisConversations
from sightline_app.errors import RequestRefused, StateAway, Unavailable
from sightline_app.limits.access import Access
from sightline_app.limits.call_estimate import most_tokens
from sightline_app.limits.ledgers import ProcessLedger, RedisLedger
from sightline_app.limits.limiter import Limiter
from sightline_app.pipeline import Pipeline, Sources
from sightline_app.settings import AppSettings
from sightline_app.state.redis_link import RedisLink, open_link

_log = logging.getLogger("sightline.app")
_HOLD_MARGIN_S = 60.0
"""How much longer than a request its reservation holds."""


def create_app(
    settings: AppSettings, tracing: sightline.Tracing, build: Callable[[AppSettings], Pipeline] = open_pipeline
) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: limits and addresses.
        tracing: the library's handle, for /stats and the last flush.
        build: makes the pipeline; tests put in their own.

    Raises:
        AppError: the index can't be served, or the settings leave open who may ask.
    """
    access = Access(settings)
    link = open_link(settings.state)
    sessions, limiter = _state(settings, link)
    serving = IndexInUse(settings, build)
    readiness = Readiness(settings, link, limiter, asks_keys=not access.is_open)

    app = FastAPI(title="sightline-app", lifespan=lambda _: _life(settings, tracing, serving, limiter, link))
    _handle_errors(app)

    @app.post("/v1/chat")
    async def chat(request: Request) -> Response:
        """Answer a question from the documentation."""
        caller = access.caller(request.headers)
        sightline.identify(user=caller.user, tenant=caller.tenant)
        body = await read_json(request, settings.max_body_bytes)
        session = read_session(request, body)
        sightline.identify(session=session)
        question = read_question(body, caller.reads_as, settings.max_question_chars)
        sightline.annotate_request({semconv.INPUT: question.text})
        admission = await limiter.admit(caller, most_tokens(question, settings, has_session=session is not None))
        key = SessionKey(caller.reads_as, session) if session else None
        turn = sessions.open(key, question.history)
        answer = Answer(question, turn, admission, settings.state.answer_max_chars)
        try:
            await turn.begin()
            events = serving.pipeline.answer(dataclasses.replace(question, history=turn.history))
            try:
                first = await anext(events)  # everything before the model: failures are still HTTP errors here
            except BaseException:
                await events.aclose()  # type: ignore[attr-defined]  # it is an async generator
                raise
        except BaseException:
            await answer.give_up()
            raise
        assert isinstance(first, Sources)
        answer.take(first)
        return EventStream(answer, events) if body.get("stream", True) else await collect(answer, events)

    _add_forget(app, access, sessions)
    _add_feedback(app, access, settings.max_body_bytes)
    add_chat_page(app, settings.dashboards_url)
    _add_probes(app, settings, tracing, serving, readiness)
    app.add_middleware(TracedRequests)
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"], excluded_urls=UNTRACED_URLS)
    return app


@contextlib.asynccontextmanager
async def _life(
    settings: AppSettings, tracing: sightline.Tracing, serving: IndexInUse, limiter: Limiter, link: RedisLink | None
) -> AsyncIterator[None]:
    """What runs beside the requests, and what is closed after the last one."""
    await serving.pipeline.generator.learn_note()
    tasks = [
        asyncio.create_task(serving.watch()),
        asyncio.create_task(limiter.keep_charging(settings.state.retry_s)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await limiter.charge_owed()
    if limiter.owed:
        _log.error("%d answers were never charged: Redis is away", limiter.owed)
    if link is not None:
        await link.close()
    await serving.pipeline.close()
    await asyncio.to_thread(tracing.force_flush, 2.0)


def _state(settings: AppSettings, link: RedisLink | None) -> tuple[Sessions, Limiter]:
    """Return conversations and limits, kept in Redis or in this process."""
    hold_s = settings.request_timeout_s + _HOLD_MARGIN_S
    ttl_s = settings.state.session_ttl_s
    conversations = ProcessConversations(ttl_s) if link is None else RedisConversations(link, ttl_s)
    ledger = ProcessLedger(hold_s) if link is None else RedisLedger(link, hold_s)
    limiter = Limiter(ledger, admits_when_away=settings.limits.when_away == "open")
    return Sessions(conversations, settings.state, settings.request_timeout_s), limiter


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestRefused)
    async def refused(request: Request, exc: RequestRefused) -> JSONResponse:
        del request
        return JSONResponse({"error": {"message": str(exc), "type": exc.kind}}, exc.status, exc.headers)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, exc: Unavailable) -> JSONResponse:
        del request
        _log.warning("%s", exc)
        mark_failed(exc, exc.kind)
        return JSONResponse({"error": {"message": str(exc), "type": exc.kind}}, 503, {"retry-after": "5"})


def _add_forget(app: FastAPI, access: Access, sessions: Sessions) -> None:
    @app.delete("/v1/conversation")
    async def forget(request: Request) -> Response:
        """Forget the conversation of a session."""
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


def _add_feedback(app: FastAPI, access: Access, max_body_bytes: int) -> None:
    @app.post("/v1/feedback", status_code=204)
    async def feedback(request: Request) -> Response:
        """Take a reader's verdict on an answer; it becomes a score of the answer's trace."""
        caller = access.caller(request.headers)
        sightline.identify(tenant=caller.tenant, session=checked_id(request.headers.get("x-session-id"), "session"))
        record_feedback(await read_json(request, max_body_bytes), caller.user)
        return Response(status_code=204)


def _add_probes(
    app: FastAPI, settings: AppSettings, tracing: sightline.Tracing, serving: IndexInUse, readiness: Readiness
) -> None:
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

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        is_ready, told = await readiness.report(serving.pipeline)
        return JSONResponse(told, 200 if is_ready else 503)

    @app.get("/stats")
    async def stats(flush: int = 0) -> dict[str, int]:
        if flush:
            await asyncio.to_thread(tracing.force_flush, 5.0)
        counted = tracing.stats()
        return {name: getattr(counted, name) for name in ("emitted", "exported", "dropped", "queued")}
