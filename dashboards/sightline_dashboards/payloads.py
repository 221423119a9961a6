"""Messages and passages that spans carry as JSON text. Text that does not have the expected form is shown unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INPUT_KEYS = ("gen_ai.input.messages", "sightline.input", "input.value", "gen_ai.prompt")
OUTPUT_KEYS = ("gen_ai.output.messages", "sightline.output", "output.value", "gen_ai.completion")
PASSAGE_KEYS = ("sightline.rerank.documents", "gen_ai.retrieval.documents")


@dataclass(frozen=True)
class Passage:
    """One retrieved passage."""

    identity: str
    title: str
    score: float | None
    content: str


def first_text(attributes: Mapping[str, str], keys: tuple[str, ...]) -> str:
    """Return the first of `keys` that has a value, as text a person can read; '' where none has."""
    value = next((attributes[key] for key in keys if attributes.get(key)), "")
    return messages_text(value)


def messages_text(value: str) -> str:
    """Return GenAI messages (a JSON list of role and parts) as text, each after its role; other text unchanged.

    Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
    """
    messages = _json(value)
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return value
    texts = [(str(message.get("role", "")), _content(message)) for message in messages]
    if len(texts) == 1:
        return texts[0][1]
    return "\n\n".join(f"[{role}]\n{text}" if role else text for role, text in texts)


def passages(attributes: Mapping[str, str]) -> list[Passage]:
    """Return the passages of a search or rerank span, in their order; [] where there are none."""
    value = next((attributes[key] for key in PASSAGE_KEYS if attributes.get(key)), "")
    documents = _json(value)
    if not isinstance(documents, list):
        return []
    return [
        Passage(
            identity=str(document.get("id", "")),
            title=str(document.get("title") or document.get("id") or "untitled"),
            score=_number(document.get("score")),
            content=str(document.get("content") or ""),
        )
        for document in documents
        if isinstance(document, dict)
    ]


def is_cited(passage: Passage, position: int, answer: str) -> bool:
    """Return whether an answer names a passage: by its number in brackets (from 1), its title or its id."""
    if re.search(rf"\[(?:[\d,\s]*\b)?{position}\b[\d,\s]*\]", answer):
        return True
    return any(name and len(name) > 3 and name in answer for name in (passage.title, passage.identity))


def _content(message: Mapping[str, Any]) -> str:
    parts = message.get("parts")
    if isinstance(parts, list):
        return "\n".join(
            str(part.get("content", part.get("response", json.dumps(part, ensure_ascii=False))))
            if isinstance(part, dict)
            else str(part)
            for part in parts
        )
    content = message.get("content", "")
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
