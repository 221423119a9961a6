"""Generate: streams the answer of the model that says something first.

Until the first token another model can take over: when the one before it failed (fallback), or has said nothing for a
while (hedge). After the first token none can, since the reader has read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import anyio

import sightline
from sightline_app.errors import ModelUnavailable
from sightline_app.generator import blames_request, read_chunk
from sightline_app.stages.route import Candidate, Route

ASKED = "sightline_app.model.asked"
"""Attribute of a model's span: why it was asked: `first`, `fallback` or `hedge`."""
BECAUSE = "sightline_app.model.because"
"""Attribute of a model's span: what made it so, such as the failure of the model before it."""
ANSWERED_BY = "sightline_app.route.answered_by"
"""Attribute of the request: the model whose answer it is."""
ANSWERED_AS = "sightline_app.route.answered_as"
"""Attribute of the request: why that one was asked, as `sightline_app.model.asked`."""
IN_VAIN = "sightline_app.route.tokens_in_vain"
"""Attribute of the request: tokens of the prompt that went to models which were cancelled; they are charged."""


@dataclass
class _Call:
    """One model that was asked."""

    candidate: Candidate
    asked: str
    chunks: Any
    finish_reason: str = ""
    usage: dict[str, int] = field(default_factory=dict)

    async def text(self) -> str | None:
        """Return the next text; None at the end."""
        while (chunk := await anext(self.chunks, None)) is not None:
            if used := chunk.get("usage"):
                self.usage = {
                    "input_tokens": used.get("prompt_tokens") or 0,
                    "output_tokens": used.get("completion_tokens") or 0,
                }
            text, reason = read_chunk(chunk)
            self.finish_reason = reason or self.finish_reason
            if text:
                return text
        return None

    async def end(self, error: BaseException) -> None:
        """End the model's work; its span must end as the error says, so it has to hear of it."""
        with contextlib.suppress(BaseException):
            await self.chunks.athrow(error)
        await self.chunks.aclose()


_Waiting = dict["asyncio.Task[str | None]", _Call]


class Generation:
    """One answer, as texts; a context manager, which ends the models' work however the answer ends.

    Args:
        route: the models in the order in which they are asked.
        messages: for the model.
        deadline: moment of `time.monotonic()` at which the request has taken too long.
    """

    def __init__(self, route: Route, messages: Sequence[Mapping[str, str]], deadline: float) -> None:
        self._route = route
        self._messages = messages
        self._deadline = deadline
        self._left = list(route.candidates)
        self._call: _Call | None = None
        self._cancelled = 0
        """Models that were asked as well and cancelled."""

    @property
    def finish_reason(self) -> str:
        """Why the model ended; empty while it has not."""
        return self._call.finish_reason if self._call else ""

    @property
    def answer_usage(self) -> dict[str, int]:
        """Tokens of the call that answers, once the model has said them."""
        return self._call.usage if self._call else {}

    @property
    def usage(self) -> dict[str, int]:
        """What is charged: as `answer_usage`, but a prompt that was sent to several models counts for each of them."""
        usage = self.answer_usage
        return {**usage, "input_tokens": usage["input_tokens"] * (1 + self._cancelled)} if usage else {}

    @property
    def note(self) -> str | None:
        """What the model that answers says of itself."""
        return self._call.candidate.generator.note if self._call else None

    @property
    def is_fallback(self) -> bool:
        """Whether the model that was chosen failed, and another one answers."""
        return self._call is not None and self._call.asked == "fallback"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._call is None:
            return
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            await self._call.end(error)
        else:
            await self._call.chunks.aclose()
        if self._cancelled and self._call.usage:
            sightline.annotate_request({IN_VAIN: self._cancelled * self._call.usage["input_tokens"]})

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """Return the next text.

        Raises:
            ModelUnavailable: the model failed; some texts may have been returned before.
        """
        text = await (self._first() if self._call is None else self._next(self._call))
        if text is None:
            raise StopAsyncIteration
        return text

    async def _next(self, call: _Call) -> str | None:
        try:
            return await call.text()
        except ModelUnavailable as exc:
            _take_note(call.candidate, exc)
            raise

    async def _first(self) -> str | None:
        """Ask the models until one of them says something, and return that; None if its answer is empty."""
        waiting: _Waiting = {}
        self._ask(waiting, "first", "")
        try:
            while True:
                hedge_s = self._route.hedge_after_s if self._left else 0.0
                done, _ = await asyncio.wait(waiting, timeout=hedge_s or None, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    self._ask(waiting, "hedge", f"no first token within {hedge_s:g} s")
                for task in [each for each in waiting if each in done]:  # of several, the one that was asked first
                    call = waiting.pop(task)
                    failure = task.exception()
                    if failure is None:
                        self._decide_for(call, list(waiting.values()))
                        return task.result()
                    self._go_on_without(call, failure, waiting)
        finally:
            await _cancel(waiting)

    def _ask(self, waiting: _Waiting, asked: str, because: str) -> None:
        """Ask the next model."""
        candidate = self._left.pop(0)
        told = {ASKED: asked, BECAUSE: because or None} if len(self._route.candidates) > 1 else {}
        call = _Call(candidate, asked, candidate.generator.stream(self._messages, self._deadline, told))
        waiting[asyncio.create_task(call.text())] = call

    def _decide_for(self, call: _Call, others: Sequence[_Call]) -> None:
        """Take the answer of one model. One that a hedge overtook counts as failed: it had more time and said nothing.

        Args:
            call: the model that answers.
            others: those that were asked as well and are cancelled.
        """
        self._call, self._cancelled = call, len(others)
        call.candidate.circuit.worked()
        if call.asked == "hedge":
            for other in others:
                other.candidate.circuit.failed()
        if len(self._route.candidates) > 1:
            model = call.candidate.generator.endpoint.model
            sightline.annotate_request({ANSWERED_BY: model, ANSWERED_AS: call.asked})

    def _go_on_without(self, call: _Call, failure: BaseException, waiting: _Waiting) -> None:
        """Ask the next model where none is being asked; raise the failure where there is none left."""
        if not isinstance(failure, ModelUnavailable):
            raise failure
        _take_note(call.candidate, failure)
        if waiting:
            return
        if not self._left or not self._route.fallback or time.monotonic() >= self._deadline:
            raise failure
        self._ask(waiting, "fallback", str(failure))


def _take_note(candidate: Candidate, failure: ModelUnavailable) -> None:
    """Count a failure of the model; a request that it refused for its content is none."""
    if not blames_request(failure):
        candidate.circuit.failed()


async def _cancel(waiting: _Waiting) -> None:
    """End the models that are not needed any more. A cancelled request still does it, hence the shield."""
    if not waiting:
        return
    with anyio.CancelScope(shield=True):
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for call in waiting.values():
            await call.end(asyncio.CancelledError())
