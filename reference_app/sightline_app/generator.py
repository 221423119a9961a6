"""The model, always through the OpenAI client and its streaming API."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import openai
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncOpenAI

import sightline
from sightline import semconv
from sightline_app.errors import ModelUnavailable
from sightline_app.settings import AppSettings

# Which transport the client uses depends on its version; it raises what goes wrong in the middle of a stream.
_TRANSPORTS: list[Any] = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
_FAILURES: tuple[type[Exception], ...] = (APIError, *(each.HTTPError for each in _TRANSPORTS))
_SILENCE: tuple[type[Exception], ...] = (APITimeoutError, *(each.TimeoutException for each in _TRANSPORTS))

LOCAL_NOTE = "extractive, no LLM"
"""``system_fingerprint`` of the local server, and what is shown wherever its answers are."""


class Generator:
    """Streams answers.

    Args:
        settings: endpoint, model and timeouts.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self.note: str | None = None
        """What the model says of itself when it is no language model; None until known, and for real ones."""
        self._client = AsyncOpenAI(
            base_url=settings.model_base_url,
            api_key=settings.model_api_key,
            timeout=openai.Timeout(settings.model_timeout_s, connect=min(5.0, settings.model_timeout_s)),
            max_retries=0,  # a hidden retry would count as the model's own time
        )

    @sightline.llm(provider="openai", capture="recorded")  # messages have attributes of their own
    async def stream(self, messages: Sequence[Mapping[str, str]]) -> AsyncIterator[Any]:
        """Yield the chunks of a streamed chat completion, the last with usage.

        Args:
            messages: role and content, oldest first.

        Raises:
            ModelUnavailable: no connection, an error status, silence for too long, or a stream that broke off.
        """
        settings = self._settings
        sightline.annotate(
            {
                semconv.GEN_AI_REQUEST_MODEL: settings.chat_model,
                semconv.GEN_AI_REQUEST_MAX_TOKENS: settings.max_output_tokens,
                semconv.MODEL_PRICED_AS: settings.priced_as,
                semconv.MODEL_NOTE: self.note,
            }
        )
        sightline.record_messages(input=[dict(message) for message in messages])
        finished = False
        said: list[str] = []
        try:
            chunks = await self._client.chat.completions.create(
                model=settings.chat_model,
                messages=cast("Any", list(messages)),  # plain dictionaries of role and content
                max_tokens=settings.max_output_tokens,
                stream=True,
                stream_options={"include_usage": True},
            )
            async with chunks:
                async for chunk in chunks:
                    if chunk.system_fingerprint == LOCAL_NOTE and self.note != LOCAL_NOTE:
                        self.note = LOCAL_NOTE
                        sightline.annotate({semconv.MODEL_NOTE: self.note})
                    said += [choice.delta.content for choice in chunk.choices if choice.delta.content]
                    finished = finished or any(choice.finish_reason for choice in chunk.choices)
                    yield chunk
        except _FAILURES as exc:
            raise ModelUnavailable(self._explain(exc)) from exc
        finally:
            sightline.record_messages(output="".join(said))
        if not finished:
            raise ModelUnavailable(f"the model at {settings.model_base_url} broke off its answer")

    def _explain(self, exc: Exception) -> str:
        where, timeout_s = self._settings.model_base_url, self._settings.model_timeout_s
        if isinstance(exc, _SILENCE):
            return f"the model at {where} was silent for longer than SIGHTLINE_APP_MODEL_TIMEOUT_S={timeout_s:g}"
        if isinstance(exc, APIStatusError):
            return f"the model at {where} answered {exc.status_code}: {exc.message[:200]}"
        if isinstance(exc, APIConnectionError):
            return f"the model at {where} is not reachable"
        return f"the model at {where} broke off: {str(exc)[:200] or type(exc).__name__}"

    async def learn_note(self) -> None:
        """Ask the endpoint what it is; a real one has no note, one that is down is asked again at the first answer."""
        try:
            listed = await self._client.with_options(timeout=2.0).models.list()
        except _FAILURES:
            return
        for model in listed.data:
            if model.id == self._settings.chat_model:
                note = (model.model_extra or {}).get("note")
                self.note = note if isinstance(note, str) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
