"""What a streamed chunk carries, read from its shape: no client library is imported.

Understood: text and bytes; chunks and dictionaries in the shape of OpenAI's chat completions and legacy
completions (Mistral's too); events of OpenAI's Responses and Anthropic's Messages; message chunks and events of
LangChain and LangGraph; answers of LlamaIndex; chunks of Bedrock, Cohere, Google and Ollama. Of any other dictionary
the text is content (``text``, ``content``, ``delta``, ``token``), unless its ``type`` says that it is reasoning. Any
other object counts as content.

Reasoning and thinking are not part of the answer: they are never the first content.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming ,
https://platform.openai.com/docs/api-reference/responses-streaming ,
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from typing import Any, Final

from sightline.streaming.message_chunks import (
    GRAPH_MODES,
    chunk_of_graph,
    is_message,
    read_content,
    read_generation,
    read_message,
)
from sightline.streaming.provider_chunks import read_bedrock, read_cohere, read_google, read_ollama
from sightline.streaming.response_account import ResponseAccount
from sightline.streaming.usage import count_of, member, text_of, usage_attributes

_FRAMING_EVENTS: Final = frozenset({"ping", "error"})
_REPEATED_EVENTS: Final = ("content.", "refusal.", "tool_calls.", "logprobs.")
"""Events of OpenAI's stream helper that repeat the chunk before them."""
_REPEATED_BLOCK_EVENTS: Final = frozenset({"text", "thinking", "signature", "citation", "input_json"})
"""Events of Anthropic's stream helper that repeat the delta before them, most with a ``snapshot`` of the whole."""
_TEXTLESS_DELTAS: Final = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.code_interpreter_call_code.delta",
        "response.audio.delta",
        "response.output_audio.delta",
        "response.shell_call_command.delta",
    }
)
"""Events of the Responses API that carry content, but no text of the answer."""
_MODEL_EVENTS: Final = frozenset({"on_chat_model_stream", "on_llm_stream"})
"""Events of LangChain's ``astream_events`` that hold a model's chunk; other events repeat it."""
_TEXT_KEYS: Final = ("text", "content", "delta", "token")
"""Where dictionaries of an application's own hold text."""
_REASONING: Final = ("reasoning", "thinking", "thought")


