"""What a streamed chunk carries, told by its shape: no client library is imported.

Understood: text and bytes; chunks and dictionaries in the shape of OpenAI's chat completions and legacy
completions; events in the shape of OpenAI's Responses and Anthropic's Messages; message chunks with a
``content``, as LangChain's. Anything else that is not None counts as content.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming ,
https://platform.openai.com/docs/api-reference/responses-streaming ,
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from typing import Any

from sightline import semconv


class ChunkReader:
    """Reads the chunks of one stream; remembers usage, model, id and finish reasons."""

    __slots__ = ("_completion_type", "_finish_reasons", "_id", "_model", "_usage", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        """Text of the last chunk that was content."""
        self._completion_type: type | None = None
        self._usage: object = None
        self._model: str | None = None
        self._id: str | None = None
        self._finish_reasons: list[str] = []

    def is_content(self, chunk: object) -> bool:  # noqa: PLR0911  one return a shape reads best
        """Return whether the chunk carries content for the user, not only a role, usage or framing."""
        self.text = None
        if type(chunk) is self._completion_type:
            return self._completion(chunk, chunk.choices)  # type: ignore[attr-defined]
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
            return self._completion(chunk, choices)
        kind = _get(chunk, "type")
        if isinstance(kind, str) and (kind.startswith(("response.", "content_block", "message_")) or kind == "ping"):
            return self._event(chunk, kind)
        if not isinstance(chunk, dict):
            content = getattr(chunk, "content", None)
            if isinstance(content, str):
                self.text = content
                return bool(content) or bool(getattr(chunk, "tool_call_chunks", None))
        return True

    def _completion(self, chunk: object, choices: Any) -> bool:
        usage = _get(chunk, "usage")
        if usage is not None:
            self._usage = usage
        if self._model is None:
            self._model = _text(chunk, "model")
            self._id = _text(chunk, "id")
        found = False
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
                    found = True
            if text:
                found = True
                self.text = text if self.text is None else self.text + text
        return found

    def _event(self, chunk: object, kind: str) -> bool:
        holder = _get(chunk, "response") or _get(chunk, "message") or chunk
        usage = _get(holder, "usage")
        if usage is not None:
            self._usage = usage
        if self._model is None:
            self._model = _text(holder, "model")
        if not kind.endswith("delta") or kind == "message_delta":
            return False
        delta = _get(chunk, "delta")
        if isinstance(delta, str):
            self.text = delta
            return bool(delta)
        self.text = _text(delta, "text")
        return bool(self.text) or bool(_text(delta, "partial_json"))

    def response_attributes(self) -> dict[str, Any]:
        """Return what the chunks told about the response, as span attributes."""
        found: dict[str, Any] = {}
        if self._model:
            found[semconv.GEN_AI_RESPONSE_MODEL] = self._model
        if self._id:
            found[semconv.GEN_AI_RESPONSE_ID] = self._id
        if self._finish_reasons:
            found[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = self._finish_reasons
        found.update(usage_attributes(self._usage))
        return found


def usage_attributes(usage: object) -> dict[str, int]:
    """Return a provider's usage object as span attributes.

    OpenAI's prompt tokens hold the cached ones already; Anthropic's ``input_tokens`` leaves them out, so they
    are added: ``gen_ai.usage.input_tokens`` includes both kinds of cache tokens.
    """
    if usage is None:
        return {}
    found: dict[str, int | None] = {}
    read = _count(usage, "cache_read_input_tokens")
    written = _count(usage, "cache_creation_input_tokens")
    prompt = _count(usage, "prompt_tokens")
    if prompt is None:
        prompt = _count(usage, "input_tokens")
        if prompt is not None:
            prompt += (read or 0) + (written or 0)
    details = _get(usage, "prompt_tokens_details") or _get(usage, "input_tokens_details")
    if read is None:
        read = _count(details, "cached_tokens")
    output = _count(usage, "completion_tokens")
    if output is None:
        output = _count(usage, "output_tokens")
    details = _get(usage, "completion_tokens_details") or _get(usage, "output_tokens_details")
    found[semconv.GEN_AI_USAGE_INPUT_TOKENS] = prompt
    found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] = output
    found[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] = read
    found[semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS] = written
    found[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] = _count(details, "reasoning_tokens")
    return {key: value for key, value in found.items() if value is not None}


def _get(holder: Any, name: str) -> Any:
    # Not Mapping: that check costs more than all the rest of reading a chunk.
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _text(holder: Any, name: str) -> str | None:
    value = _get(holder, name)
    return value if isinstance(value, str) else None


def _count(holder: Any, name: str) -> int | None:
    value = _get(holder, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
