"""Generate: streams the model's answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from sightline_app.generator import Generator


class Generation:
    """One answer of the model, as texts; a context manager, which ends the model's work however the answer ends.

    Args:
        generator: the model.
        messages: for the model.
        deadline: moment of `time.monotonic()` at which the request has taken too long.
    """

    def __init__(self, generator: Generator, messages: Sequence[Mapping[str, str]], deadline: float) -> None:
        self._chunks: Any = generator.stream(messages, deadline)
        self.finish_reason = ""
        """Why the model ended; empty while it has not."""
        self.usage: dict[str, int] = {}
        """Tokens, once the model has said them."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            # The model's span must end as this one does, so it has to hear of it.
            with contextlib.suppress(BaseException):
                await self._chunks.athrow(error)
        await self._chunks.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """Return the next text.

        Raises:
            ModelUnavailable: the model failed; some texts may have been returned before.
        """
        while True:
            chunk = await anext(self._chunks)
            if chunk.usage is not None:
                self.usage = {
                    "input_tokens": chunk.usage.prompt_tokens,
                    "output_tokens": chunk.usage.completion_tokens,
                }
            texts = []
            for choice in chunk.choices:
                self.finish_reason = choice.finish_reason or self.finish_reason
                texts.append(choice.delta.content or "")
            if text := "".join(texts):
                return text
