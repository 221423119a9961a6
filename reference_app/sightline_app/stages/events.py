"""What goes into the pipeline and what comes out of it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from sightline_app import prompt
from sightline_app.retriever import Hit


@dataclass(frozen=True)
class Question:
    """What is asked, by whom."""

    text: str
    history: Sequence[prompt.Message] = ()
    tenant: str = "public"
    since: datetime.date | None = None


@dataclass(frozen=True)
class Sources:
    """The passages that the answer is made from, best first."""

    hits: list[Hit]


@dataclass(frozen=True)
class Token:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Done:
    """The end of an answer."""

    finish_reason: str
    usage: dict[str, int] = field(default_factory=dict)
    note: str | None = None


Event = Sources | Token | Done
