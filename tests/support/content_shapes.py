"""What conventions write of one chat: the same question, answer, thought, call of a tool, result and image in each.

The shapes are those that the packages write, taken from their sources and from their spans.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from provider_messages import (
    ANSWER,
    ANTHROPIC,
    ANTHROPIC_ANSWER,
    ARGUMENTS,
    CALL,
    CONSTRUCTED,
    CONVERSE,
    GEMINI,
    LC,
    NUMBERED,
    OPENAI,
    OPENAI_ANSWER,
    OPENAI_CALL,
    OTEL,
    OTEL_ANSWER,
    QUESTION,
    RESPONSES,
    RESPONSES_ANSWER,
    RESULT,
    THOUGHT,
    VERCEL,
)


@dataclass(frozen=True)
class Shape:
    """One span, and what of the chat its convention says."""

    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stage: str = "model"
    says: frozenset[str] = frozenset({"question", "answer"})
    """Of question, answer, system, thought, call, result, image."""


def _shape(says: str, attributes: dict[str, Any], *events: tuple[str, dict[str, Any]], stage: str = "model") -> Shape:
    return Shape(
        _strings(attributes), [(name, _strings(event)) for name, event in events], stage, frozenset(says.split())
    )


def _strings(attributes: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}


_ALL = "question answer system thought call result image"

SHAPES: dict[str, Shape] = {
    "OpenTelemetry": _shape(
        _ALL,
        {
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
            "gen_ai.input.messages": OTEL,
            "gen_ai.output.messages": OTEL_ANSWER,
        },
    ),
    "OpenTelemetry, details as an event": _shape(
        "question answer thought call result image",
        {},
        (
            "gen_ai.client.inference.operation.details",
            {"gen_ai.input.messages": OTEL, "gen_ai.output.messages": OTEL_ANSWER},
        ),
    ),
    "OpenTelemetry, events of 2024": _shape(
        "question answer system call result",
        {},
        ("gen_ai.system.message", {"content": "Be brief."}),
        ("gen_ai.user.message", {"content": QUESTION}),
        ("gen_ai.assistant.message", {"tool_calls": [OPENAI_CALL]}),
        ("gen_ai.tool.message", {"id": "c1", "content": RESULT}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}),
    ),
    "OpenTelemetry, logs": _shape(
        "question answer call",
        {},
        ("gen_ai.user.message", {"gen_ai.system": "openai", "body": {"content": QUESTION}}),
        ("gen_ai.assistant.message", {"gen_ai.system": "openai", "body": {"tool_calls": [OPENAI_CALL]}}),
        (
            "gen_ai.choice",
            {"body": {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}},
        ),
    ),
    "Azure's events": _shape(
        "question answer",
        {},
        ("gen_ai.user.message", {"gen_ai.event.content": {"role": "user", "content": QUESTION}}),
        ("gen_ai.choice", {"gen_ai.event.content": {"message": {"content": ANSWER}, "finish_reason": "stop"}}),
    ),
    "Strands' events": _shape(
        "question answer call result",
        {},
        ("gen_ai.user.message", {"content": [{"text": QUESTION}]}),
        (
            "gen_ai.assistant.message",
            {"content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": ARGUMENTS}}]},
        ),
        ("gen_ai.tool.message", {"content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": RESULT}]}}]}),
        ("gen_ai.choice", {"finish_reason": "end_turn", "message": [{"text": ANSWER}]}),
    ),
    "OpenInference": _shape("question answer system call result image", NUMBERED),
    "OpenInference, values only": _shape(
        "question answer system call result image",
        {"input.value": {"messages": OPENAI, "model": "m"}, "output.value": OPENAI_ANSWER},
    ),
    "OpenInference of the Responses API": _shape(
        "question answer thought call result image system",
        {"input.value": {"input": RESPONSES, "instructions": "Be brief."}, "output.value": RESPONSES_ANSWER},
    ),
    "OpenInference, a text completed": _shape(
        "question answer", {"llm.prompts.0.prompt.text": QUESTION, "llm.choices.0.completion.text": ANSWER}
    ),
    "OpenLLMetry": _shape(
        "question answer system call result image",
        {
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": OPENAI[1]["content"],
            "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.2.tool_calls.0.id": "c1",
            "gen_ai.prompt.2.tool_calls.0.name": "look",
            "gen_ai.prompt.2.tool_calls.0.arguments": CALL,
            "gen_ai.prompt.3.role": "tool",
            "gen_ai.prompt.3.tool_call_id": "c1",
            "gen_ai.prompt.3.content": RESULT,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": ANSWER,
            "gen_ai.completion.0.finish_reason": "stop",
        },
    ),
    "OpenLLMetry's workflow": _shape(
        "question answer",
        {
            "traceloop.entity.input": {"inputs": {"question": QUESTION}, "tags": [], "kwargs": {"name": "chain"}},
            "traceloop.entity.output": {"outputs": ANSWER, "kwargs": {"tags": []}},
        },
        stage="",
    ),
    "OpenLLMetry's decorator": _shape(
        "question answer",
        {"traceloop.entity.input": {"args": [QUESTION], "kwargs": {}}, "traceloop.entity.output": json.dumps(ANSWER)},
        stage="",
    ),
    "LangGraph's state": _shape(
        "question answer call result",
        {
            "traceloop.entity.input": {"inputs": {"messages": [["user", QUESTION]]}},
            "traceloop.entity.output": {
                "outputs": {
                    "messages": [
                        *CONSTRUCTED[1:],
                        {"lc": 1, "type": "constructor", "id": [*LC, "AIMessage"], "kwargs": {"content": ANSWER}},
                    ]
                }
            },
        },
        stage="",
    ),
    "Langfuse, messages": _shape(
        "question answer system call result image",
        {
            "langfuse.observation.input": OPENAI,
            "langfuse.observation.output": {"role": "assistant", "content": ANSWER},
        },
    ),
    "Langfuse, a text": _shape(
        "question answer", {"langfuse.observation.input": QUESTION, "langfuse.observation.output": ANSWER}
    ),
    "Langfuse, an object": _shape(
        "question answer",
        {"langfuse.observation.input": {"query": QUESTION}, "langfuse.observation.output": {"answer": ANSWER}},
    ),
    "Langfuse, Anthropic": _shape(
        "question answer thought call result image system",
        {
            "langfuse.observation.input": {"messages": ANTHROPIC, "system": "Be brief."},
            "langfuse.observation.output": ANTHROPIC_ANSWER,
        },
    ),
    "Vercel": _shape(
        "question answer system call result image thought",
        {"ai.prompt.messages": VERCEL, "ai.response.text": ANSWER, "ai.response.reasoning": THOUGHT},
    ),
    "Vercel, the outer span": _shape(
        "question answer system",
        {"ai.prompt": {"system": "Be brief.", "prompt": QUESTION}, "ai.response.text": ANSWER},
        stage="workflow",
    ),
    "Vercel, an object": _shape("question", {"ai.prompt": {"prompt": QUESTION}, "ai.response.object": {"limit": 3}}),
    "MLflow": _shape(
        "question answer system call result image",
        {"mlflow.spanInputs": {"messages": OPENAI, "model": "m"}, "mlflow.spanOutputs": OPENAI_ANSWER},
    ),
    "MLflow's chat": _shape(
        "question answer system call result image",
        {"mlflow.chat.messages": [*OPENAI, {"role": "assistant", "content": ANSWER}]},
    ),
    "Pydantic AI": _shape(
        "question answer thought call result image",
        {"pydantic_ai.all_messages": [*OTEL, *OTEL_ANSWER]},
        stage="agent",
    ),
    "Pydantic AI, first version": _shape(
        "question answer system call result",
        {
            "all_messages_events": [
                {
                    "content": "Be brief.",
                    "role": "system",
                    "gen_ai.message.index": 0,
                    "event.name": "gen_ai.system.message",
                },
                {"content": QUESTION, "role": "user", "gen_ai.message.index": 1, "event.name": "gen_ai.user.message"},
                {"role": "assistant", "tool_calls": [OPENAI_CALL], "event.name": "gen_ai.assistant.message"},
                {"content": RESULT, "role": "tool", "id": "c1", "name": "look", "event.name": "gen_ai.tool.message"},
                {"content": ANSWER, "role": "assistant", "event.name": "gen_ai.assistant.message"},
            ],
            "final_result": ANSWER,
        },
        stage="agent",
    ),
    "Logfire": _shape(
        "question answer system call result image",
        {
            "request_data": {"messages": OPENAI, "model": "m"},
            "response_data": {"message": {"role": "assistant", "content": ANSWER}, "usage": {"total_tokens": 3}},
        },
    ),
    "Logfire, streamed": _shape(
        "question answer system call result image",
        {
            "request_data": {"messages": OPENAI, "stream": True},
            "response_data": {"combined_chunk_content": ANSWER, "chunk_count": 3},
        },
    ),
    "Logfire's events": _shape(
        "question answer",
        {
            "events": [
                {"event.name": "gen_ai.user.message", "content": QUESTION, "role": "user"},
                {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": ANSWER}},
            ]
        },
    ),
    "LangSmith": _shape(
        "question answer system call result",
        {
            "gen_ai.prompt": {"messages": [CONSTRUCTED]},
            "gen_ai.completion": {
                "generations": [
                    [
                        {
                            "text": ANSWER,
                            "type": "ChatGeneration",
                            "message": {
                                "lc": 1,
                                "type": "constructor",
                                "id": [*LC, "AIMessage"],
                                "kwargs": {"content": ANSWER},
                            },
                        }
                    ]
                ]
            },
        },
    ),
    "OpenLIT": _shape(
        "question answer",
        {},
        ("gen_ai.content.prompt", {"gen_ai.prompt": QUESTION}),
        ("gen_ai.content.completion", {"gen_ai.completion": ANSWER}),
    ),
    "LiteLLM": _shape(
        "question call",
        {
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": QUESTION,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.function_call.name": "look",
            "gen_ai.completion.0.function_call.arguments": CALL,
        },
    ),
    "Braintrust": _shape(
        "question answer system call result image",
        {"braintrust.input_json": OPENAI, "braintrust.output_json": OPENAI_ANSWER["choices"]},
    ),
    "Opik": _shape("question answer", {"input": {"question": QUESTION}, "output": {"output": ANSWER}}, stage=""),
    "Genkit": _shape(
        "question answer",
        {
            "genkit:input": {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]},
            "genkit:output": {"message": {"role": "model", "content": [{"text": ANSWER}]}, "finishReason": "stop"},
        },
    ),
    "Google's agents": _shape(
        "question answer system call result image",
        {
            "gcp.vertex.agent.llm_request": GEMINI,
            "gcp.vertex.agent.llm_response": {
                "candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}}]
            },
        },
    ),
    "Bedrock's Converse": _shape(
        "question answer call result image system",
        {
            "input.value": {"messages": CONVERSE, "system": [{"text": "Be brief."}]},
            "output.value": {"output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}}},
        },
    ),
    "Sentry": _shape(
        "question answer call",
        {
            "gen_ai.request.messages": [{"role": "user", "content": QUESTION}],
            "gen_ai.response.text": [ANSWER],
            "gen_ai.response.tool_calls": [{"name": "look", "arguments": CALL, "id": "c1"}],
        },
    ),
    "LangWatch": _shape(
        "question answer",
        {
            "langwatch.input": {"type": "chat_messages", "value": [{"role": "user", "content": QUESTION}]},
            "langwatch.output": {"type": "text", "value": ANSWER},
        },
    ),
    "Python's repr": _shape(
        "question answer",
        {"input.value": str([{"role": "user", "content": QUESTION}]), "output.value": str({"content": ANSWER})},
    ),
    "LlamaIndex's blocks": _shape(
        "question answer",
        {
            "traceloop.entity.input": {
                "messages": [
                    {"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": QUESTION}]}
                ]
            },
            "traceloop.entity.output": {
                "message": {"role": "assistant", "blocks": [{"block_type": "text", "text": ANSWER}]},
                "raw": {"id": "x"},
            },
        },
    ),
}
"""Convention to what it writes."""
