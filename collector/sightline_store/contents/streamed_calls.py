"""Calls of tools that stand in the chunks of a stream only: MLflow leaves them out of the answer it puts together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sightline_store.contents import values
from sightline_store.contents.part_shapes import tool_call
from sightline_store.contents.parts import Message, Part
from sightline_store.conventions import contents


def read(events: Iterable[tuple[str, Mapping[str, str]]]) -> list[Message]:
    """The model's message with all calls that the events of a span hold, each put together from its pieces.

    Args:
        events: name and attributes; those with a chunk of OpenAI's chat are read.
    """
    calls: dict[str, Part] = {}
    for _, attributes in events:
        chunk = values.loaded(attributes.get(contents.STREAM_CHUNK, "")).content
        for choice in _members(chunk, "choices"):
            for delta in _members(choice.get("delta"), "tool_calls"):
                piece, key = tool_call(delta), f"{choice.get('index')} {delta.get('index')}"
                call = calls.setdefault(key, replace(piece, text=""))
                calls[key] = replace(
                    call,
                    text=call.text + piece.text,
                    name=call.name or piece.name,
                    identity=call.identity or piece.identity,
                )
    return [Message("assistant", tuple(calls.values()))] if calls else []


def _members(value: Any, name: str) -> list[Mapping[str, Any]]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