class ChunkReader:
    """Reads the chunks of one stream; remembers usage, model, id and finish reasons."""

    __slots__ = ("_completion_type", "account")

    def __init__(self) -> None:
        self.account = ResponseAccount()
        """What the chunks said about the response."""
        self._completion_type: type | None = None

    @property
    def text(self) -> str | None:
        """Text of the last chunk, where that was content."""
        return self.account.text

    def is_content(self, chunk: object) -> bool:  # noqa: PLR0911  one return a shape reads best
        """Return whether the chunk carries a part of the answer, not only a role, reasoning, usage or framing."""
        self.account.text = None
        if type(chunk) is self._completion_type:
            return self._read_completion(chunk, chunk.choices)  # type: ignore[attr-defined]
        if chunk is None:
            return False
        if isinstance(chunk, str):
            return self.account.add_text(chunk)
        if isinstance(chunk, (bytes, bytearray, memoryview)):
            return len(chunk) > 0
        if isinstance(chunk, tuple):
            chunk = chunk_of_graph(chunk)
            if not isinstance(chunk, tuple):
                return self.is_content(chunk)
        choices = member(chunk, "choices")
        if isinstance(choices, (list, tuple)):
            if not isinstance(chunk, dict):
                self._completion_type = type(chunk)
            return self._read_completion(chunk, choices)
        is_content = self._read_named(chunk)
        if is_content is None:
            is_content = self._read_shaped(chunk)
        if is_content is None:
            # Objects of an application's own are content; of its dictionaries the text is.
            is_content = self._read_dictionary(chunk) if isinstance(chunk, dict) else True
        return is_content

    def _read_named(self, chunk: object) -> bool | None:  # noqa: PLR0911  one return a kind reads best
        """Read a chunk that has the name of its kind; None when the name is not known."""
        kind = member(chunk, "type")
        if isinstance(kind, str):
            if kind.startswith(("response.", "content_block", "message_")) or kind in _FRAMING_EVENTS:
                return self._read_event(chunk, kind)
            if kind == "chunk" and (inner := member(chunk, "chunk")) is not None:
                return self.is_content(inner)  # OpenAI's stream helper: the other events repeat this one's content
            if kind in GRAPH_MODES and isinstance(chunk, dict) and "ns" in chunk:
                return self.is_content(chunk_of_graph((kind, chunk.get("data"))))
            if kind.startswith(_REPEATED_EVENTS) or (
                kind in _REPEATED_BLOCK_EVENTS and (hasattr(chunk, "snapshot") or hasattr(chunk, "signature"))
            ):
                return False
        else:
            kind = member(chunk, "event_type")
        if isinstance(kind, str) and (is_content := read_cohere(chunk, kind, self.account)) is not None:
            return is_content
        event = member(chunk, "event")
        if isinstance(event, str) and event.startswith("on_"):
            return event in _MODEL_EVENTS and self.is_content(member(member(chunk, "data"), "chunk"))
        return None

    def _read_shaped(self, chunk: object) -> bool | None:
        """Read a chunk that is known by its members; None when none of them is known."""
        if is_message(chunk):
            return read_message(chunk, self.account)
        if isinstance(choices := member(data := member(chunk, "data"), "choices"), (list, tuple)):
            return self._read_completion(data, choices)  # Mistral's events
        if isinstance(done := member(chunk, "done"), bool):
            return read_ollama(chunk, done=done, account=self.account)
        candidates = member(chunk, "candidates")
        if isinstance(candidates, (list, tuple)) or hasattr(chunk, "candidates"):
            return read_google(chunk, candidates, self.account)
        if isinstance(chunk, dict):
            return read_bedrock(chunk, self.account, self.is_content)
        return read_generation(chunk, self.account)

    def _read_dictionary(self, chunk: dict[Any, Any]) -> bool:
        kind = chunk.get("type") or chunk.get("event")
        if isinstance(kind, str) and any(word in kind.lower() for word in _REASONING):
            return False
        return any(read_content(chunk.get(key), self.account) for key in _TEXT_KEYS)

    def _read_completion(self, chunk: object, choices: Any) -> bool:
        account = self.account
        usage = member(chunk, "usage")
        if usage is not None:
            account.usage = usage_attributes(usage)
        if account.model is None:
            account.identify(text_of(chunk, "model"), text_of(chunk, "id"))
        error = member(chunk, "error")  # servers that fail in mid-stream report it in a chunk
        if error is not None:
            account.fail(error)
        has_content = False
        for choice in choices or ():  # some servers send null beside the usage
            reason = member(choice, "finish_reason")
            if reason:
                account.stop(reason, count_of(choice, "index") or 0)
            delta = member(choice, "delta")
            if delta is None:
                has_content |= account.add_text(member(choice, "text"))
                continue
            has_content |= (
                read_content(member(delta, "content"), account)
                or bool(member(delta, "tool_calls") or member(delta, "function_call"))
                or bool(text_of(delta, "refusal"))
            )
        return has_content

    def _read_event(self, chunk: object, kind: str) -> bool:
        if kind == "content_block_start":
            return self.account.add_text(member(member(chunk, "content_block"), "text"))
        if not kind.endswith("delta") or kind == "message_delta":
            self._read_framing(chunk, kind)
            return kind.endswith("partial_image")
        if "reasoning" in kind:
            return False  # reasoning is not part of the answer
        delta = member(chunk, "delta")
        if isinstance(delta, str):
            return bool(delta) if kind in _TEXTLESS_DELTAS else self.account.add_text(delta)
        return self.account.add_text(member(delta, "text")) or bool(text_of(delta, "partial_json"))

    def _read_framing(self, chunk: object, kind: str) -> None:
        """Read an event without content: model, id, usage, finish reason, error."""
        account = self.account
        holder = member(chunk, "response") or member(chunk, "message") or chunk
        # Anthropic reports input tokens first and output tokens last, cache tokens in either event.
        account.merge_usage(member(holder, "usage"))
        account.identify(member(holder, "model"), None if holder is chunk else member(holder, "id"))
        if kind == "response.completed":
            account.stop("stop")
        elif kind == "response.incomplete":
            account.stop(text_of(member(holder, "incomplete_details"), "reason") or "incomplete")
        elif kind in ("response.failed", "error"):
            account.fail(member(holder, "error") or chunk)
        elif kind == "message_delta":
            account.stop(text_of(member(chunk, "delta"), "stop_reason"))

    def response_attributes(self) -> dict[str, Any]:
        """Return model, id, finish reasons, usage and error of the response, as span attributes."""
        return self.account.attributes()
