"""The model, always through the OpenAI client and its streaming API."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import openai
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncOpenAI, AsyncStream

import sightline
from sightline import semconv
from sightline_app.errors import ModelUnavailable
from sightline_app.prompt import STOP
from sightline_app.settings import AppSettings, ModelEndpoint

_T = TypeVar("_T")

Chunk = Mapping[str, Any]
"""A chunk of OpenAI's streamed chat completions, as it came."""

# Which transport the client uses depends on its version; it raises what goes wrong in the middle of a stream.
_TRANSPORTS: list[Any] = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
_FAILURES: tuple[type[Exception], ...] = (APIError, *(each.HTTPError for each in _TRANSPORTS))
_SILENCE: tuple[type[Exception], ...] = (APITimeoutError, *(each.TimeoutException for each in _TRANSPORTS))
_NO_CONNECTION: tuple[type[Exception], ...] = tuple(each.ConnectTimeout for each in _TRANSPORTS)
_CONNECT_S = 5.0
"""Longest wait for a connection to the model."""

LOCAL_NOTE = "extractive, no LLM"
"""``system_fingerprint`` of the extractive server, and what is shown wherever its answers are."""

_REQUEST_FAULTS = frozenset({400, 413, 422})
"""Status codes that speak of the request and not of the model's health."""

_PROVIDERS = {"llamacpp": "llama.cpp", "vllm": "vllm"}
"""``owned_by`` of the model servers that say what they are, and the provider that spans name."""


