"""What the chunks of one stream say about the response: model, id, why it stopped, usage, an error."""

from typing import Any

from sightline import semconv
from sightline.streaming.usage import added_usage, merged_usage, text_of


class ResponseAccount:
    """Filled chunk by chunk; ``attributes`` are those of the span."""

    __slots__ = ("failure", "finish_reasons", "id", "model", "text", "usage")

    def __init__(self) -> None:
        self.text: str | None = None
        """Text of the last chunk that was content."""
        self.usage: dict[str, int] = {}
        """Token counts, as span attributes."""
        self.model: str | None = None
        """Model that answered."""
        self.id: str | None = None
        """Id of the response."""
        self.finish_reasons: dict[int, str] = {}
        """Why the model stopped, by the index of the choice."""
        self.failure: str | None = None
        """Error code or type that the stream itself reported; None without one."""

    def identify(self, model: object, response_id: object = None) -> None:
        """Keep model and id, the first of each."""
        if self.model is None and isinstance(model, str):
            self.model = model
        if self.id is None and isinstance(response_id, str):
            self.id = response_id

    def stop(self, reason: object, choice: int = 0) -> None:
        """Keep why the model stopped, in place of what was there."""
        if isinstance(reason, str) and reason:
            self.finish_reasons[choice] = reason

    def fail(self, error: object) -> None:
        """Keep the code or type of an error that the stream reported."""
        self.failure = error if isinstance(error, str) else text_of(error, "code") or text_of(error, "type") or "error"

    def merge_usage(self, usage: object) -> None:
        """Take the counts of a usage event; those of a later event replace those of an earlier one."""
        if usage is not None:
            self.usage = merged_usage(self.usage, usage)

    def add_usage(self, usage: object) -> None:
        """Add the counts of a chunk that holds a part of the usage."""
        if usage is not None:
            self.usage = added_usage(self.usage, usage)

    def add_text(self, text: object) -> bool:
        """Add a text of the answer to that of this chunk; False when there is none."""
        if not isinstance(text, str) or not text:
            return False
        self.text = text if self.text is None else self.text + text
        return True

    def attributes(self) -> dict[str, Any]:
        """Return model, id, finish reasons, usage and error of the response, as span attributes."""
        attributes: dict[str, Any] = {}
        if self.model:
            attributes[semconv.GEN_AI_RESPONSE_MODEL] = self.model
        if self.id:
            attributes[semconv.GEN_AI_RESPONSE_ID] = self.id
        if self.finish_reasons:
            attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] = [
                reason for _, reason in sorted(self.finish_reasons.items())
            ]
        attributes.update(self.usage)
        if self.failure is not None:
            attributes[semconv.ERROR_TYPE] = self.failure
        return attributes
