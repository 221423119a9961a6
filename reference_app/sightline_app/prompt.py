"""From found passages to the messages that the model gets, and from a follow-up to a question that stands alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sightline_app.analysis import terms
from sightline_app.retriever import Hit

Message = Mapping[str, str]
"""``{"role": "system" | "user" | "assistant", "content": text}``."""

SYSTEM = (
    "You answer questions from numbered passages of documentation. "
    "Use only what the passages say and cite them like [1]. "
    "If they do not hold the answer, say that you don't know."
)
"""The system prompt."""

MAX_HISTORY_MESSAGES = 6
"""Earlier messages that are passed on to the model."""

MAX_PASSAGE_CHARS = 1600
"""Longest passage in a prompt, in characters."""

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


def build(question: str, hits: Sequence[Hit], history: Sequence[Message]) -> list[dict[str, str]]:
    """Return the messages for the model: system, recent history, then passages and question.

    Args:
        question: as the user asked it.
        hits: passages, best first; numbered from 1 in this order.
        history: earlier messages, oldest first.
    """
    passages = "\n\n".join(
        f"[{number}] {hit.title}\n{hit.text[:MAX_PASSAGE_CHARS]}" for number, hit in enumerate(hits, start=1)
    )
    recent = [{"role": each["role"], "content": each["content"]} for each in history[-MAX_HISTORY_MESSAGES:]]
    asked = f"Passages:\n\n{passages or '(none were found)'}\n\nQuestion: {question}"
    return [{"role": "system", "content": SYSTEM}, *recent, {"role": "user", "content": asked}]
