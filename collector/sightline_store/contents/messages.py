"""Messages out of the JSON of any framework: what a model was given, and what it or a step around it gave back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sightline_store.contents import values
from sightline_store.contents.part_shapes import parts_of, tool_call, tool_result
from sightline_store.contents.parts import Message, Part, PartKind

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "response": "assistant",
    "developer": "system",
    "function": "tool",
    "chatbot": "assistant",
    "request": "user",
}
_MESSAGE_TYPES = frozenset({"human", "ai", "system", "tool", "function", "aimessagechunk", "user", "assistant"})
_BODIES = ("content", "parts", "contents", "blocks", "tool_calls", "text", "data", "function_call", "refusal", "audio")
_ITEM_TYPES = frozenset(
    [
        "function_call",
        "function_call_output",
        "reasoning",
        "file_search_call",
        "web_search_call",
        "mcp_call",
        "custom_tool_call",
        "code_interpreter_call",
        "computer_call",
        "custom_tool_call_output",
        "computer_call_output",
        "image_generation_call",
    ]
)
_LISTS = ("messages", "contents", "input", "inputs", "prompts", "prompt", "kwargs", "body", "value", "llm_request")
_QUESTIONS = (
    "question", "query", "query_str", "user_input", "user_query", "input", "str_or_query_bundle", "query_bundle",
    "inputs", "prompt", "user_prompt", "message", "kwargs", "args", "value",
)  # fmt: skip
_ANSWERS = (
    "choices", "generations", "candidates", "message", "messages", "content", "answer", "response", "result",
    "output_text", "outputs", "output", "text", "completion", "combined_chunk_content", "final_output", "final_answer",
    "raw", "value", "return_values", "data", "kwargs",
)  # fmt: skip
_INSTRUCTIONS = ("system", "instructions", "system_instruction", "systemInstruction", "system_prompt")


def role_of(name: object) -> str:
    """A role's canonical name."""
    lowered = str(name or "").lower()
    return _ROLES.get(lowered, lowered)


def listed_messages(content: Any, default_role: str = "", depth: int = 0) -> list[Message]:
    """The messages of a list of them, or of one; [] where it is neither."""
    if depth > values.MAX_DEPTH:
        return []
    if isinstance(content, Mapping):
        return [message for message in _message(content, default_role, depth) if message.parts]
    if not isinstance(content, list | tuple) or not content:
        return []
    content = [_of_pair(item) for item in content]
    if len(content) == 1 and isinstance(content[0], list):
        return listed_messages(content[0], default_role, depth + 1)  # LangChain's batches
    if not all(isinstance(item, Mapping) and _is_message(item) for item in content):
        return []
    return [message for item in content for message in _message(item, default_role, depth) if message.parts]


def _of_pair(item: Any) -> Any:
    """LangChain's short form of a message, [role, text], as an object; anything else as it is."""
    if (
        isinstance(item, list | tuple)
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], str | list)
    ):
        role = role_of(item[0])
        return {"role": role, "content": item[1]} if role in {"user", "assistant", "system", "tool"} else item
    return item


def given(content: Any, depth: int = 0) -> list[Message]:
    """What went in: messages, or a text; else the value itself as data.

    Args:
        content: what the attribute's JSON says.
        depth: levels of the value around it.
    """
    if isinstance(content, str):
        return _one("", parts_of(content))
    if messages := listed_messages(content):
        return messages
    found = _given_inside(content, depth) if isinstance(content, Mapping | list) else []
    if found or depth:
        return found
    return _data("", content)


def returned(content: Any, depth: int = 0) -> list[Message]:
    """What came out: the messages after the last one of the user, or a text; else the value itself as data."""
    if isinstance(content, str):
        return _one("assistant", parts_of(content))
    if messages := listed_messages(content, "assistant"):
        return after_the_question(messages)
    found = _returned_inside(content, depth) if isinstance(content, Mapping | list) else []
    if found or depth:
        return found
    return _data("", content)


def question_text(messages: Iterable[Message]) -> str:
    """The user's last words in them; of something without roles, its first text."""
    listed = list(messages)
    asked = [message.text for message in listed if message.role == "user" and message.text]
    if asked:
        return asked[-1]
    return next((message.text for message in listed if message.role == "" and message.text), "")


def answer_text(messages: Iterable[Message]) -> str:
    """What an answer says: after calls of tools the last words, else the words of all choices."""
    listed = list(messages)
    texts = [message.text for message in listed if message.text and message.role != "tool"]
    tools = {PartKind.TOOL_CALL, PartKind.TOOL_RESULT}
    if any(part.kind in tools for message in listed[:-1] for part in message.parts):
        return texts[-1] if texts else ""
    return "\n".join(texts)


