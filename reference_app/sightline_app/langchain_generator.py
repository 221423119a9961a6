"""Any chat model of LangChain as the model that answers: the same span, deadline and errors as any other.

``SIGHTLINE_APP_LANGCHAIN_PROVIDER`` names the provider, such as ``anthropic`` or ``ollama``; LangChain's
``init_chat_model`` makes the model of SIGHTLINE_CHAT_MODEL. Its package (``langchain-anthropic``, ...) is installed
beside the extra ``langchain``, and its keys are the variables that the package reads. With ``openai``, address and key
are those of OPENAI_BASE_URL and OPENAI_API_KEY.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sightline_app.errors import InvalidSetting, MissingExtra
from sightline_app.generator import Chunk, Generator
from sightline_app.prompt import STOP
from sightline_app.settings import AppSettings, ModelEndpoint

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk

_PROVIDER = "SIGHTLINE_APP_LANGCHAIN_PROVIDER"
_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
"""Why a model ended, in the words of other providers, and in OpenAI's."""


def open_generator(settings: AppSettings) -> Generator:
    """Return the model that the settings name.

    Raises:
        MissingExtra: it is one of LangChain's, which is not installed.
        InvalidSetting: LangChain cannot make it.
    """
    provider = settings.langchain_provider
    if provider is None:
        return Generator(settings)
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  # only where it is asked for
    except ImportError as exc:
        raise MissingExtra(_PROVIDER, provider, "langchain") from exc
    arguments: dict[str, Any] = {"temperature": settings.temperature, "max_tokens": settings.max_output_tokens}
    if provider == "openai":
        arguments |= {
            "base_url": settings.model_base_url,
            "api_key": settings.model_api_key,
            "stream_usage": True,
            "max_retries": 0,  # a hidden retry would count as the model's own time
        }
    try:
        model = init_chat_model(settings.chat_model, model_provider=provider, **arguments)
    except Exception as exc:  # whatever the provider's package raises: an unknown provider, a key that is not set
        raise InvalidSetting(_PROVIDER, provider, f"LangChain cannot make its model: {exc}") from exc
    return LangChainGenerator(settings, cast("BaseChatModel", model), provider)


class LangChainGenerator(Generator):
    """Streams answers of a chat model of LangChain.

    Args:
        settings: limits and timeouts.
        model: any; it gets messages and the words that end an answer.
        provider: what spans call it. Residency rules know ``openai`` by its address, others as ``https://langchain/NAME``.
    """

    failures = (Exception,)
    silence = (TimeoutError,)

    def __init__(self, settings: AppSettings, model: BaseChatModel, provider: str) -> None:
        url = settings.model_base_url if provider == "openai" else f"https://langchain/{provider}"
        super().__init__(settings, ModelEndpoint(url, settings.model_api_key, settings.chat_model))
        self._model = model
        self._provider = provider

    async def _open(
        self, messages: Sequence[Mapping[str, str]]
    ) -> contextlib.AbstractAsyncContextManager[AsyncGenerator[Chunk]]:
        return contextlib.aclosing(self._chunks(messages))

    async def _chunks(self, messages: Sequence[Mapping[str, str]]) -> AsyncGenerator[Chunk]:
        """Yield what the model says in the form of OpenAI's chunks, the last with reason and usage."""
        reason = "stop"
        used = {"input_tokens": 0, "output_tokens": 0}
        is_told = False
        source = self._model.astream([dict(each) for each in messages], stop=list(STOP))
        async with contextlib.aclosing(cast("AsyncGenerator[AIMessageChunk]", source)) as chunks:
            while True:
                async with asyncio.timeout(self._settings.model_timeout_s):
                    message = await anext(chunks, None)
                if message is None:
                    break
                for name, value in (message.usage_metadata or {}).items():  # the sum over all chunks
                    if name in used:
                        used[name] += cast("int", value)
                        is_told = True
                told = message.response_metadata
                ended = str(told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason") or "")
                reason = _REASONS.get(ended.lower(), ended.lower()) or reason
                if text := str(message.text):
                    yield {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        usage = {"prompt_tokens": used["input_tokens"], "completion_tokens": used["output_tokens"]} if is_told else None
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}

    async def learn_note(self) -> None:
        """LangChain's models say nothing of themselves."""
