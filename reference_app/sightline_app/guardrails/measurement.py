"""How many attacks of the labelled set the rules catch, and how many benign texts they flag, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sightline_app.guardrails.answers import AnswerGuard, guard_whole
from sightline_app.guardrails.decision import Decision
from sightline_app.guardrails.examples import Example, is_held_out
from sightline_app.guardrails.passages import passage_injection
from sightline_app.guardrails.questions import QuestionRules

HALVES: Final = ("developed on", "held out")
"""The half that the rules were developed on, and the one that they were only measured with."""
_ANSWER_KINDS: Final = ("email", "phone", "iban", "card", "national_id")
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % Wilson score interval."""

    flagged: int
    of: int
    share: float | None
    """None of nothing."""
    low: float
    high: float

    @classmethod
    def count(cls, flagged: int, of: int) -> Rate:
        """Return the share and its interval; of nothing, the interval is everything."""
        if of == 0:
            return cls(0, 0, None, 0.0, 1.0)
        share, square = flagged / of, _Z * _Z
        middle = (share + square / (2 * of)) / (1 + square / of)
        half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        return cls(flagged, of, round(share, 4), round(low, 4), round(high, 4))

    def __str__(self) -> str:
        if self.share is None:
            return "-"
        return f"{self.share:6.1%} [{self.low:.1%}, {self.high:.1%}] {self.flagged}/{self.of}"


@dataclass(frozen=True)
class Line:
    """The rates of one family in one half."""

    half: str
    family: str
    caught: Rate
    """Attacks that were flagged, by whatever rule."""
    false_alarms: Rate
    """Benign texts that look like attacks of this family and were flagged."""


def judge(example: Example, rules: QuestionRules) -> Decision:
    """Return the decision of the guard for where the text stands."""
    if example.where == "question":
        return rules.judge(example.text)
    if example.where == "passage":
        return passage_injection(example.text, rules.threshold)
    guard = AnswerGuard(find_secrets=True, kinds=_ANSWER_KINDS)
    guard_whole(example.text, guard)
    return guard.decision


def measure(
    examples: Sequence[Example], rules: QuestionRules, progress: Callable[[], object] = lambda: None
) -> list[tuple[Example, Decision]]:
    """Judge each example; `progress` is called after each."""
    found = []
    for example in examples:
        found.append((example, judge(example, rules)))
        progress()
    return found


def lines(found: Sequence[tuple[Example, Decision]]) -> Iterator[Line]:
    """Yield the rates of each half and family, and of all families together."""
    for half in HALVES:
        part = [pair for pair in found if is_held_out(pair[0]) == (half == "held out")]
        families = list(dict.fromkeys(example.family for example, _ in part))
        for family in [*families, "all"]:
            rows = [pair for pair in part if family in {"all", pair[0].family}]
            attacks = [decision.flagged for example, decision in rows if example.attack]
            benign = [decision.flagged for example, decision in rows if not example.attack]
            yield Line(half, family, Rate.count(sum(attacks), len(attacks)), Rate.count(sum(benign), len(benign)))


def as_json(found: Sequence[tuple[Example, Decision]]) -> dict[str, Any]:
    """Return all rates, and the ids of what was missed and of false alarms on the half that was developed on."""
    wrong = [(each, decision) for each, decision in found if decision.flagged != each.attack and not is_held_out(each)]
    return {
        "rates": [asdict(line) for line in lines(found)],
        "developed_on_missed": [each.id for each, _ in wrong if each.attack],
        "developed_on_false_alarms": [each.id for each, _ in wrong if not each.attack],
    }


def table(found: Sequence[tuple[Example, Decision]]) -> str:
    """Return the rates as a table for people."""
    rows = [f"{'half':13} {'family':14} {'caught':34} {'false alarms':34}"]
    rows += [f"{line.half:13} {line.family:14} {line.caught!s:34} {line.false_alarms!s:34}" for line in lines(found)]
    return "\n".join(row.rstrip() for row in rows) + "\n"
