"""Chunks of providers with a shape of their own: Bedrock's converse, Cohere, Google, Ollama.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html ,
https://docs.cohere.com/v2/docs/streaming , https://ai.google.dev/api/generate-content ,
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

import json
from collections.abc import Callable
from typing import Any, Final

from sightline.streaming.message_chunks import read_content
from sightline.streaming.response_account import ResponseAccount
from sightline.streaming.usage import member, text_of

_BEDROCK_EVENTS: Final = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_COHERE_TOOL_EVENTS: Final = frozenset(
    {"tool-call-start", "tool-call-delta", "tool-calls-generation", "tool-calls-chunk"}
)
_COHERE_EVENTS: Final = _COHERE_TOOL_EVENTS | {
    "message-start",
    "content-start",
    "content-delta",
    "content-end",
    "tool-plan-delta",
    "tool-call-end",
    "citation-start",
    "citation-end",
    "message-end",
    "stream-start",
    "stream-end",
    "text-generation",
    "search-queries-generation",
    "search-results",
    "citation-generation",
}


def read_bedrock(chunk: dict[Any, Any], account: ResponseAccount, read: Callable[[object], bool]) -> bool | None:
    """Read an event of Bedrock's ``converse_stream`` or ``invoke_model_with_response_stream``; None when it is none.

    Args:
        chunk: a dictionary with one entry, the event by its name.
        account: of the response.
        read: reads the provider's own event inside of a chunk of bytes.
    """
    if len(chunk) != 1:
        return None
    ((name, event),) = chunk.items()
    if not isinstance(event, dict):
        return None
    if name == "contentBlockDelta":
        delta = event.get("delta")
        return account.add_text(member(delta, "text")) or bool(member(member(delta, "toolUse"), "input"))
    if name == "messageStop":
        account.stop(event.get("stopReason"))
    elif name == "metadata":
        account.merge_usage(event.get("usage"))
    elif name == "chunk" and isinstance(event.get("bytes"), bytes):
        return read(json.loads(event["bytes"]))
    elif isinstance(name, str) and name.endswith("Exception"):
        account.fail(name)
    elif name not in _BEDROCK_EVENTS:
        return None
    return False


def read_cohere(chunk: object, kind: str, account: ResponseAccount) -> bool | None:
    """Read an event of Cohere's chat, version 2 (``type``) or 1 (``event_type``); None when it is none."""
    if kind not in _COHERE_EVENTS:
        return None
    if kind in _COHERE_TOOL_EVENTS:
        return True
    delta = member(chunk, "delta")
    if kind in ("content-start", "content-delta"):
        return account.add_text(member(member(member(delta, "message"), "content"), "text"))
    if kind == "text-generation":
        return account.add_text(member(chunk, "text"))
    if kind in ("message-start", "stream-start"):
        account.identify(None, text_of(chunk, "id") or text_of(chunk, "generation_id"))
    elif kind == "message-end":
        account.stop(member(delta, "finish_reason"))
        account.merge_usage(member(delta, "usage"))
        if member(delta, "error"):
            account.fail(member(delta, "error"))
    elif kind == "stream-end":
        account.stop(member(chunk, "finish_reason"))
        account.merge_usage(member(member(chunk, "response"), "meta"))
    return False


def read_google(chunk: object, candidates: Any, account: ResponseAccount) -> bool:
    """Read a response of Google's ``generate_content_stream``; its counts are those up to here, not of the chunk."""
    account.merge_usage(member(chunk, "usage_metadata") or member(chunk, "usageMetadata"))
    account.identify(
        text_of(chunk, "model_version") or text_of(chunk, "modelVersion"),
        text_of(chunk, "response_id") or text_of(chunk, "responseId"),
    )
    has_content = False
    for candidate in candidates or ():
        reason = member(candidate, "finish_reason") or member(candidate, "finishReason")
        account.stop(getattr(reason, "value", reason))
        for part in member(member(candidate, "content"), "parts") or ():
            if member(part, "thought") is True:
                continue
            has_content |= account.add_text(member(part, "text"))
            has_content |= any(
                member(part, name) for name in ("function_call", "functionCall", "inline_data", "inlineData")
            )
    return has_content


def read_ollama(chunk: object, *, done: bool, account: ResponseAccount) -> bool:
    """Read a chunk of Ollama's chat (``message``) or generate (``response``)."""
    account.identify(member(chunk, "model"))
    if done:
        account.stop(member(chunk, "done_reason"))
        account.merge_usage(chunk)
    message = member(chunk, "message")
    if message is None:
        return account.add_text(member(chunk, "response"))
    return read_content(member(message, "content"), account) or bool(member(message, "tool_calls"))
