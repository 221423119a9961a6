"""Parts of messages in every shape that providers and instrumentations give them: text, thinking, tools, media.

Sources: the message schemas of OpenTelemetry's GenAI conventions, OpenAI's Chat Completions and Responses, Anthropic's
Messages, Bedrock's Converse, Gemini's Contents, the Vercel AI SDK, LangChain, LlamaIndex, Pydantic AI, OpenInference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sightline_store.contents import values
from sightline_store.contents.parts import Part, PartKind

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w=.+-]+)*?)(;base64)?,")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{64}")
_URL_START = re.compile(r"[a-z][a-z0-9+.-]{1,10}:", re.IGNORECASE)

_TEXTS = frozenset(
    [
        "text",
        "output_text",
        "input_text",
        "user_prompt",
        "system_prompt",
        "retry_prompt",
        "refusal",
        "system",
        "instruction",
        "summary_text",
    ]
)
_REASONING = frozenset(
    ["reasoning", "thinking", "reasoning_content", "redacted_thinking", "reasoning_text", "reasoningcontent"]
)
_CALLS = frozenset(
    [
        "tool_call",
        "tool_use",
        "function_call",
        "function",
        "tool_call_request",
        "server_tool_use",
        "mcp_call",
        "builtin_tool_call",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "custom_tool_call",
        "toolcall",
    ]
)
_RESULTS = frozenset(
    [
        "tool_call_response",
        "tool_result",
        "tool_return",
        "function_call_output",
        "function_response",
        "tool_response",
        "web_search_tool_result",
        "custom_tool_call_output",
        "builtin_tool_return",
        "mcp_tool_result",
        "computer_call_output",
    ]
)
_MEDIA = {
    "image": PartKind.IMAGE,
    "image_url": PartKind.IMAGE,
    "input_image": PartKind.IMAGE,
    "image_file": PartKind.IMAGE,
    "image_generation_call": PartKind.IMAGE,
    "audio": PartKind.AUDIO,
    "input_audio": PartKind.AUDIO,
    "output_audio": PartKind.AUDIO,
    "audio_url": PartKind.AUDIO,
    "video": PartKind.VIDEO,
    "video_url": PartKind.VIDEO,
    "file": PartKind.FILE,
    "input_file": PartKind.FILE,
    "document": PartKind.FILE,
    "document_url": PartKind.FILE,
    "blob": PartKind.FILE,
    "uri": PartKind.FILE,
    "media": PartKind.FILE,
    "binary": PartKind.FILE,
}
_LISTED_TYPES = _TEXTS | _REASONING | _CALLS | _RESULTS | _MEDIA.keys()


def parts_of(content: Any, depth: int = 0) -> list[Part]:
    """The parts that the content of a message holds: a text, a part, or a list of them."""
    if content is None or content in ("", [], {}):
        return []
    if depth > values.MAX_DEPTH or (isinstance(content, list | tuple) and len(content) > values.MAX_ITEMS):
        return [Part(PartKind.DATA, values.dumped(content))]
    if isinstance(content, str):
        return _text_parts(content)
    if isinstance(content, list | tuple):
        return [part for item in content for part in parts_of(item, depth + 1)]
    if isinstance(content, Mapping):
        return _parts_of_object(content, depth)
    return [Part(PartKind.DATA, values.dumped(content))]


def tool_call(call: Any) -> Part:
    """A call of a tool, in whichever shape."""
    if not isinstance(call, Mapping):
        return Part(PartKind.TOOL_CALL, values.dumped(call))
    if isinstance(inner := call.get("tool_call"), Mapping):
        return tool_call(inner)
    function = call.get("function")
    inner = function if isinstance(function, Mapping) else call
    arguments = _first(
        inner, "arguments", "input", "args", "tool_input", "parameters", "arguments_json", "query", "code"
    )
    name = _first(inner, "name", "toolName", "tool_name") or (function if isinstance(function, str) else "")
    return Part(
        PartKind.TOOL_CALL,
        "" if arguments is None else _argument_text(arguments),
        name=str(name or ""),
        identity=str(_first(call, "id", "call_id", "toolCallId", "tool_call_id", "toolUseId") or ""),
    )


def tool_result(result: Mapping[str, Any]) -> list[Part]:
    """What a tool gave back: its words as one part, its media as others."""
    content = _first(result, "response", "result", "content", "output", "returnValue", "tools")
    if isinstance(content, Mapping) and content.get("type") in {"text", "json", "content"} and "value" in content:
        content = content["value"]  # the Vercel AI SDK, from version 5 on
    parts = parts_of(content) if _is_parts(content) else [Part(PartKind.TEXT, values.dumped(content))]
    texts = [part.text for part in parts if part.kind in {PartKind.TEXT, PartKind.DATA}]
    media = [part for part in parts if part.kind not in {PartKind.TEXT, PartKind.DATA}]
    words = Part(
        PartKind.TOOL_RESULT,
        "" if content is None else "\n".join(texts),
        name=str(_first(result, "name", "toolName", "tool_name") or ""),
        identity=str(_first(result, "id", "tool_call_id", "call_id", "toolCallId", "tool_use_id", "toolUseId") or ""),
    )
    return [words, *media]


def media(kind: PartKind, source: str, media_type: str = "", *, name: str = "") -> Part:
    """An image, a sound or a file: an address, a `data:` URI or its bytes in base64."""
    uri, identity = "", ""
    size: int | None = None
    if match := _DATA_URI.match(source):
        media_type = media_type or (match[1] or "")
        uri, payload = source, len(source) - match.end()
        size = payload - payload // 4 - source[-2:].count("=") if match[3] else payload
    elif _BASE64.match(source) and not _URL_START.match(source):
        size = len(source) - len(source) // 4 - source[-2:].count("=")
        uri = f"data:{media_type or 'application/octet-stream'};base64,{source}"
    elif _URL_START.match(source) or source.startswith("/"):
        uri = source
    else:
        identity = source
    kinds = {"image": PartKind.IMAGE, "audio": PartKind.AUDIO, "video": PartKind.VIDEO}
    kind = kinds.get(media_type.split("/")[0], kind) if kind is PartKind.FILE else kind
    return Part(kind, name, identity=identity, media_type=media_type, size_bytes=size, uri=uri)


def _text_parts(text: str) -> list[Part]:
    if values.is_nothing(text):
        return []
    if _DATA_URI.match(text):
        return [media(PartKind.FILE, text)]
    # An attribute holds a list of parts as JSON where another has a text.
    if text.startswith("[{"):
        listed = values.loaded(text).content
        if _is_parts(listed):
            return parts_of(listed, 1)
    return [Part(PartKind.TEXT, text)]


def _is_parts(content: Any) -> bool:
    """Whether something is a list of parts, and not data that a person asked or answered with."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(item, Mapping) and _looks_like_part(item) for item in content)
    )


