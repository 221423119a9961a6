"""The messages of one chat as each provider and framework writes them: see `content_shapes`."""

from __future__ import annotations

import json

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP8z4APMOGVHbHSAEEsAROxCnMTAAAAAElFTkSuQmCC"
"""An image of 10 by 10 pixels in base64."""
IMAGE = f"data:image/png;base64,{PNG}"
QUESTION, ANSWER, THOUGHT = "How long may it take?", "Use asyncio.timeout.", "The user wants a limit."
ARGUMENTS, RESULT = {"topic": "timeouts"}, "asyncio.timeout limits a coroutine"
CALL = json.dumps(ARGUMENTS)

OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": CALL}}
OPENAI = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": IMAGE}}],
    },
    {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": RESULT},
]
OPENAI_ANSWER = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}]
}
OTEL = [
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
OTEL_ANSWER = [
    {
        "role": "assistant",
        "parts": [{"type": "reasoning", "content": THOUGHT}, {"type": "text", "content": ANSWER}],
        "finish_reason": "stop",
    }
]
LC = ["langchain", "schema", "messages"]
CONSTRUCTED = [
    {
        "lc": 1,
        "type": "constructor",
        "id": [*LC, "SystemMessage"],
        "kwargs": {"content": "Be brief.", "type": "system"},
    },
    {"lc": 1, "type": "constructor", "id": [*LC, "HumanMessage"], "kwargs": {"content": QUESTION, "type": "human"}},
    {
        "lc": 1,
        "type": "constructor",
        "id": [*LC, "AIMessage"],
        "kwargs": {
            "content": "",
            "type": "ai",
            "tool_calls": [{"name": "look", "args": ARGUMENTS, "id": "c1", "type": "tool_call"}],
        },
    },
    {
        "lc": 1,
        "type": "constructor",
        "id": [*LC, "ToolMessage"],
        "kwargs": {"content": RESULT, "type": "tool", "tool_call_id": "c1"},
    },
]
ANTHROPIC = [
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
ANTHROPIC_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "thinking", "thinking": THOUGHT, "signature": "x"}, {"type": "text", "text": ANSWER}],
    "stop_reason": "end_turn",
}
VERCEL = [
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
CONVERSE = [
    {"role": "user", "content": [{"text": QUESTION}, {"image": {"format": "png", "source": {"bytes": PNG}}}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": ARGUMENTS}}]},
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": RESULT}], "status": "success"}}],
    },
]
GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"text": QUESTION}, {"inline_data": {"mime_type": "image/png", "data": PNG}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": ARGUMENTS}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": RESULT}}}]},
    ],
    "config": {"system_instruction": "Be brief."},
}
RESPONSES = [
    {
        "role": "user",
        "content": [{"type": "input_text", "text": QUESTION}, {"type": "input_image", "image_url": IMAGE}],
    },
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": CALL},
    {"type": "function_call_output", "call_id": "c1", "output": RESULT},
]
RESPONSES_ANSWER = {
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
NUMBERED = {
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
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": CALL,
    "llm.input_messages.10.message.role": "tool",
    "llm.input_messages.10.message.tool_call_id": "c1",
    "llm.input_messages.10.message.content": RESULT,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": ANSWER,
}
