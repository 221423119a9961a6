"""Chat models of LangChain as the model that answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("langchain_core", reason="NO LANGCHAIN: langchain-core is not installed")

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from sightline import semconv
from sightline.testing import captured
from sightline_app.errors import InvalidSetting, ModelUnavailable
from sightline_app.generator import Generator, read_chunk
from sightline_app.langchain_generator import LangChainGenerator, open_generator
from sightline_app.settings import AppSettings

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


class Scripted(BaseChatModel):
    """Streams chunks that a test gives, then does what it says.

    Attributes:
        chunks: of its answer.
        ending: `end`, `raise` or `hang`.
        asked: messages and stop words of each call.
    """

    chunks: list[AIMessageChunk]
    ending: str = "end"
    asked: list[Any] = []  # noqa: RUF012  pydantic copies it

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.append(([(each.type, each.content) for each in messages], stop))
        for chunk in self.chunks:
            yield ChatGenerationChunk(message=chunk)
        if self.ending == "hang":
            await asyncio.Event().wait()
        if self.ending == "raise":
            raise ConnectionError("the provider broke off")


def chunk(text: Any = "", **more: Any) -> AIMessageChunk:
    """One chunk."""
    return AIMessageChunk(content=text, **more)


def usage(prompt: int, completion: int) -> dict[str, int]:
    """What one chunk says of the usage."""
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def generator(model: Scripted, **settings: Any) -> LangChainGenerator:
    """The model in the app."""
    return LangChainGenerator(AppSettings(chat_model="m", **settings), model, "anthropic")


async def collect(made: Generator, deadline: float | None = None) -> list[Any]:
    """All chunks of an answer."""
    try:
        return [each async for each in made.stream(ASKED, deadline)]
    finally:
        await made.close()


async def test_answer_has_the_form_that_the_pipeline_reads_and_one_span() -> None:
    """Blocks are texts, the usage of all chunks is added, and reasons have OpenAI's names."""
    told = [
        chunk("It "),
        chunk([{"type": "text", "text": "depends."}], usage_metadata=usage(30, 0)),
        chunk("", usage_metadata=usage(0, 7), response_metadata={"stop_reason": "max_tokens"}),
    ]
    model = Scripted(chunks=told)
    with captured(capture="full") as spans:
        chunks = await collect(generator(model))
    assert "".join(read_chunk(each)[0] for each in chunks) == "It depends."
    assert read_chunk(chunks[-1]) == ("", "length")
    assert chunks[-1]["usage"] == {"prompt_tokens": 30, "completion_tokens": 7}
    assert model.asked == [([("system", "Be brief."), ("human", "Why?")], ["\nQuestion:"])]
    span = spans.attributes(stage="model")
    assert span[semconv.GEN_AI_PROVIDER_NAME] == "anthropic"
    assert span[semconv.GEN_AI_REQUEST_MODEL] == "m"
    assert (span[semconv.GEN_AI_USAGE_INPUT_TOKENS], span[semconv.GEN_AI_USAGE_OUTPUT_TOKENS]) == (30, 7)
    assert span[semconv.STREAM_OUTCOME] == "completed"


async def test_usage_that_no_chunk_tells_is_unknown() -> None:
    """It is not 0."""
    chunks = await collect(generator(Scripted(chunks=[chunk("yes")])))
    assert chunks[-1]["usage"] is None
    assert read_chunk(chunks[-1]) == ("", "stop")


async def test_failure_of_the_provider_is_the_models() -> None:
    """Whatever its package raises; fallbacks and circuits know it."""
    with pytest.raises(ModelUnavailable, match=r"https://langchain/anthropic broke off: the provider broke off"):
        await collect(generator(Scripted(chunks=[chunk("yes")], ending="raise")))


async def test_silence_and_deadline_end_the_call() -> None:
    """Each with its own setting in the message."""
    silent = Scripted(chunks=[chunk("yes")], ending="hang")
    with pytest.raises(ModelUnavailable, match=r"SIGHTLINE_APP_MODEL_TIMEOUT_S=0\.01"):
        await collect(generator(silent, model_timeout_s=0.01))
    with pytest.raises(ModelUnavailable, match="SIGHTLINE_APP_REQUEST_TIMEOUT_S"):
        await collect(generator(silent), time.monotonic() + 0.01)


def test_setting_chooses_langchains_model() -> None:
    """Its package makes it; `openai` has the app's own address; a provider that LangChain does not know is named."""
    pytest.importorskip("langchain", reason="NO LANGCHAIN: langchain is not installed")
    assert type(open_generator(AppSettings())) is Generator
    chosen = open_generator(AppSettings(langchain_provider="openai", model_base_url="http://127.0.0.1:9/v1"))
    assert isinstance(chosen, LangChainGenerator)
    assert chosen.endpoint.base_url == "http://127.0.0.1:9/v1"
    with pytest.raises(InvalidSetting, match="SIGHTLINE_APP_LANGCHAIN_PROVIDER is 'nobody'"):
        open_generator(AppSettings(langchain_provider="nobody"))