def _looks_like_part(item: Mapping[str, Any]) -> bool:
    kind = _kind_name(item)
    return kind in _LISTED_TYPES or (not kind and set(item) <= {"text", "toolUse", "toolResult", "image", "cachePoint"})


def _kind_name(item: Mapping[str, Any]) -> str:
    kind = _first(item, "type", "part_kind", "block_type", "kind")
    return str(kind or "").lower().replace("-", "_")


def _parts_of_object(item: Mapping[str, Any], depth: int) -> list[Part]:  # noqa: PLR0911  (a line a shape)
    for wrapper in ("message_content", "tool_call"):
        if isinstance(inner := item.get(wrapper), Mapping):
            return parts_of(inner, depth + 1) if wrapper == "message_content" else [tool_call(inner)]
    kind = _kind_name(item)
    if kind in _CALLS and not isinstance(item.get("content"), list):
        return [tool_call(item), *_output_of_call(item)]
    if kind in _RESULTS:
        return tool_result(item)
    if kind in _REASONING:
        return _reasoning(item)
    if kind in _MEDIA:
        return [_media_of(item, _MEDIA[kind])]
    if kind in _TEXTS or not kind:
        if (parts := _converse_or_gemini(item)) is not None:
            return parts
        for name in ("text", "content", "refusal", "value"):
            if item.get(name) not in (None, "", [], {}):
                text = item[name]
                return [Part(PartKind.TEXT, text)] if _is_words(text) else _within(text, kind, depth)
        if any(name in item for name in ("text", "content")):
            return []
    elif item.get("content") not in (None, "", [], {}) and isinstance(item["content"], str | list):
        return parts_of(item["content"], depth + 1)
    return [Part(PartKind.DATA, values.dumped(item))]


def _is_words(text: Any) -> bool:
    return isinstance(text, str) and not values.is_nothing(text) and not _DATA_URI.match(text)


