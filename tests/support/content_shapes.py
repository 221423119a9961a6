"""What conventions write of one chat: the same question, answer, thought, call of a tool, result and image in each.

The shapes are those that the packages write, taken from their sources and from their spans.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP8z4APMOGVHbHSAEEsAROxCnMTAAAAAElFTkSuQmCC"
"""An image of 10 by 10 pixels in base64."""
IMAGE = f"data:image/png;base64,{PNG}"
QUESTION, ANSWER, THOUGHT = "How long may it take?", "Use asyncio.timeout.", "The user wants a limit."
ARGUMENTS, RESULT = {"topic": "timeouts"}, "asyncio.timeout limits a coroutine"
_CALL = json.dumps(ARGUMENTS)


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


_OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": _CALL}}
_OPENAI = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": IMAGE}}],
    },
    {"role": "assistant", "content": None, "tool_calls": [_OPENAI_CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": RESULT},
]
_OPENAI_ANSWER = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}]
}
_OTEL = [
    {
        "role": "user",
        "parts": [
            {"type": "text", "content": QUESTION},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": PNG},
        ],
    },
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": ARGUMENTS}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": RESULT}]},
]
_OTEL_ANSWER = [
    {
        "role": "assistant",
        "parts": [{"type": "reasoning", "content": THOUGHT}, {"type": "text", "content": ANSWER}],
        "finish_reason": "stop",
    }
]
_LC = ["langchain", "schema", "messages"]
_CONSTRUCTED = [
    {
        "lc": 1,
        "type": "constructor",
        "id": [*_LC, "SystemMessage"],
        "kwargs": {"content": "Be brief.", "type": "system"},
    },
    {"lc": 1, "type": "constructor", "id": [*_LC, "HumanMessage"], "kwargs": {"content": QUESTION, "type": "human"}},
    {
        "lc": 1,
        "type": "constructor",
        "id": [*_LC, "AIMessage"],
        "kwargs": {
            "content": "",
            "type": "ai",
            "tool_calls": [{"name": "look", "args": ARGUMENTS, "id": "c1", "type": "tool_call"}],
        },
    },
    {
        "lc": 1,
        "type": "constructor",
        "id": [*_LC, "ToolMessage"],
        "kwargs": {"content": RESULT, "type": "tool", "tool_call_id": "c1"},
    },
]
_ANTHROPIC = [
    {
        "role": "user",
        "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "text", "text": QUESTION},
        ],
    },
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": ARGUMENTS}]},
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": RESULT}]}],
    },
]
_ANTHROPIC_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "thinking", "thinking": THOUGHT, "signature": "x"}, {"type": "text", "text": ANSWER}],
    "stop_reason": "end_turn",
}
_VERCEL = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": QUESTION}, {"type": "file", "mediaType": "image/png", "data": PNG}],
    },
    {
        "role": "assistant",
        "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "look", "input": ARGUMENTS}],
    },
    {
        "role": "tool",
        "content": [
            {"type": "tool-result", "toolCallId": "c1", "toolName": "look", "output": {"type": "text", "value": RESULT}}
        ],
    },
]
_CONVERSE = [
    {"role": "user", "content": [{"text": QUESTION}, {"image": {"format": "png", "source": {"bytes": PNG}}}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": ARGUMENTS}}]},
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": RESULT}], "status": "success"}}],
    },
]
_GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"text": QUESTION}, {"inline_data": {"mime_type": "image/png", "data": PNG}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": ARGUMENTS}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": RESULT}}}]},
    ],
    "config": {"system_instruction": "Be brief."},
}
_RESPONSES = [
    {
        "role": "user",
        "content": [{"type": "input_text", "text": QUESTION}, {"type": "input_image", "image_url": IMAGE}],
    },
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": _CALL},
    {"type": "function_call_output", "call_id": "c1", "output": RESULT},
]
_RESPONSES_ANSWER = {
    "id": "resp_1",
    "object": "response",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": []}],
        },
    ],
}
_NUMBERED = {
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": QUESTION,
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url": IMAGE,
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "look",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": _CALL,
    "llm.input_messages.10.message.role": "tool",
    "llm.input_messages.10.message.tool_call_id": "c1",
    "llm.input_messages.10.message.content": RESULT,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": ANSWER,
}
_ALL = "question answer system thought call result image"

SHAPES: dict[str, Shape] = {
    "OpenTelemetry": _shape(
        _ALL,
        {
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
            "gen_ai.input.messages": _OTEL,
            "gen_ai.output.messages": _OTEL_ANSWER,
        },
    ),
    "OpenTelemetry, details as an event": _shape(
        "question answer thought call result image",
        {},
        (
            "gen_ai.client.inference.operation.details",
            {"gen_ai.input.messages": _OTEL, "gen_ai.output.messages": _OTEL_ANSWER},
        ),
    ),
    "OpenTelemetry, events of 2024": _shape(
        "question answer system call result",
        {},
        ("gen_ai.system.message", {"content": "Be brief."}),
        ("gen_ai.user.message", {"content": QUESTION}),
        ("gen_ai.assistant.message", {"tool_calls": [_OPENAI_CALL]}),
        ("gen_ai.tool.message", {"id": "c1", "content": RESULT}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}),
    ),
    "OpenTelemetry, logs": _shape(
        "question answer call",
        {},
        ("gen_ai.user.message", {"gen_ai.system": "openai", "body": {"content": QUESTION}}),
        ("gen_ai.assistant.message", {"gen_ai.system": "openai", "body": {"tool_calls": [_OPENAI_CALL]}}),
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
    "OpenInference": _shape("question answer system call result image", _NUMBERED),
    "OpenInference, values only": _shape(
        "question answer system call result image",
        {"input.value": {"messages": _OPENAI, "model": "m"}, "output.value": _OPENAI_ANSWER},
    ),
    "OpenInference of the Responses API": _shape(
        "question answer thought call result image system",
        {"input.value": {"input": _RESPONSES, "instructions": "Be brief."}, "output.value": _RESPONSES_ANSWER},
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
            "gen_ai.prompt.1.content": _OPENAI[1]["content"],
            "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.2.tool_calls.0.id": "c1",
            "gen_ai.prompt.2.tool_calls.0.name": "look",
            "gen_ai.prompt.2.tool_calls.0.arguments": _CALL,
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
                        *_CONSTRUCTED[1:],
                        {"lc": 1, "type": "constructor", "id": [*_LC, "AIMessage"], "kwargs": {"content": ANSWER}},
                    ]
                }
            },
        },
        stage="",
    ),
    "Langfuse, messages": _shape(
        "question answer system call result image",
        {
            "langfuse.observation.input": _OPENAI,
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
            "langfuse.observation.input": {"messages": _ANTHROPIC, "system": "Be brief."},
            "langfuse.observation.output": _ANTHROPIC_ANSWER,
        },
    ),
    "Vercel": _shape(
        "question answer system call result image thought",
        {"ai.prompt.messages": _VERCEL, "ai.response.text": ANSWER, "ai.response.reasoning": THOUGHT},
    ),
    "Vercel, the outer span": _shape(
        "question answer system",
        {"ai.prompt": {"system": "Be brief.", "prompt": QUESTION}, "ai.response.text": ANSWER},
        stage="workflow",
    ),
    "Vercel, an object": _shape("question", {"ai.prompt": {"prompt": QUESTION}, "ai.response.object": {"limit": 3}}),
    "MLflow": _shape(
        "question answer system call result image",
        {"mlflow.spanInputs": {"messages": _OPENAI, "model": "m"}, "mlflow.spanOutputs": _OPENAI_ANSWER},
    ),
    "MLflow's chat": _shape(
        "question answer system call result image",
        {"mlflow.chat.messages": [*_OPENAI, {"role": "assistant", "content": ANSWER}]},
    ),
    "Pydantic AI": _shape(
        "question answer thought call result image",
        {"pydantic_ai.all_messages": [*_OTEL, *_OTEL_ANSWER]},
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
                {"role": "assistant", "tool_calls": [_OPENAI_CALL], "event.name": "gen_ai.assistant.message"},
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
            "request_data": {"messages": _OPENAI, "model": "m"},
            "response_data": {"message": {"role": "assistant", "content": ANSWER}, "usage": {"total_tokens": 3}},
        },
    ),
    "Logfire, streamed": _shape(
        "question answer system call result image",
        {
            "request_data": {"messages": _OPENAI, "stream": True},
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
            "gen_ai.prompt": {"messages": [_CONSTRUCTED]},
            "gen_ai.completion": {
                "generations": [
                    [
                        {
                            "text": ANSWER,
                            "type": "ChatGeneration",
                            "message": {
                                "lc": 1,
                                "type": "constructor",
                                "id": [*_LC, "AIMessage"],
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
            "gen_ai.completion.0.function_call.arguments": _CALL,
        },
    ),
    "Braintrust": _shape(
        "question answer system call result image",
        {"braintrust.input_json": _OPENAI, "braintrust.output_json": _OPENAI_ANSWER["choices"]},
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
            "gcp.vertex.agent.llm_request": _GEMINI,
            "gcp.vertex.agent.llm_response": {
                "candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}}]
            },
        },
    ),
    "Bedrock's Converse": _shape(
        "question answer call result image system",
        {
            "input.value": {"messages": _CONVERSE, "system": [{"text": "Be brief."}]},
            "output.value": {"output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}}},
        },
    ),
    "Sentry": _shape(
        "question answer call",
        {
            "gen_ai.request.messages": [{"role": "user", "content": QUESTION}],
            "gen_ai.response.text": [ANSWER],
            "gen_ai.response.tool_calls": [{"name": "look", "arguments": _CALL, "id": "c1"}],
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