def after_the_question(messages: Sequence[Message]) -> list[Message]:
    """The messages after the last one of the user; all where nobody asked."""
    last = max((place for place, message in enumerate(messages) if message.role in {"user", "system"}), default=-1)
    return list(messages[last + 1 :])


def up_to_the_answer(messages: Sequence[Message]) -> list[Message]:
    """The messages before the answer that ends a conversation."""
    return list(messages[: len(messages) - len(after_the_question(messages))])


def _one(role: str, parts: Sequence[Part]) -> list[Message]:
    return [Message(role, tuple(parts))] if parts else []


def _data(role: str, content: Any) -> list[Message]:
    if content in (None, "", [], {}) or isinstance(content, bool):
        return []
    if isinstance(content, list) and all(item in (None, "", [], {}) for item in content):
        return []
    return [Message(role, (Part(PartKind.DATA, values.dumped(content)),))]


def _is_message(item: Mapping[str, Any]) -> bool:  # noqa: PLR0911  (a line a shape)
    kind = str(item.get("type") or "").lower()
    if isinstance(item.get("message"), Mapping) and (
        set(item) <= {"message", "index", "finish_reason", "logprobs", "role", "event.name", "gen_ai.message.index"}
    ):
        return True
    if isinstance(item.get("role"), str) and (kind == "message" or any(name in item for name in _BODIES)):
        return True
    if kind in _MESSAGE_TYPES and ("content" in item or isinstance(item.get("data"), Mapping)):
        return True
    if isinstance(item.get("event.name"), str):
        return True
    if item.get("kind") in {"request", "response"} and isinstance(item.get("parts"), list):
        return True  # Pydantic AI's own
    if isinstance(prompt := item.get("prompt", item.get("completion")), Mapping) and "text" in prompt:
        return True  # OpenInference's prompts of models that complete a text
    return kind in _ITEM_TYPES or (bool(item.get("lc")) and isinstance(item.get("kwargs"), Mapping))


def _message(item: Mapping[str, Any], default_role: str, depth: int) -> list[Message]:  # noqa: PLR0911  (a line a shape)
    if not _is_message(item) or depth > values.MAX_DEPTH:
        return []
    kind = str(item.get("type") or "").lower()
    if item.get("lc") and isinstance(item.get("kwargs"), Mapping):
        identity = item.get("id")
        name = str(identity[-1]) if isinstance(identity, list) and identity else ""
        role = role_of(name.removesuffix("Chunk").removesuffix("Message") or default_role)
        known = role in {"user", "assistant", "system", "tool"}
        return _message({"role": role, **item["kwargs"], "type": ""}, default_role, depth + 1) if known else []
    if isinstance(item.get("data"), Mapping) and kind in _MESSAGE_TYPES:
        return _message({"role": kind, **item["data"], "type": ""}, default_role, depth + 1)
    inner = item.get("message")
    if isinstance(inner, Mapping) and "content" not in item:
        return _message({"role": item.get("role", default_role), **inner}, default_role, depth + 1) or _one(
            role_of(default_role), parts_of(inner.get("text"))
        )
    if item.get("kind") in {"request", "response"} and isinstance(item.get("parts"), list):
        return _pydantic_messages(item)
    if kind in _ITEM_TYPES:
        return _one("tool" if kind.endswith("_output") else "assistant", parts_of(item))
    if isinstance(prompt := item.get("prompt", item.get("completion")), Mapping) and "role" not in item:
        return _one(default_role or ("user" if "prompt" in item else "assistant"), parts_of(prompt))
    role = role_of(item.get("role") or (kind if kind in _MESSAGE_TYPES else "") or default_role)
    return _one(role, _body_parts(item, role))


def _body_parts(item: Mapping[str, Any], role: str) -> list[Part]:
    """The parts of a message: thinking, then what it says, then the calls that it makes."""
    parts: list[Part] = []
    more = item.get("additional_kwargs")
    extra: Mapping[str, Any] = more if isinstance(more, Mapping) else {}
    for source in (item, extra):
        for name in ("reasoning_content", "reasoning", "thinking", "thinking_blocks"):
            if (thought := source.get(name)) and isinstance(thought, str | list):
                text = thought if isinstance(thought, str) else "\n".join(part.text for part in parts_of(thought))
                parts.append(Part(PartKind.REASONING, text))
                break
    # `parts` come first: Vercel's and Gemini's messages may repeat them as a content.
    body = next((item[name] for name in ("parts", "contents", "content", "blocks", "text") if item.get(name)), None)
    said = parts_of(body)
    if role == "tool" and not any(part.kind is PartKind.TOOL_RESULT for part in said):
        said = tool_result({**item, "content": item.get("content", body), "result": None, "response": None})
    parts += said
    if isinstance(refusal := item.get("refusal"), str) and refusal:
        parts.append(Part(PartKind.TEXT, refusal))
    if isinstance(audio := item.get("audio"), Mapping):
        parts += parts_of({"type": "audio", **audio})
        parts += parts_of(audio.get("transcript"))
    known = {(part.identity, part.name) for part in parts if part.kind is PartKind.TOOL_CALL}
    for call in _calls(item, extra):
        if (call.identity, call.name) not in known:
            parts.append(call)
    return parts


