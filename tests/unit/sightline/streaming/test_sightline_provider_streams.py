"""First content, text and tokens of the streams of LangChain, Anthropic, Bedrock, Cohere, Google, Ollama and OpenAI."""

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import ollama
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from langchain_core.runnables import RunnableLambda

import sightline
from sightline import semconv
from sightline.streaming import chunks, stream_meter, traced_streams, usage
from sightline.testing import Spans

pytestmark = pytest.mark.usefixtures("no_context_errors")


def langchain(content: Any, **fields: Any) -> AIMessageChunk:
    """Return a chunk as a chat model of LangChain yields it."""
    return AIMessageChunk(content=content, id="lc_run--1", **fields)


LANGCHAIN_USAGE: list[Any] = [
    {
        "input_tokens": 1000,
        "output_tokens": 0,
        "total_tokens": 1000,
        "input_token_details": {"cache_read": 900, "cache_creation": 10},
    },
    {"input_tokens": 0, "output_tokens": 100, "total_tokens": 100, "output_token_details": {"reasoning": 40}},
]
LANGCHAIN = [
    langchain([], usage_metadata=LANGCHAIN_USAGE[0], response_metadata={"model_name": "claude-x"}),
    langchain([{"type": "thinking", "thinking": "hm", "index": 0}]),
    langchain([{"type": "thinking", "signature": "s", "index": 0}]),
    langchain([{"type": "text", "text": "", "index": 1}]),
    langchain([{"type": "text", "text": "Hel", "index": 1}]),
    langchain([{"type": "text", "text": "l", "index": 1}, "o"]),
    langchain("", usage_metadata=LANGCHAIN_USAGE[1], response_metadata={"stop_reason": "end_turn"}),
]
ANTHROPIC = [
    {
        "type": "message_start",
        "message": {
            "id": "a1",
            "model": "claude-x",
            "usage": {
                "input_tokens": 90,
                "cache_read_input_tokens": 900,
                "cache_creation_input_tokens": 10,
                "output_tokens": 1,
            },
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 100}},
]
BEDROCK = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": ""}, "contentBlockIndex": 1}},
    {"contentBlockDelta": {"delta": {"text": "Hel"}, "contentBlockIndex": 1}},
    {"contentBlockDelta": {"delta": {"text": "lo"}, "contentBlockIndex": 1}},
    {"messageStop": {"stopReason": "end_turn"}},
    {
        "metadata": {
            "usage": {
                "inputTokens": 90,
                "outputTokens": 100,
                "totalTokens": 1100,
                "cacheReadInputTokens": 900,
                "cacheWriteInputTokens": 10,
            }
        }
    },
]
COHERE = [
    {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hm"}}}},
    {"type": "content-start", "index": 1, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": "Hel"}}}},
    {"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": "lo"}}}},
    {
        "type": "message-end",
        "delta": {
            "finish_reason": "COMPLETE",
            "usage": {
                "billed_units": {"input_tokens": 9, "output_tokens": 9},
                "tokens": {"input_tokens": 1000.0, "output_tokens": 100.0},
                "cached_tokens": 900.0,
            },
        },
    },
]
COHERE_1 = [
    {"event_type": "stream-start", "generation_id": "c1", "is_finished": False},
    {"event_type": "text-generation", "text": "Hel"},
    {"event_type": "text-generation", "text": "lo"},
    {
        "event_type": "stream-end",
        "finish_reason": "COMPLETE",
        "response": {"text": "Hello", "meta": {"tokens": {"input_tokens": 1000, "output_tokens": 100}}},
    },
]
GOOGLE = [
    SimpleNamespace(candidates=None, usage_metadata=None, text=None),
    SimpleNamespace(
        candidates=[SimpleNamespace(content=SimpleNamespace(parts=[SimpleNamespace(text="hm", thought=True)]))]
    ),
    SimpleNamespace(candidates=[SimpleNamespace(content=SimpleNamespace(parts=[SimpleNamespace(text="Hel")]))]),
    {
        "candidates": [{"content": {"parts": [{"text": "lo"}]}, "finishReason": "STOP"}],
        "modelVersion": "gemini-x",
        "usageMetadata": {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 900,
            "candidatesTokenCount": 60,
            "thoughtsTokenCount": 40,
        },
    },
]
OLLAMA = [
    ollama.ChatResponse(model="m-x", message=ollama.Message(role="assistant", content="", thinking="hm"), done=False),
    ollama.ChatResponse(model="m-x", message=ollama.Message(role="assistant", content="Hel"), done=False),
    {"model": "m-x", "message": {"role": "assistant", "content": "lo"}, "done": False},
    ollama.ChatResponse(
        model="m-x",
        message=ollama.Message(role="assistant", content=""),
        done=True,
        done_reason="stop",
        prompt_eval_count=1000,
        eval_count=100,
    ),
]
OLLAMA_GENERATE = [
    ollama.GenerateResponse(model="m-x", response="", thinking="hm", done=False),
    ollama.GenerateResponse(model="m-x", response="Hello", done=False),
    {"model": "m-x", "response": "", "done": True, "done_reason": "stop", "prompt_eval_count": 1000, "eval_count": 100},
]
RESPONSES = [
    {"type": "response.created", "response": {"id": "r1", "model": "m-x", "output": []}},
    {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}},
    {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
    {"type": "response.reasoning_text.delta", "delta": "hm"},
    {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}},
    {"type": "response.output_text.delta", "delta": "Hel"},
    {"type": "response.output_text.delta", "delta": "lo"},
    {"type": "response.output_text.done", "text": "Hello"},
    {
        "type": "response.completed",
        "response": {
            "id": "r1",
            "model": "m-x",
            "usage": {
                "input_tokens": 1000,
                "input_tokens_details": {"cached_tokens": 900},
                "output_tokens": 100,
                "output_tokens_details": {"reasoning_tokens": 40},
            },
        },
    },
]
MISTRAL = [
    SimpleNamespace(data=SimpleNamespace(choices=[{"delta": {"role": "assistant", "content": ""}}], model="m-x")),
    {
        "data": {
            "choices": [{"delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}}]
        }
    },
    {"data": {"choices": [{"delta": {"content": [{"type": "text", "text": "Hello"}]}}]}},
    {
        "data": {
            "choices": [{"delta": {"content": ""}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
        }
    },
]
STREAMS: dict[str, tuple[list[Any], int]] = {
    "langchain": (LANGCHAIN, 4),
    "langchain-generations": ([ChatGenerationChunk(message=message) for message in LANGCHAIN], 4),
    "langchain-events": (
        [
            {"event": "on_chat_model_start", "data": {"input": "q"}},
            *({"event": "on_chat_model_stream", "data": {"chunk": message}} for message in LANGCHAIN),
            {"event": "on_chain_stream", "data": {"chunk": "Hello"}},
            {"event": "on_chat_model_end", "data": {"output": "Hello"}},
        ],
        5,
    ),
    "langgraph": ([(HumanMessage("question"), {}), *((message, {"node": "n"}) for message in LANGCHAIN)], 5),
    "langgraph-modes": (
        [("updates", {"n": 1}), *(("messages", (message, {})) for message in LANGCHAIN), ("values", {"text": "Hello"})],
        5,
    ),
    "langgraph-subgraphs": ([(("sub",), (message, {})) for message in LANGCHAIN], 4),
    "langgraph-subgraphs-modes": ([(("sub",), "messages", (message, {})) for message in LANGCHAIN], 4),
    "langgraph-2": (
        [
            {"type": "updates", "ns": (), "data": {"text": "no"}},
            *({"type": "messages", "ns": (), "data": (message, {})} for message in LANGCHAIN),
        ],
        5,
    ),
    "anthropic": (ANTHROPIC, 5),
    "bedrock": (BEDROCK, 4),
    "cohere": (COHERE, 4),
    "cohere-1": (COHERE_1, 1),
    "google": (GOOGLE, 2),
    "ollama": (OLLAMA, 1),
    "ollama-generate": (OLLAMA_GENERATE, 1),
    "openai-responses": (RESPONSES, 5),
    "mistral": (MISTRAL, 2),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_whole(name: str, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first content is the first text that is not empty; the text is joined; the tokens are 1,000 and 100."""
    items, first = STREAMS[name]
    now = [0.0]
    for place in (stream_meter, traced_streams):
        monkeypatch.setattr(place, "_perf_counter", lambda: now[0])
    monkeypatch.setattr("sightline.spans.time.perf_counter", lambda: now[0])

    @sightline.llm("m")
    def call() -> Iterator[Any]:
        for item in items:
            now[0] += 1
            yield item

    assert list(call()) == items
    found = spans.attributes()
    assert found[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] == first + 1
    assert found[semconv.OUTPUT] == "Hello"
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 100
    assert found.get(semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, 900) == 900
    assert found.get(semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, 10) == 10
    assert found.get(semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, 40) == 40
    assert found.get(semconv.GEN_AI_RESPONSE_MODEL, "m-x") in ("m-x", "claude-x", "gemini-x")
    assert len(found[semconv.GEN_AI_RESPONSE_FINISH_REASONS]) == 1


async def test_a_chat_model_of_langchain_is_read_whole(spans: Spans) -> None:
    """A real chat model, streamed and async, through a decorated async generator in a chain."""
    model = FakeStreamingModel()

    @sightline.llm("m", provider="anthropic")
    async def call(question: str) -> AsyncIterator[Any]:
        async for chunk in model.astream(question):
            yield chunk

    contents = [chunk.content async for chunk in RunnableLambda(call).astream("why")]
    assert contents[: len(LANGCHAIN)] == [message.content for message in LANGCHAIN]
    found = spans.attributes("chat m")
    assert found[semconv.OUTPUT] == "Hello"
    assert found[semconv.STREAM_CONTENT_CHUNKS] == 2
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 100
    assert found[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 900
    assert found[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 40
    assert found[semconv.GEN_AI_RESPONSE_MODEL] == "claude-x"
    assert found[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == ("end_turn",)


class FakeStreamingModel(GenericFakeChatModel):
    """Streams the chunks of this module."""

    messages: Any = iter(())

    def _stream(self, *args: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        yield from (ChatGenerationChunk(message=message.model_copy()) for message in LANGCHAIN)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (langchain([]), None),
        (langchain([{"type": "text", "text": ""}]), None),
        (langchain([{"type": "reasoning", "summary": [{"text": "hm"}]}]), None),
        (langchain("", additional_kwargs={"reasoning_content": "hm"}), None),
        (langchain([{"type": "unknown", "text": "x"}]), None),
        (ToolMessage("result", tool_call_id="1"), None),
        (GenerationChunk(text=""), None),
        ({"any": 1}, None),
        ({}, None),
        ({"role": "assistant"}, None),
        ({"text": "", "done": 1}, None),
        ({"type": "reasoning-delta", "text": "hm"}, None),
        ({"type": "thinking", "content": "hm"}, None),
        ({"contentBlockStart": {"start": {"toolUse": {"name": "t"}}}}, None),
        ({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "hm"}}}, None),
        ({"type": "citation-start", "delta": {"message": {"citations": {"text": "x"}}}}, None),
        (GenerationChunk(text="x"), "x"),
        ({"text": "x"}, "x"),
        (("custom", "x"), "x"),
        (("messages", "values"), None),
        ((("sub",), {"agent": {"messages": []}}), None),
        ({"content": [{"type": "text", "text": "x"}]}, "x"),
        ({"type": "text-delta", "delta": "x"}, "x"),
        ({"chunk": {"bytes": b'{"type": "content_block_delta", "delta": {"text": "x"}}'}}, "x"),
        ({"type": "content_block_start", "content_block": {"type": "text", "text": "x"}}, "x"),
    ],
)
def test_a_chunk_is_content_by_its_text(item: Any, text: str | None) -> None:
    """Empty, reasoning, framing and unknown chunks are no content; text is."""
    reader = chunks.ChunkReader()
    assert (reader.is_content(item), reader.text) == (text is not None, text)


def test_a_chunk_of_llama_index_is_content_by_its_delta() -> None:
    """Not by the text so far, which each chunk repeats."""
    # Of all that this suite imports this takes longest, and every worker would: only the one that runs this does.
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse

    for item, text in (
        (ChatResponse(message=ChatMessage("whole so far"), delta="", raw=None), None),
        (ChatResponse(message=ChatMessage("whole so far x"), delta="x", raw=None), "x"),
        (CompletionResponse(text="whole so far x", delta="x"), "x"),
    ):
        reader = chunks.ChunkReader()
        assert (reader.is_content(item), reader.text) == (text is not None, text)


@pytest.mark.parametrize(
    "item",
    [
        langchain("", tool_call_chunks=[{"name": "t", "args": "{", "id": "1", "index": 0}]),
        langchain([{"type": "image_url", "image_url": {"url": "x"}}]),
        {"contentBlockDelta": {"delta": {"toolUse": {"input": "{"}}}},
        {"type": "tool-call-start", "delta": {"message": {"tool_calls": {}}}},
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": "t"}}]}}]},
        {"message": {"content": "", "tool_calls": [{"function": {"name": "t"}}]}, "done": False},
    ],
)
def test_tool_calls_and_images_are_content_without_text(item: Any) -> None:
    """They are an answer, of which no text is kept."""
    reader = chunks.ChunkReader()
    assert (reader.is_content(item), reader.text) == (True, None)


def test_finish_reasons_are_one_a_choice_and_a_chunk_without_choices_is_read() -> None:
    """However often a server repeats a reason; the usage may come beside ``choices: null``."""
    reader = chunks.ChunkReader()
    for _ in range(1000):
        choices = [{"index": index, "delta": {}, "finish_reason": ("length", "stop")[index]} for index in (1, 0)]
        assert reader.is_content({"choices": choices}) is False
    last = SimpleNamespace(choices=[], usage=None)
    assert reader.is_content(last) is False
    last.choices, last.usage = None, {"prompt_tokens": 1000, "completion_tokens": 100}  # type: ignore[assignment]
    assert reader.is_content(last) is False
    found = reader.response_attributes()
    assert found[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == ["length", "stop"]
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 1000


def test_errors_that_a_stream_reports() -> None:
    """Bedrock names an exception, Cohere ends with an error."""
    for item, failure in (
        ({"throttlingException": {"message": "slow down"}}, "throttlingException"),
        ({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "broken"}}, "broken"),
    ):
        reader = chunks.ChunkReader()
        assert reader.is_content(item) is False
        assert reader.response_attributes()[semconv.ERROR_TYPE] == failure


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100, "cacheReadInputTokens": 900}, (1000, 100)),
        ({"inputTokens": 100, "outputTokens": 100, "cacheReadInputTokens": 900}, (1000, 100)),
        ({"prompt_token_count": 1000, "candidates_token_count": 60, "thoughts_token_count": 40}, (1000, 100)),
        ({"billed_units": {"input_tokens": 1000, "output_tokens": 100}}, (1000, 100)),
        ({"prompt_eval_count": 1000, "eval_count": 100}, (1000, 100)),
        (SimpleNamespace(input_tokens=1000, output_tokens=100, tokens=1100), (1000, 100)),
    ],
)
def test_usage_of_each_provider_means_the_same(given: Any, tokens: tuple[int, int]) -> None:
    """Input tokens include cached ones and output tokens include reasoning, whoever counted."""
    found = usage.usage_attributes(given)
    assert (found[semconv.GEN_AI_USAGE_INPUT_TOKENS], found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS]) == tokens
