"""Chunks of frameworks: messages of LangChain with a text or a list of blocks, LangGraph's parts, LlamaIndex's answers.

Sources: https://docs.langchain.com/oss/python/langchain/messages ,
https://docs.langchain.com/oss/python/langgraph/streaming
"""

from typing import Any, Final

from sightline.streaming.response_account import ResponseAccount
from sightline.streaming.usage import member, text_of

OTHER_AUTHORS: Final = frozenset(
    {"human", "system", "tool", "HumanMessageChunk", "SystemMessageChunk", "ToolMessageChunk"}
)
"""``type`` of messages that no model wrote."""
_TEXT_BLOCKS: Final = frozenset({"text", "output_text", "text_delta", "refusal"})
_TOOL_BLOCKS: Final = frozenset(
    {"tool_use", "server_tool_use", "input_json_delta", "tool_call", "tool_call_chunk", "function_call"}
)
_MEDIA_BLOCKS: Final = frozenset({"image", "image_url", "audio", "video", "file"})
GRAPH_MODES: Final = frozenset({"messages", "custom", "values", "updates", "checkpoints", "tasks", "debug"})
"""What a graph of LangGraph streams. All but the first two repeat what the model's messages held."""
_RUN_IDS: Final = ("run-", "lc_run-")
"""What LangChain's own message ids begin with, in place of the provider's."""


def is_message(chunk: object) -> bool:
    """Return whether an object has a ``content``, as the messages of LangChain and others have."""
    return not isinstance(chunk, dict) and hasattr(chunk, "content")


def chunk_of_graph(part: tuple[Any, ...]) -> object:
    """Return the chunk in a part of LangGraph's stream, None where it holds none; any other tuple as it is.

    A part is a message and its metadata; before these, the mode where several were requested; before all, the names of
    the subgraph.
    """
    inner: object = part
    if len(part) > 1 and isinstance(part[0], tuple):
        inner = part[1] if len(part) == 2 else part[1:]
    mode: object = None
    if isinstance(inner, tuple) and len(inner) == 2 and isinstance(inner[0], str) and inner[0] in GRAPH_MODES:
        mode, inner = inner
    if isinstance(inner, tuple) and len(inner) == 2 and is_message(inner[0]) and isinstance(inner[1], dict):
        return inner[0]
    if mode is not None:
        return inner if mode == "custom" else None
    return part if isinstance(inner, tuple) else inner


def read_message(message: object, account: ResponseAccount) -> bool:
    """Read a message chunk; return whether it holds a part of the answer: text, a tool call, an image.

    LangChain's contract: the usage of an answer is the sum over its chunks.
    """
    if member(message, "type") in OTHER_AUTHORS:
        return False
    usage = member(message, "usage_metadata")
    if isinstance(usage, dict):
        account.add_usage(usage)
    details = member(message, "response_metadata")
    if isinstance(details, dict) and details:
        account.identify(details.get("model_name") or details.get("model"))
        account.stop(details.get("finish_reason") or details.get("stop_reason") or details.get("done_reason"))
    message_id = text_of(message, "id")
    if message_id and not message_id.startswith(_RUN_IDS):
        account.identify(None, message_id)
    has_content = read_content(member(message, "content"), account)
    return has_content or bool(member(message, "tool_call_chunks")) or bool(member(message, "tool_calls"))


def read_content(content: object, account: ResponseAccount) -> bool:
    """Read the content of a message, a text or a list of texts and blocks; return whether any of it is the answer.

    Thinking, reasoning, signatures and blocks of an unknown type are not part of the answer.
    """
    if isinstance(content, str):
        return account.add_text(content)
    if not isinstance(content, (list, tuple)):
        return False
    has_content = False
    for block in content:
        if isinstance(block, str):
            has_content |= account.add_text(block)
            continue
        kind = member(block, "type")
        if kind in _TEXT_BLOCKS or (kind is None and text_of(block, "text")):
            has_content |= account.add_text(member(block, "text") or member(block, "refusal"))
        elif kind in _TOOL_BLOCKS or kind in _MEDIA_BLOCKS:
            has_content = True
    return has_content


def read_generation(chunk: object, account: ResponseAccount) -> bool | None:
    """Read LangChain's generations and LlamaIndex's answers; None when the chunk has neither shape."""
    delta = getattr(chunk, "delta", None)
    if hasattr(chunk, "raw") and hasattr(chunk, "delta"):
        return account.add_text(delta)  # LlamaIndex: ``message`` and ``text`` hold everything up to here
    message = getattr(chunk, "message", None)
    if hasattr(chunk, "generation_info"):
        return account.add_text(getattr(chunk, "text", None)) if message is None else read_message(message, account)
    return None