class Generator:
    """Streams answers.

    Args:
        settings: limits and timeouts.
        endpoint: the model; None is the one that `settings` names first.
    """

    failures: tuple[type[Exception], ...] = _FAILURES
    """What the client raises when the model fails."""
    silence: tuple[type[Exception], ...] = _SILENCE
    """Those of them that say that the model was silent for too long."""

    def __init__(self, settings: AppSettings, endpoint: ModelEndpoint | None = None) -> None:
        self._settings = settings
        self.endpoint = endpoint or settings.endpoint
        self.note: str | None = None
        """What the model says of itself when it is no language model; None until known, and for real ones."""
        self._provider: str | None = None
        self._client = AsyncOpenAI(
            base_url=self.endpoint.base_url,
            api_key=self.endpoint.api_key,
            timeout=openai.Timeout(settings.model_timeout_s, connect=min(_CONNECT_S, settings.model_timeout_s)),
            max_retries=0,  # a hidden retry would count as the model's own time
        )

    @sightline.llm(provider="openai", capture="recorded")  # messages have attributes of their own
    async def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        deadline: float | None = None,
        told: Mapping[str, object] | None = None,
    ) -> AsyncIterator[Chunk]:
        """Yield the chunks of a streamed chat completion, the last with usage.

        Args:
            messages: role and content, oldest first.
            deadline: moment of `time.monotonic()` at which the request has taken too long; it holds while the model
                is waited for, too.
            told: further attributes of the span, for example why this model is asked.

        Raises:
            ModelUnavailable: no connection, an error status, silence for too long, a stream that broke off, or the
                deadline has passed.
        """
        settings, endpoint = self._settings, self.endpoint
        sightline.annotate(
            {
                semconv.GEN_AI_REQUEST_MODEL: endpoint.model,
                semconv.GEN_AI_REQUEST_MAX_TOKENS: settings.max_output_tokens,
                semconv.GEN_AI_REQUEST_TEMPERATURE: settings.temperature,
                semconv.GEN_AI_PROVIDER_NAME: self._provider,
                semconv.MODEL_PRICED_AS: settings.priced_as,
                semconv.MODEL_NOTE: self.note,
                **(told or {}),
            }
        )
        sightline.record_messages(input=[dict(message) for message in messages])
        finished = False
        said: list[str] = []
        begun, first = time.monotonic(), None
        try:
            async with await self._before(deadline, self._open(messages)) as chunks:
                following = aiter(chunks)
                while (received := await self._before(deadline, anext(following, None))) is not None:
                    chunk = self._chunk(received)
                    if chunk.get("system_fingerprint") == LOCAL_NOTE and self.note != LOCAL_NOTE:
                        self.note = LOCAL_NOTE
                        sightline.annotate({semconv.MODEL_NOTE: self.note})
                    text, reason = read_chunk(chunk)
                    if text:
                        said.append(text)
                        first = first or time.monotonic()
                    finished = finished or bool(reason)
                    if timings := chunk.get("timings"):
                        sightline.annotate(server_times(timings, None if first is None else first - begun))
                    yield chunk
        except ModelUnavailable:
            raise
        except self.failures as exc:
            raise ModelUnavailable(self._explain(exc)) from exc
        finally:
            sightline.record_messages(output="".join(said))
        if not finished:
            raise ModelUnavailable(f"the model at {endpoint.base_url} broke off its answer")

    def _chunk(self, received: object) -> Chunk:
        """Return what was received if it can be a chunk."""
        if isinstance(received, Mapping):
            return received
        raise ModelUnavailable(f"the model at {self.endpoint.base_url} sent what is no chunk of an answer")

    async def _open(self, messages: Sequence[Mapping[str, str]]) -> AbstractAsyncContextManager[Any]:
        """Ask the model; the chunks of its answer are inside of the result.

        They stay as they came: making the client's objects of each takes most of the time that a token costs here.
        """
        settings = self._settings
        body = {
            "model": self.endpoint.model,
            "messages": list(messages),
            "max_tokens": settings.max_output_tokens,
            "temperature": settings.temperature,
            "stop": list(STOP),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return await self._client.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
        )

    async def _before(self, deadline: float | None, waiting: Awaitable[_T]) -> _T:
        """Wait, but not beyond the request's deadline. No `yield` is inside the timeout: it would end foreign tasks."""
        left_s = None if deadline is None else deadline - time.monotonic()
        timeout = asyncio.timeout(left_s)
        try:
            async with timeout:
                return await waiting
        except TimeoutError as exc:
            if not timeout.expired():
                raise
            limit_s = self._settings.request_timeout_s
            raise ModelUnavailable(f"the answer took longer than SIGHTLINE_APP_REQUEST_TIMEOUT_S={limit_s:g}") from exc

    def _explain(self, exc: Exception) -> str:
        where, timeout_s = self.endpoint.base_url, self._settings.model_timeout_s
        if isinstance(exc.__cause__, _NO_CONNECTION):
            return f"the model at {where} took no connection within {min(_CONNECT_S, timeout_s):g} s"
        if isinstance(exc, self.silence):
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
            if model.id == self.endpoint.model:
                note = (model.model_extra or {}).get("note")
                self.note = note if isinstance(note, str) else None
                self._provider = _PROVIDERS.get(model.owned_by)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def read_chunk(chunk: Chunk) -> tuple[str, str]:
    """Return the text of a chunk, and why the model ended; each is empty where the chunk does not hold it.

    Fields that are missing or null count as not held: servers differ in which ones they leave out.
    """
    texts, reason = [], ""
    for choice in chunk.get("choices") or ():
        texts.append((choice.get("delta") or {}).get("content") or "")
        reason = choice.get("finish_reason") or reason
    return "".join(texts), reason


def blames_request(failure: ModelUnavailable) -> bool:
    """Whether the model refused this request for what is in it, for example its length: others may still be served."""
    cause = failure.__cause__
    return isinstance(cause, APIStatusError) and cause.status_code in _REQUEST_FAULTS


def server_times(timings: object, first_chunk_s: float | None) -> dict[str, float]:
    """Return the attributes for llama.cpp's ``timings``: queue, prompt and output, in seconds.

    The queue is what the prompt does not explain of the time to the first chunk; the network is in it.

    Args:
        timings: ``prompt_ms`` and ``predicted_ms`` of the last chunk; whatever else comes is ignored.
        first_chunk_s: time to the first chunk with content; None where none came.
    """
    if not isinstance(timings, Mapping):
        return {}
    prompt_ms, output_ms = timings.get("prompt_ms"), timings.get("predicted_ms")
    times: dict[str, float] = {}
    if isinstance(prompt_ms, int | float):
        times[semconv.MODEL_PROMPT_DURATION] = prompt_ms / 1000
        if first_chunk_s is not None:
            times[semconv.MODEL_QUEUE_DURATION] = max(0.0, first_chunk_s - prompt_ms / 1000)
    if isinstance(output_ms, int | float):
        times[semconv.MODEL_OUTPUT_DURATION] = output_ms / 1000
    return times
