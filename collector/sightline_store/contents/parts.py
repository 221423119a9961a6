"""What people and models wrote, told apart by kind: messages of parts, and passages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PartKind(StrEnum):
    """What a part of a message is."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL_CALL = "tool call"
    TOOL_RESULT = "tool result"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    DATA = "data"
    """JSON of a shape that no convention has."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message."""

    kind: PartKind
    text: str = ""
    """The words; a call's arguments and a result as text or JSON; what a file is called."""
    name: str = ""
    """Of a tool."""
    identity: str = ""
    """Of a call, or of a file that the provider keeps."""
    media_type: str = ""
    """Such as `image/png`; '' where nothing says it."""
    size_bytes: int | None = None
    """Of the media that stand in the message; None where they do not."""
    uri: str = ""
    """Where media are: an address, or a `data:` URI with the media themselves."""


@dataclass(frozen=True, slots=True)
class Message:
    """Who wrote what. Roles are `system`, `user`, `assistant`, `tool`, or '' where nothing says it."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The words, without reasoning, calls and media."""
        return "\n".join(part.text for part in self.parts if part.kind is PartKind.TEXT and part.text.strip())


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage that a search or a reranker returned."""

    identity: str
    title: str
    score: float | None
    content: str
