"""From the pipeline's events to those of a response; when an answer ends, it is charged and its turn is kept.

Both are done before the client reads the event ``done`` (or the JSON object), so that what it reads is acknowledged.
Server-sent events and WebSockets carry the same events, which `events_of` makes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast

import anyio
from fastapi.responses import JSONResponse

import sightline
from sightline import semconv
from sightline_app.api.request_spans import mark_failed
from sightline_app.conversation.sessions import OpenTurn
from sightline_app.conversation.turns import Ending, Turn
from sightline_app.errors import Unavailable
from sightline_app.limits.call_estimate import spent_tokens
from sightline_app.limits.limiter import Admission
from sightline_app.pipeline import Done, Event, Pipeline, Question, Sources, Token

_log = logging.getLogger("sightline.app")
_END_S = 5.0
"""Longest time for charging and keeping an answer; Redis's own timeouts are shorter."""
_WITHHELD = "content_filter"
_MAX_SHOWN_CHARS = 4000
"""Longest text of a passage that a response shows, in characters."""


class Answer:
    """One answer on its way to the client.

    Args:
        question: what is answered.
        turn: its turn in the conversation.
        admission: what it may cost.
        max_kept_chars: longest answer that the conversation keeps.
    """

    events: AsyncGenerator[Event, None]
    """Of the pipeline, after the sources; set by `begin`."""

    def __init__(self, question: Question, turn: OpenTurn, admission: Admission, max_kept_chars: int) -> None:
        self._question = question
        self._turn = turn
        self._admission = admission
        self._max_kept_chars = max_kept_chars
        self._said: list[str] = []
        self._has_begun = False
        self.has_ended = False
        """Whether it was charged and kept, or given up."""
        self.sources = Sources([])
        self.done = Done("")

    async def begin(self, pipeline: Pipeline) -> None:
        """Do everything that comes before the model.

        Raises:
            AppError: it failed, and nothing was charged or kept.
        """
        try:
            await self._turn.begin()
            asked = dataclasses.replace(self._question, history=self._turn.history)
            self.events = cast("AsyncGenerator[Event, None]", pipeline.answer(asked))
            try:
                self.take(await anext(self.events))
            except BaseException:
                await self.events.aclose()
                raise
            self._has_begun = True
        except BaseException:
            await self.give_up()
            raise

    @property
    def waits_for_model(self) -> bool:
        """Whether its passages are found and nothing was said yet."""
        return self._has_begun and not self.has_ended and not self._said

    @property
    def text(self) -> str:
        """What was said until now."""
        return "".join(self._said)

    @property
    def headers(self) -> dict[str, str]:
        """Header fields of the response: limits, and where the conversation is kept."""
        told = self._turn.told()
        return self._admission.headers | ({"x-conversation-memory": str(told["memory"])} if told else {})

    @property
    def conversation(self) -> dict[str, Any]:
        """What a response says of the conversation before its end; nothing without a session."""
        told = self._turn.told()
        return {"conversation": told} if told else {}

    def take(self, event: Event) -> None:
        """Take note of an event of the pipeline."""
        if isinstance(event, Sources):
            self.sources = event
        elif isinstance(event, Token):
            self._said.append(event.text)
        elif isinstance(event, Done):
            self.done = event

    async def end(self, ending: Ending) -> dict[str, Any]:
        """Charge the answer and keep its turn, once. Never raises, and a cancelled task still does it.

        Returns:
            what a response says of the conversation at its end.
        """
        if not self.has_ended:
            self.has_ended = True
            with anyio.CancelScope(shield=True), anyio.move_on_after(_END_S) as scope:
                await self._admission.settle(self._used())
                await self._keep(ending)
            if scope.cancelled_caught:
                _log.warning("an answer was not charged or kept within %g s", _END_S)
        kept = {"kept": self._turn.is_kept} if self._turn.session else {}
        return {"conversation": self._turn.told() | kept} if kept else {}

    async def give_up(self) -> None:
        """Give back what was reserved, and the turn's number: the answer did not even begin."""
        if not self.has_ended:
            self.has_ended = True
            with anyio.CancelScope(shield=True), anyio.move_on_after(_END_S):
                await self._admission.settle(0)
                await self._turn.withdraw()

    def _used(self) -> int:
        """Tokens that the answer cost: as the model reported, else by estimate; none where no model was asked."""
        usage = self.done.usage
        if usage:
            return usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        if self.done.finish_reason == _WITHHELD and not self.sources.hits:
            return 0
        return spent_tokens(self._question, self.sources.hits, self.text)

    async def _keep(self, ending: Ending) -> None:
        if self.done.finish_reason == _WITHHELD or not (self.text or ending == "complete"):
            await self._turn.withdraw()  # a question that was refused may hold what must not be kept
            return
        trace_id, _ = sightline.request_ids()
        await self._turn.finish(Turn(self._question.text, self.text[: self._max_kept_chars], ending, trace_id or ""))


async def events_of(answer: Answer, path: str) -> AsyncGenerator[tuple[str, Any], None]:
    """Yield name and data of each event of a response: meta, sources, token, and done or error at the end.

    Args:
        answer: what is told.
        path: where its stream is read and cancelled.
    """
    trace_id, span_id = sightline.request_ids()
    try:
        yield "meta", {"trace_id": trace_id, "span_id": span_id, "stream": path, **answer.conversation}
        yield "sources", source_list(answer.sources)
        async for event in answer.events:
            answer.take(event)
            if isinstance(event, Token):
                yield "token", {"text": event.text}
            elif isinstance(event, Done):
                sightline.annotate_request({semconv.OUTPUT: answer.text})
                yield "done", {**_as_done(event), **await answer.end("complete")}
    except (asyncio.CancelledError, GeneratorExit) as gone:
        with contextlib.suppress(BaseException):
            await answer.events.athrow(gone)
        await answer.end("partial")
        raise
    except Unavailable as exc:
        _log.warning("%s", exc)
        mark_failed(exc, exc.kind)
        yield "error", {"message": str(exc), "type": exc.kind, **await answer.end("failed")}
    except Exception as exc:
        _log.exception("the answer failed")
        mark_failed(exc, type(exc).__name__)
        yield "error", {"message": "internal error", "type": "internal_error", **await answer.end("failed")}


async def collect(answer: Answer) -> JSONResponse:
    """Wait for the whole answer."""
    trace_id, span_id = sightline.request_ids()
    try:
        async for event in answer.events:
            answer.take(event)
    except asyncio.CancelledError:
        await answer.end("partial")
        raise
    except BaseException:
        await answer.end("failed")
        raise
    text = answer.text
    sightline.annotate_request({semconv.OUTPUT: text})
    conversation = await answer.end("complete")
    body = {"trace_id": trace_id, "span_id": span_id, "answer": text, "sources": source_list(answer.sources)}
    return JSONResponse({**body, **_as_done(answer.done), **conversation}, headers=answer.headers)


def source_list(event: Sources) -> list[dict[str, Any]]:
    """Return the sources as a response shows them."""
    return [
        {
            "id": hit.id,
            "title": hit.title,
            "score": round(hit.score, 6),
            "names": hit.names,
            "text": hit.text[:_MAX_SHOWN_CHARS],
        }
        for hit in event.hits
    ]


def _as_done(done: Done) -> dict[str, Any]:
    return {"usage": done.usage, "finish_reason": done.finish_reason or "stop", "note": done.note}
