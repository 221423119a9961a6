"""Turns of a conversation, and what of them goes into a prompt. Pure: no clock, no server.

A turn is one question and its answer. Numbers rise from 1 in the order in which the questions came. A number may stay
without a turn: its question was refused, or its process ended before the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sightline_app.prompt import Message
from sightline_app.state.token_estimate import estimate_tokens

Ending = Literal["complete", "partial", "failed"]
"""`partial`: the client left; `failed`: the model or the app broke off. Both keep what was said until then."""

_CUT_NOTE = " [this answer was cut off here]"
_SUMMARY_HEAD = "Summary of the earlier conversation:"
_MAX_LINE_CHARS = 240
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    question: str
    answer: str
    ending: Ending = "complete"
    trace_id: str = ""

    def as_json(self) -> str:
        """Return the turn as ASCII text."""
        return json.dumps({"q": self.question, "a": self.answer, "e": self.ending, "t": self.trace_id})

    @classmethod
    def from_json(cls, text: str) -> Turn:
        """Read a turn."""
        fields = json.loads(text)
        return cls(fields["q"], fields["a"], fields["e"], fields["t"])

    @property
    def said(self) -> str:
        """The answer, marked if it is not whole."""
        return self.answer if self.ending == "complete" else self.answer + _CUT_NOTE

    @property
    def tokens(self) -> int:
        """Tokens of question and answer, by estimate."""
        return estimate_tokens(self.question) + estimate_tokens(self.said)


@dataclass(frozen=True)
class Conversation:
    """What is kept of a session."""

    last: int = 0
    """Highest number given to a turn."""
    folded: int = 0
    """Turns up to this number are in the summary only."""
    summary: str = ""
    turns: Mapping[int, Turn] = field(default_factory=dict)
    """Finished turns by number."""
    waiting: Mapping[int, int] = field(default_factory=dict)
    """Turns without an answer yet: when they began, in milliseconds of the server's clock."""

    @property
    def size_bytes(self) -> int:
        """Size of the finished turns."""
        return sum(len(turn.as_json()) for turn in self.turns.values())


@dataclass(frozen=True)
class Folding:
    """Turns that go into the summary."""

    after: int
    """The summary so far holds the turns up to this number."""
    up_to: int
    present: str
    """For each number after `after` up to `up_to`: 1 if its turn is finished, else 0."""
    summary: str


def history(conversation: Conversation, history_tokens: int, summary_tokens: int, max_messages: int) -> list[Message]:
    """Return the messages for a prompt, oldest first.

    The newest turns come word for word, whole and as many as the tokens and messages allow; one message before them
    summarises all others.

    Args:
        conversation: what is kept.
        history_tokens: bound of the turns that come word for word.
        summary_tokens: bound of the summary.
        max_messages: bound of all messages.
    """
    numbers = sorted(conversation.turns)
    chosen: list[int] = []
    left = history_tokens
    for number in reversed(numbers):
        left -= conversation.turns[number].tokens
        if left < 0 or 2 * len(chosen) + 2 > max_messages - 1:
            break
        chosen.insert(0, number)
    older = [conversation.turns[number] for number in numbers if number not in chosen]
    summary = summarise(conversation.summary, older, summary_tokens)
    messages: list[Message] = [{"role": "assistant", "content": f"{_SUMMARY_HEAD}\n{summary}"}] if summary else []
    for number in chosen:
        turn = conversation.turns[number]
        messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.said}]
    return messages


def summarise(summary: str, turns: Sequence[Turn], max_tokens: int) -> str:
    """Return a summary with more turns in it; of everything, the newest lines that fit.

    It is an extract, one line a turn: the question and the first sentence of its answer. No model is asked.

    Args:
        summary: of the turns before; may be empty.
        turns: oldest first.
        max_tokens: bound of the summary.
    """
    lines = [*summary.splitlines(), *(_line(turn) for turn in turns)]
    kept: list[str] = []
    for line in reversed(lines):
        max_tokens -= estimate_tokens(line) + 1
        if max_tokens < 0:
            break
        kept.insert(0, line)
    return "\n".join(kept)


def _line(turn: Turn) -> str:
    asked = " ".join(turn.question.split())[:_MAX_LINE_CHARS]
    said = _SENTENCE_END.split(" ".join(turn.said.split()), maxsplit=1)[0][:_MAX_LINE_CHARS]
    return f"- The user asked: {asked} The answer was: {said}"


def folding(
    conversation: Conversation, now_ms: int, *, max_turns: int, max_bytes: int, summary_tokens: int, waits_ms: int
) -> Folding | None:
    """Return which of the oldest turns go into the summary now; None if all can stay.

    Three quarters of the bounds stay, so that this happens seldom. A turn that still waits for its answer stays, and
    all after it; one that waits longer than an answer can take was abandoned.

    Args:
        conversation: what is kept.
        now_ms: the server's clock.
        max_turns: finished turns that may be kept.
        max_bytes: their size.
        summary_tokens: bound of the summary.
        waits_ms: longest time that an answer takes.
    """
    numbers, size_bytes = sorted(conversation.turns), conversation.size_bytes
    if len(numbers) <= max_turns and size_bytes <= max_bytes:
        return None
    going: list[int] = []
    for number in numbers[:-1]:
        if len(numbers) - len(going) <= max(1, max_turns * 3 // 4) and size_bytes <= max_bytes * 3 // 4:
            break
        if any(n < number and now_ms - began < waits_ms for n, began in conversation.waiting.items()):
            break
        going.append(number)
        size_bytes -= len(conversation.turns[number].as_json())
    if not going:
        return None
    span = range(conversation.folded + 1, going[-1] + 1)
    return Folding(
        conversation.folded,
        going[-1],
        "".join("1" if number in conversation.turns else "0" for number in span),
        summarise(conversation.summary, [conversation.turns[number] for number in going], summary_tokens),
    )
