"""The calls of `cases.py` through frameworks; runs in the packages' own environment."""

from __future__ import annotations

import os
from typing import Any

from cases import CHAT_MODELS, EMBEDDING_MODEL, PASSAGES, TOOL, Case
from provider_clients import PARAMETERS


def look_up(word: str) -> str:
    """Looks a word up."""
    return f"{word} is a limit"


class LangChain:
    """A retriever, a prompt and OpenAI's or Anthropic's model in a chain, and an agent with a tool."""

    def __init__(self, url: str, handler: str = "") -> None:
        """Import all.

        Args:
            url: of the model server.
            handler: `langfuse`: a callback handler of its own is passed to every call.
        """
        from langchain.agents import create_agent
        from langchain_anthropic import ChatAnthropic
        from langchain_core.documents import Document
        from langchain_core.output_parsers import StrOutputParser
        from langchain_core.prompts import ChatPromptTemplate
        from langchain_core.retrievers import BaseRetriever
        from langchain_core.runnables import RunnablePassthrough
        from langchain_core.tools import tool
        from langchain_openai import ChatOpenAI

        class Shelf(BaseRetriever):  # type: ignore[misc]
            """Finds all passages, whatever is asked."""

            def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
                return [Document(page_content=text, id=name, metadata={"id": name}) for name, text in PASSAGES.items()]

        self._url, self._chat_openai, self._chat_anthropic = url, ChatOpenAI, ChatAnthropic
        prompt = ChatPromptTemplate.from_messages([("system", "Answer from: {context}"), ("user", "{question}")])
        self._before = {"context": Shelf(), "question": RunnablePassthrough()} | prompt
        self._after = StrOutputParser()
        self._agent, self._tools = create_agent, [tool(TOOL)(look_up)]
        self._handlers: list[Any] = []
        if handler:
            from langfuse.langchain import CallbackHandler

            self._handlers = [CallbackHandler()]

    def _model(self, case: Case) -> Any:
        common = {"max_retries": 0, "api_key": "none"}
        if case.api == "anthropic":
            return self._chat_anthropic(
                model=CHAT_MODELS["anthropic"], base_url=f"{self._url}/{case.path}", max_tokens=4096, **common
            )
        responses = {"use_responses_api": True} if case.does == "responses" else {}
        return self._chat_openai(
            model=CHAT_MODELS["openai"],
            base_url=f"{self._url}/{case.path}/v1",
            stream_usage=True,
            **common,
            **responses,
        )

    def _parts(self, case: Case) -> tuple[Any, Any, dict[str, Any]]:
        config: dict[str, Any] = {"callbacks": self._handlers}
        if case.has_tool:
            return self._agent(self._model(case), self._tools), {"messages": [("user", case.question)]}, config
        if case.does == "rag":
            return self._before | self._model(case) | self._after, case.question, config
        return self._model(case), case.question, config

    def run(self, case: Case) -> None:
        """Ask, and read all of the answer."""
        runnable, given, config = self._parts(case)
        if case.is_streaming:
            for _ in runnable.stream(given, config=config):
                pass
        else:
            runnable.invoke(given, config=config)

    async def run_async(self, case: Case) -> None:
        """The same, asynchronously."""
        runnable, given, config = self._parts(case)
        if case.is_streaming:
            async for _ in runnable.astream(given, config=config):
                pass
        else:
            await runnable.ainvoke(given, config=config)


class LlamaIndex:
    """A query engine over an index of two documents, with OpenAI's model and embedding."""

    def __init__(self, url: str) -> None:
        from llama_index.core import Settings, VectorStoreIndex
        from llama_index.core.schema import TextNode
        from llama_index.embeddings.openai import OpenAIEmbedding
        from llama_index.llms.openai import OpenAI

        Settings.tokenizer = str.split  # the one that it takes else is fetched from the network
        self._url, self._llm, self._embedding = url, OpenAI, OpenAIEmbedding
        nodes = [TextNode(text=text, id_=name, embedding=[0.1] * 8) for name, text in PASSAGES.items()]
        # Built once, before the cases, as an application does: LlamaIndex embeds what has no vector yet, here nothing.
        self._index = VectorStoreIndex(nodes=nodes, embed_model=OpenAIEmbedding(api_key="none"))

    def _engine(self, case: Case) -> Any:
        base = {"api_base": f"{self._url}/{case.path}/v1", "api_key": "none", "max_retries": 0}
        embed_model = self._embedding(model=EMBEDDING_MODEL, **base)
        more = {"stream_options": {"include_usage": True}} if case.is_streaming else {}
        llm = self._llm(model=CHAT_MODELS["openai"], additional_kwargs=more, **base)
        return self._index.as_query_engine(
            llm=llm, embed_model=embed_model, similarity_top_k=2, streaming=case.is_streaming
        )

    def run(self, case: Case) -> None:
        """Ask, and read all of the answer."""
        answer = self._engine(case).query(case.question)
        if case.is_streaming:
            for _ in answer.response_gen:
                pass

    async def run_async(self, case: Case) -> None:
        """The same, asynchronously."""
        answer = await self._engine(case).aquery(case.question)
        if case.is_streaming:
            async for _ in answer.async_response_gen():
                pass


