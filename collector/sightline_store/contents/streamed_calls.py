"""Calls of tools that stand in the chunks of a stream only: MLflow leaves them out of the answer it puts together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sightline_store.contents import values
from sightline_store.contents.parts import Message, Part, PartKind
from sightline_store.conventions import contents


def read(events: Iterable[tuple[str, Mapping[str, str]]]) -> list[Message]:
    """The model's message with all calls that the events of a span hold, each put together from its pieces.

    Args:
        events: name and attributes; those with a chunk of OpenAI's chat are read.
    """
    calls: dict[Any, dict[str, str]] = {}
    for _, attributes in events:
        chunk = values.loaded(attributes.get(contents.STREAM_CHUNK, "")).content
        for choice in _members(chunk, "choices"):
            for piece in _members(choice.get("delta"), "tool_calls"):
                function = piece.get("function")
                said = {"id": piece.get("id"), **(function if isinstance(function, Mapping) else {})}
                call = calls.setdefault(piece.get("index"), {})
                for name in ("id", "name", "arguments"):
                    call[name] = call.get(name, "") + (said.get(name) or "")
    parts = tuple(Part(PartKind.TOOL_CALL, call["arguments"], call["name"], call["id"]) for call in calls.values())
    return [Message("assistant", parts)] if parts else []


def _members(value: Any, name: str) -> list[Mapping[str, Any]]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
