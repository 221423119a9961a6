"""The calls of `cases.py` with the providers' own clients; runs in the packages' own environment."""

from __future__ import annotations

import importlib
from typing import Any

from cases import CHAT_MODELS, EMBEDDING_MODEL, TOOL, Case

PARAMETERS = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}


class OpenAI:
    """OpenAI's client, or what stands in its place."""

    def __init__(self, url: str, module: str = "openai") -> None:
        self._url, self._module = url, importlib.import_module(module)

    def _client(self, case: Case) -> Any:
        kind = self._module.AsyncOpenAI if case.is_async else self._module.OpenAI
        return kind(base_url=f"{self._url}/{case.path}/v1", api_key="none", max_retries=0)

    def run(self, case: Case) -> None:
        """Make the call and read all of its answer."""
        client = self._client(case)
        if case.does == "embed":
            client.embeddings.create(model=EMBEDDING_MODEL, input=[case.question])
            return
        answer = self._create(client, case)
        if case.is_streaming:
            for _ in answer:
                pass

    async def run_async(self, case: Case) -> None:
        """The same, with the asynchronous client."""
        async with self._client(case) as client:
            if case.does == "embed":
                await client.embeddings.create(model=EMBEDDING_MODEL, input=[case.question])
                return
            answer = await self._create(client, case)
            if case.is_streaming:
                async for _ in answer:
                    pass

    def _create(self, client: Any, case: Case) -> Any:
        """An answer, or what is to be awaited for it."""
        model, more = CHAT_MODELS["openai"], {}
        tool = {"name": TOOL, "description": "Looks a word up.", "parameters": PARAMETERS}
        if case.does == "responses":
            if case.has_tool:
                more["tools"] = [{"type": "function", **tool}]
            return client.responses.create(model=model, input=case.question, stream=case.is_streaming, **more)
        if case.has_tool:
            more["tools"] = [{"type": "function", "function": tool}]
        if case.is_streaming:
            more["stream_options"] = {"include_usage": True}
        messages = [{"role": "user", "content": case.question}]
        return client.chat.completions.create(model=model, messages=messages, stream=case.is_streaming, **more)


class Anthropic:
    """Anthropic's client."""

    def __init__(self, url: str) -> None:
        self._url, self._module = url, importlib.import_module("anthropic")

    def _client(self, case: Case) -> Any:
        kind = self._module.AsyncAnthropic if case.is_async else self._module.Anthropic
        return kind(base_url=f"{self._url}/{case.path}", api_key="none", max_retries=0)

    def run(self, case: Case) -> None:
        """Make the call and read all of its answer."""
        answer = self._create(self._client(case), case)
        if case.is_streaming:
            for _ in answer:
                pass

    async def run_async(self, case: Case) -> None:
        """The same, with the asynchronous client."""
        async with self._client(case) as client:
            answer = await self._create(client, case)
            if case.is_streaming:
                async for _ in answer:
                    pass

    def _create(self, client: Any, case: Case) -> Any:
        more = {}
        if case.has_tool:
            more["tools"] = [{"name": TOOL, "description": "Looks a word up.", "input_schema": PARAMETERS}]
        messages = [{"role": "user", "content": case.question}]
        return client.messages.create(
            model=CHAT_MODELS["anthropic"], max_tokens=4096, messages=messages, stream=case.is_streaming, **more
        )
