"""From found passages to the messages that the model gets, and from a follow-up to a question that stands alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sightline_app.analysis import related, sentences, terms
from sightline_app.retriever import Hit

Message = Mapping[str, str]
"""``{"role": "system" | "user" | "assistant", "content": text}``."""

SYSTEM = (
    "You answer questions from numbered passages of documentation. "
    "Use only what the passages say. Answer in at most three sentences and cite the passages like [1]. "
    "If they do not hold the answer, say that you don't know."
)
"""The system prompt: always the same and always first, so that a model server keeps it in its prefix cache."""

STOP = ("\nQuestion:",)
"""Where an answer ends: small models go on with a question of their own."""

MAX_HISTORY_MESSAGES = 6
"""Earlier messages that are passed on to the model."""

MAX_PASSAGE_CHARS = 1600
"""Longest passage that a span records, in characters; see `excerpt` for those of a prompt."""

_FOLLOW_UP = re.compile(
    r"^\W*(?:and|but|or|also|then|so|what about|how about|what if|why|same|instead|now)\b"
    r"|\b(?:it|its|that|those|these|this|them|they|one|instead|as well|too|the same|the other|the former|the latter)\b",
    re.IGNORECASE,
)


def stand_alone(question: str, history: Sequence[Message]) -> str:
    """Return a question that can be searched for without its conversation.

    A follow-up (few words of its own, or words that point back) gets the user's previous question in front.

    Args:
        question: the newest one.
        history: earlier messages, oldest first.
    """
    earlier = [message["content"] for message in history if message["role"] == "user" and message["content"].strip()]
    if not earlier:
        return question
    own = terms(question)
    points_back = _FOLLOW_UP.search(question) is not None
    if len(own) <= 2 or (points_back and len(own) <= 8):
        return f"{question} {earlier[-1]}"
    return question


def excerpts(question: str, hits: Sequence[Hit], max_chars: int) -> list[Hit]:
    """Return the passages, each cut to what matters for the question; a small model reads few tokens a second."""
    return [replace(hit, text=excerpt(question, hit.text, max_chars)) for hit in hits]


def excerpt(question: str, text: str, max_chars: int) -> str:
    """Return a text of at most `max_chars`: its first sentence, then those that share most words with the question.

    The sentences keep their order. A text that is short enough stays as it is.
    """
    if len(text) <= max_chars:
        return text
    asked = {term for stem, others in related(question).items() for term in (stem, *others)}
    found = sentences(text)
    matches = [len(asked.intersection(terms(sentence))) for sentence in found]
    by_match = sorted(range(1, len(found)), key=lambda place: (-matches[place], place))
    kept, room = [0], max_chars - len(found[0])
    for place in by_match:
        if matches[place] and len(found[place]) < room:
            kept.append(place)
            room -= len(found[place]) + 1
    return " ".join(found[place] for place in sorted(kept))[:max_chars]


def build(question: str, hits: Sequence[Hit], history: Sequence[Message]) -> list[dict[str, str]]:
    """Return the messages for the model: system, recent history, then passages and question.

    Args:
        question: as the user asked it.
        hits: passages, best first; numbered from 1 in this order.
        history: earlier messages, oldest first.
    """
    passages = "\n\n".join(f"[{number}] {hit.title}\n{hit.text}" for number, hit in enumerate(hits, start=1))
    recent = [{"role": each["role"], "content": each["content"]} for each in history[-MAX_HISTORY_MESSAGES:]]
    asked = f"Passages:\n\n{passages or '(none were found)'}\n\nQuestion: {question}"
    return [{"role": "system", "content": SYSTEM}, *recent, {"role": "user", "content": asked}]


def version() -> str:
    """Return 12 hexadecimal digits that change with the prompt's wording and form."""
    sample = Hit("id", "title", "text", [], "module", "2026-01-01", 1.0)
    shapes = [build("question", hits, [{"role": "user", "content": "earlier"}]) for hits in ([], [sample, sample])]
    return hashlib.sha256(json.dumps([shapes, STOP]).encode()).hexdigest()[:12]