def _within(content: Any, kind: str, depth: int) -> list[Part]:
    """A text that stands in an object of its own, such as OpenAI's {"text": {"value": …}}; data is no text."""
    if isinstance(content, Mapping) and isinstance(content.get("value"), str):
        return parts_of(content["value"], depth + 1)
    return parts_of(content, depth + 1)


def _reasoning(item: Mapping[str, Any]) -> list[Part]:
    content = _first(item, "thinking", "content", "text", "reasoning", "summary", "reasoning_content")
    if isinstance(content, list):
        content = "\n".join(part.text for part in parts_of(content) if part.text)
    if not content:
        hidden = _first(item, "data", "encrypted_content", "signature")
        return [Part(PartKind.REASONING, "(not readable: the provider encrypted it)")] if hidden else []
    return [Part(PartKind.REASONING, values.dumped(content))]


def _output_of_call(item: Mapping[str, Any]) -> list[Part]:
    """What a tool of the provider's own gave back: it stands beside the call."""
    output = _first(item, "output", "results")
    if output is None or ("name" in item and "server_label" not in item):
        return []
    return [Part(PartKind.TOOL_RESULT, values.dumped(output), name=str(item.get("name") or ""))]


def _converse_or_gemini(item: Mapping[str, Any]) -> list[Part] | None:  # noqa: PLR0911  (a line a shape)
    """Bedrock's and Gemini's parts, whose kind is the name of their only member; None where it is none of those."""
    for name in ("toolUse", "functionCall", "function_call"):
        if isinstance(item.get(name), Mapping):
            return [tool_call(item[name])]
    for name in ("toolResult", "functionResponse", "function_response"):
        if isinstance(item.get(name), Mapping):
            return tool_result(item[name])
    if isinstance(reasoning := item.get("reasoningContent"), Mapping):
        inner = reasoning.get("reasoningText")
        return _reasoning(inner if isinstance(inner, Mapping) else reasoning)
    if item.get("thought") is True and isinstance(item.get("text"), str):
        return [Part(PartKind.REASONING, item["text"])]
    for name in ("inlineData", "inline_data", "fileData", "file_data"):
        if isinstance(inner := item.get(name), Mapping):
            return [_media_of(inner, PartKind.FILE)]
    for name, kind in (("image", PartKind.IMAGE), ("document", PartKind.FILE), ("video", PartKind.VIDEO)):
        if isinstance(inner := item.get(name), Mapping) and ("source" in inner or "image" in inner):
            return [_media_of(inner, kind)]
    return None


def _media_of(item: Mapping[str, Any], kind: PartKind) -> Part:
    """A part with media: where they are, or the media themselves, is some members deep."""
    media_type = str(_deep(item, "mime_type", "media_type", "mimeType", "mediaType", "image_mimetype") or "")
    form = _deep(item, "format")
    if not media_type and isinstance(form, str) and "/" not in form and kind is not PartKind.FILE:
        media_type = f"{kind.value}/{form}"
    modality = str(item.get("modality") or "")
    kind = {"image": PartKind.IMAGE, "audio": PartKind.AUDIO, "video": PartKind.VIDEO}.get(modality, kind)
    names = (
        "url", "uri", "fileUri", "file_uri", "image_url", "data", "bytes", "file_data", "base64", "content", "image",
        "image_base64", "audio", "result", "file_id", "id",
    )  # fmt: skip
    source = _deep(item, *names)
    title = str(_deep(item, "filename", "title", "name") or "")
    if kind is PartKind.FILE and isinstance(_deep(item, "text"), str) and not source:
        return Part(PartKind.FILE, str(_deep(item, "text")), name=title, media_type=media_type or "text/plain")
    if isinstance(source, str) and kind is PartKind.FILE and media_type == "text/plain" and " " in source:
        return Part(PartKind.FILE, source, name=title, media_type=media_type)
    return media(kind, source if isinstance(source, str) else "", media_type, name=title)


def _deep(item: Mapping[str, Any], *names: str, depth: int = 0) -> Any:
    """The first of some members that is a text, in an object or in the objects inside it."""
    for name in names:
        if isinstance(item.get(name), str) and item[name]:
            return item[name]
    if depth < 3:
        for inner in item.values():
            if isinstance(inner, Mapping) and (found := _deep(inner, *names, depth=depth + 1)):
                return found
    return None


def _argument_text(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    return values.dumped(arguments)


def _first(item: Mapping[str, Any], *names: str) -> Any:
    """The first of some members that has a value."""
    return next((item[name] for name in names if item.get(name) is not None), None)
