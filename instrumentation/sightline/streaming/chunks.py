"""What a streamed chunk carries, read from its shape: no client library is imported.

Understood: text and bytes; chunks and dictionaries in the shape of OpenAI's chat completions and legacy
completions; events in the shape of OpenAI's Responses and Anthropic's Messages; message chunks with a
``content``, as LangChain's. Anything else that is not None counts as content.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming ,
https://platform.openai.com/docs/api-reference/responses-streaming ,
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from typing import Any, Final

from sightline import semconv

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
_INPUT_KEYS: Final = (
    semconv.GEN_AI_USAGE_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
)


class ChunkReader:
    """Reads the chunks of one stream; remembers usage, model, id and finish reasons."""

    __slots__ = ("_completion_type", "_finish_reasons", "_id", "_model", "_usage", "failure", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        """Text of the last chunk that was content."""
        self._completion_type: type | None = None
        self._usage: dict[str, int] = {}
        self._model: str | None = None
        self._id: str | None = None
        self._finish_reasons: list[str] = []
        self.failure: str | None = None
        """Error code or type that the stream itself reported; None without one."""

    def is_content(self, chunk: object) -> bool:  # noqa: PLR0911  one return a shape reads best
        """Return whether the chunk carries content for the user, not only a role, usage or framing."""
        self.text = None
        if type(chunk) is self._completion_type:
            return self._read_completion(chunk, chunk.choices)  # type: ignore[attr-defined]
        if chunk is None:
            return False
        if isinstance(chunk, str):
            self.text = chunk
            return bool(chunk)
        if isinstance(chunk, (bytes, bytearray, memoryview)):
            return len(chunk) > 0
        choices = _get(chunk, "choices")
        if isinstance(choices, (list, tuple)):
            if not isinstance(chunk, dict):
                self._completion_type = type(chunk)
            return self._read_completion(chunk, choices)
        kind = _get(chunk, "type")
        if isinstance(kind, str):
            if kind.startswith(("response.", "content_block", "message_")) or kind in _FRAMING_EVENTS:
                return self._read_event(chunk, kind)
            if kind == "chunk" and (inner := _get(chunk, "chunk")) is not None:
                return self.is_content(inner)  # OpenAI's stream helper: the other events repeat this one's content
            if kind.startswith(_REPEATED_EVENTS) or (
                kind in _REPEATED_BLOCK_EVENTS and (hasattr(chunk, "snapshot") or hasattr(chunk, "signature"))
            ):
                return False
        if not isinstance(chunk, dict):
            content = getattr(chunk, "content", None)
            if isinstance(content, str):
                self.text = content
                return bool(content) or bool(getattr(chunk, "tool_call_chunks", None))
        return True

    def _read_completion(self, chunk: object, choices: Any) -> bool:
        usage = _get(chunk, "usage")
        if usage is not None:
            self._usage = usage_attributes(usage)
        if self._model is None:
            self._model = _text(chunk, "model")
            self._id = _text(chunk, "id")
        error = _get(chunk, "error")  # servers that fail in mid-stream report it in a chunk
        if error is not None:
            self.failure = _text(error, "code") or _text(error, "type") or "error"
        has_content = False
        for choice in choices:
            reason = _get(choice, "finish_reason")
            if reason and isinstance(reason, str):
                self._finish_reasons.append(reason)
            delta = _get(choice, "delta")
            if delta is None:
                text = _text(choice, "text")
            else:
                text = _get(delta, "content")
                if not isinstance(text, str):
                    text = None
                if not text and (_get(delta, "tool_calls") or _get(delta, "function_call") or _text(delta, "refusal")):
                    has_content = True
            if text:
                has_content = True
                self.text = text if self.text is None else self.text + text
        return has_content

    def _read_event(self, chunk: object, kind: str) -> bool:
        if not kind.endswith("delta") or kind == "message_delta":
            self._read_framing(chunk, kind)
            return kind.endswith("partial_image")
        if "reasoning" in kind:
            return False  # reasoning is not part of the answer
        delta = _get(chunk, "delta")
        if isinstance(delta, str):
            if kind not in _TEXTLESS_DELTAS:
                self.text = delta
            return bool(delta)
        self.text = _text(delta, "text")
        return bool(self.text) or bool(_text(delta, "partial_json"))

    def _read_framing(self, chunk: object, kind: str) -> None:
        """Read an event without content: model, id, usage, finish reason, error."""
        holder = _get(chunk, "response") or _get(chunk, "message") or chunk
        usage = _get(holder, "usage")
        if usage is not None:
            # Anthropic reports input tokens first and output tokens last, cache tokens in either event.
            self._usage = {**self._usage, **_merged_usage(usage, self._usage)}
        if self._model is None:
            self._model = _text(holder, "model")
        if self._id is None and holder is not chunk:
            self._id = _text(holder, "id")
        if kind == "response.completed":
            self._finish_reasons = ["stop"]
        elif kind == "response.incomplete":
            self._finish_reasons = [_text(_get(holder, "incomplete_details"), "reason") or "incomplete"]
        elif kind in ("response.failed", "error"):
            error = _get(holder, "error") or chunk
            self.failure = _text(error, "code") or _text(error, "type") or "error"
        elif kind == "message_delta":
            reason = _text(_get(chunk, "delta"), "stop_reason")
            if reason:
                self._finish_reasons = [reason]

    def response_attributes(self) -> dict[str, Any]:
        """Return model, id, finish reasons, usage and error of the response, as span attributes."""
        attributes: dict[str, Any] = {}
        if self._model:
            attributes[semconv.GEN_AI_RESPONSE_MODEL] = self._model
        if self._id:
            attributes[semconv.GEN_AI_RESPONSE_ID] = self._id
        if self._finish_reasons:
            attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = self._finish_reasons
        attributes.update(self._usage)
        if self.failure is not None:
            attributes[semconv.ERROR_TYPE] = self.failure
        return attributes


def _merged_usage(usage: object, before: dict[str, int]) -> dict[str, int]:
    """Return the counts of two usage events; input counts of the earlier one stay where the later one has none."""
    later = usage_attributes(usage)
    if not _count(usage, "input_tokens") and not _count(usage, "prompt_tokens"):
        for key in _INPUT_KEYS:
            if key in before:
                later.pop(key, None)
    return later


def usage_attributes(usage: object) -> dict[str, int]:
    """Return a provider's usage object as span attributes.

    OpenAI's prompt tokens hold the cached ones already; Anthropic's ``input_tokens`` leaves them out, so they
    are added: ``gen_ai.usage.input_tokens`` includes both kinds of cache tokens.
    """
    if usage is None:
        return {}
    counts: dict[str, int | None] = {}
    cache_read = _count(usage, "cache_read_input_tokens")
    cache_written = _count(usage, "cache_creation_input_tokens")
    prompt = _count(usage, "prompt_tokens")
    if prompt is None:
        prompt = _count(usage, "input_tokens")
        if prompt is not None:
            prompt += (cache_read or 0) + (cache_written or 0)
    details = _get(usage, "prompt_tokens_details") or _get(usage, "input_tokens_details")
    if cache_read is None:
        cache_read = _count(details, "cached_tokens")
    output = _count(usage, "completion_tokens")
    if output is None:
        output = _count(usage, "output_tokens")
    details = _get(usage, "completion_tokens_details") or _get(usage, "output_tokens_details")
    counts[semconv.GEN_AI_USAGE_INPUT_TOKENS] = prompt
    counts[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] = output
    counts[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] = cache_read
    counts[semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS] = cache_written
    counts[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] = _count(details, "reasoning_tokens")
    return {key: value for key, value in counts.items() if value is not None}


def _get(holder: Any, name: str) -> Any:
    # Not Mapping: that check costs more than all the rest of reading a chunk.
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _text(holder: Any, name: str) -> str | None:
    value = _get(holder, name)
    return value if isinstance(value, str) else None


def _count(holder: Any, name: str) -> int | None:
    value = _get(holder, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