def _calls(item: Mapping[str, Any], extra: Mapping[str, Any]) -> list[Part]:
    for source in (item, extra):
        for name in ("tool_calls", "toolCalls", "tool-calls"):
            calls = source.get(name)
            if isinstance(calls, str):
                calls = values.loaded(calls).content
            if isinstance(calls, list) and calls:
                return [tool_call(call) for call in calls]
        for name in ("function_call", "functionCall"):
            if isinstance(call := source.get(name), Mapping):
                return [tool_call(call)]
        if source.get("function_call_name"):
            named = {"name": source["function_call_name"], "arguments": source.get("function_call_arguments_json")}
            return [tool_call(named)]
    return []


def _pydantic_messages(item: Mapping[str, Any]) -> list[Message]:
    """Pydantic AI's own messages: a request holds the parts of several roles."""
    messages: list[Message] = []
    for part in item["parts"]:
        kind = str(part.get("part_kind") or "") if isinstance(part, Mapping) else ""
        role = {"system-prompt": "system", "tool-return": "tool", "user-prompt": "user"}.get(kind)
        messages += _one(role or role_of(item["kind"]), parts_of(part))
    return messages


def _given_inside(content: Mapping[str, Any] | list[Any], depth: int) -> list[Message]:  # noqa: PLR0911  (a line a shape)
    if depth > 4:
        return []
    if isinstance(content, list):
        if len(content) > values.MAX_ITEMS:
            return []
        texts = [item for item in content if isinstance(item, str) and parts_of(item)]
        if texts:
            return _one("", parts_of(texts[0]))
        if len(content) == 1:
            return given(content[0], depth + 1)
        return []
    first = _instructions(content)
    for name in _LISTS:
        inner = content.get(name)
        if isinstance(inner, str) and inner[:1] in {"[", "{"}:
            inner = values.loaded(inner).content
        if isinstance(inner, list | Mapping) and (messages := listed_messages(inner)):
            return [*first, *messages]
    for name in _QUESTIONS:
        inner = content.get(name)
        if inner is not None and (found := given(inner, depth + 1)):
            user = [Message("user", message.parts) if message.role == "" else message for message in found]
            return [*first, *user] if first else found
    return first if depth == 0 else []


def _instructions(content: Mapping[str, Any]) -> list[Message]:
    """The system's instructions where they stand beside the messages."""
    config = content.get("config")
    for source in (content, config if isinstance(config, Mapping) else {}):
        for name in _INSTRUCTIONS:
            if instructions := source.get(name):
                inner = instructions.get("parts", instructions) if isinstance(instructions, Mapping) else instructions
                parts = [part for part in parts_of(inner) if part.kind is not PartKind.DATA]
                return _one("system", parts)
    return []


def _returned_inside(content: Mapping[str, Any] | list[Any], depth: int) -> list[Message]:
    if depth > 6:
        return []
    if isinstance(content, list):
        if len(content) > values.MAX_ITEMS:
            return []
        if content and all(isinstance(item, str) for item in content):
            return [message for item in content for message in _one("assistant", parts_of(item))]
        return _first_or_all(content, depth)
    for name in _ANSWERS:
        inner = content.get(name)
        if inner is None or isinstance(inner, bool | int | float):
            continue
        found = returned(inner, depth + 1)
        if found:
            extra = [] if name != "output" else _calls(content, {})
            return [*found, *_one("assistant", extra)]
    return _one("assistant", _calls(content, {}))


def _first_or_all(content: list[Any], depth: int) -> list[Message]:
    """Of several answers (choices, candidates, generations) each; of parts, what they say."""
    parts = [part for part in parts_of(content) if part.kind is not PartKind.DATA]
    if parts and all(isinstance(item, Mapping) and str(item.get("type") or "") for item in content):
        return _one("assistant", parts)
    return [message for item in content for message in returned(item, depth + 1)]