class LiteLLM:
    """LiteLLM's functions, with the model of OpenAI or of Anthropic."""

    def __init__(self, url: str) -> None:
        import litellm
        from opentelemetry import trace

        self._url, self._litellm, self._trace = url, litellm, trace
        litellm.telemetry = False
        litellm.num_retries = 0

    def _arguments(self, case: Case) -> dict[str, Any]:
        metadata = {"session_id": case.session}
        if (span := self._trace.get_current_span()).get_span_context().is_valid:
            # It exports a synchronous stream in a thread of its own, which does not know the current span.
            metadata["litellm_parent_otel_span"] = span
        common = {"api_key": "none", "num_retries": 0, "max_retries": 0, "metadata": metadata}
        if case.does == "embed":
            base = f"{self._url}/{case.path}/v1"
            return {**common, "model": f"openai/{EMBEDDING_MODEL}", "input": [case.question], "api_base": base}
        suffix = "" if case.api == "anthropic" else "/v1"
        model, base = f"{case.api}/{CHAT_MODELS[case.api]}", f"{self._url}/{case.path}{suffix}"
        arguments = {**common, "model": model, "api_base": base, "stream": case.is_streaming}
        arguments["messages"] = [{"role": "user", "content": case.question}]
        if case.is_streaming:
            arguments["stream_options"] = {"include_usage": True}
        if case.has_tool:
            tool = {"name": TOOL, "description": "Looks a word up.", "parameters": PARAMETERS}
            arguments["tools"] = [{"type": "function", "function": tool}]
        return arguments

    def run(self, case: Case) -> None:
        """Ask, and read all of the answer."""
        arguments = self._arguments(case)
        if case.does == "embed":
            self._litellm.embedding(**arguments)
            return
        answer = self._litellm.completion(**arguments)
        if case.is_streaming:
            for _ in answer:
                pass

    async def run_async(self, case: Case) -> None:
        """The same, asynchronously."""
        arguments = self._arguments(case)
        if case.does == "embed":
            await self._litellm.aembedding(**arguments)
            return
        answer = await self._litellm.acompletion(**arguments)
        if case.is_streaming:
            async for _ in answer:
                pass


class PydanticAI:
    """An agent, with a tool where the case has one."""

    def __init__(self, url: str) -> None:
        from pydantic_ai import Agent
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
        from pydantic_ai.providers.anthropic import AnthropicProvider
        from pydantic_ai.providers.openai import OpenAIProvider

        os.environ.setdefault("OPENAI_MAX_RETRIES", "0")
        self._url, self._agent = url, Agent
        self._openai = (OpenAIChatModel, OpenAIResponsesModel, OpenAIProvider)
        self._anthropic = (AnthropicModel, AnthropicProvider)

    def _agent_of(self, case: Case) -> Any:
        if case.api == "anthropic":
            from anthropic import AsyncAnthropic

            model, provider = self._anthropic
            client: Any = AsyncAnthropic(base_url=f"{self._url}/{case.path}", api_key="none", max_retries=0)
            chosen = model(CHAT_MODELS["anthropic"], provider=provider(anthropic_client=client))
        else:
            from openai import AsyncOpenAI

            chat, responses, provider = self._openai
            client = AsyncOpenAI(base_url=f"{self._url}/{case.path}/v1", api_key="none", max_retries=0)
            model = responses if case.does == "responses" else chat
            chosen = model(CHAT_MODELS["openai"], provider=provider(openai_client=client))
        agent = self._agent(chosen)
        if case.has_tool:
            agent.tool_plain(name=TOOL)(look_up)
        return agent

    def run(self, case: Case) -> None:
        """Ask, and read all of the answer."""
        agent = self._agent_of(case)
        if case.is_streaming:
            result = agent.run_stream_sync(case.question, conversation_id=case.session)
            for _ in result.stream_text():
                pass
        else:
            agent.run_sync(case.question, conversation_id=case.session)

    async def run_async(self, case: Case) -> None:
        """The same, asynchronously."""
        agent = self._agent_of(case)
        if case.is_streaming:
            async with agent.run_stream(case.question, conversation_id=case.session) as result:
                async for _ in result.stream_text():
                    pass
        else:
            await agent.run(case.question, conversation_id=case.session)
