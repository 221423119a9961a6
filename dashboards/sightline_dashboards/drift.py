"""Drift in words: where it stands and since when, and what a comparison says. Pure.

Rows are those of the questions `drift_runs`, `drift_comparisons` and `drift_history`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sightline_dashboards import formats
from sightline_dashboards.elements import Card

Rows = Sequence[Mapping[str, Any]]

HOW_TO_GET: Final = (
    "No drift run is in the store. `sightline-evals drift` compares the last day with the week before; with --every 1h "
    "--window 1h it stays and looks every hour."
)
CANARY_SIGNALS: Final = ("canaries.overlap", "canaries.recall")

_STATES: Final = {"drift": "▲ drift", "suspected": "suspected", "quiet": "quiet", "too_little_data": "too little data"}
_SIGNALS: Final = {
    "retrieval.top_score": "Best score of searches",
    "retrieval.empty": "Empty searches",
    "retrieval.failed": "Failed searches",
    "retrieval.stale": "Searches of a stale index",
    "retrieval.documents": "Documents that are found",
    "queries.shift": "What is asked",
    "answers.output_tokens": "Tokens of an answer",
    "answers.answer_length": "Length of answers",
    "answers.refusal": "Refusals",
    "answers.citation": "Answers that cite",
    "answers.error": "Failed model calls",
    "answers.unusual_end": "Answers that end unusually",
    "canaries.overlap": "Canaries: overlap with before",
    "canaries.recall": "Canaries: recall",
}


@dataclass(frozen=True)
class Standing:
    """Where drift stands.

    Attributes:
        outcome: of the newest run: ``drift``, ``no drift``, ``too little data`` or ``failed``.
        since_ms: when the first run ended that said so without another in between, epoch ms.
        is_since_first: whether no run before it is known.
        run: the newest run.
    """

    outcome: str
    since_ms: int
    is_since_first: bool
    run: Mapping[str, Any]


def standing(runs: Rows) -> Standing | None:
    """Return where drift stands behind the newest run; None where there is no run."""
    if not runs:
        return None
    outcome = runs[0]["outcome"]
    same = next((number for number, run in enumerate(runs) if run["outcome"] != outcome), len(runs))
    return Standing(outcome, runs[same - 1]["at_ms"], same == len(runs), runs[0])


def compared_by(row: Mapping[str, Any], runs: Rows) -> Mapping[str, Any] | None:
    """Return the run of a comparison: its verdict is the first one sent with it or after it; None: not there."""
    later = [run for run in runs if run["at_ms"] >= row["at_ms"]]
    return min(later, key=lambda run: run["at_ms"]) if later else None


def card(runs: Rows, moment: str) -> Card:
    """Return the overview's card of drift.

    Args:
        runs: of the question `drift_runs`.
        moment: `Standing.since_ms` in words; "" without a run.
    """
    stands = standing(runs)
    if stands is None:
        how = "sightline-evals drift compares the last day with the week before"
        return Card("Drift", formats.UNKNOWN, "retrieval", "no run yet", hint=how)
    is_drift = stands.outcome == "drift"
    value = {"drift": "Alarm", "no drift": "None"}.get(stands.outcome, formats.UNKNOWN)
    note = f"since {moment}" if not stands.is_since_first else f"first run {moment}"
    alarms = formats.share_of(stands.run["drifting"], stands.run["comparisons"])
    return Card(
        "Drift",
        value,
        "retrieval",
        note if value != formats.UNKNOWN else f"{stands.outcome}, {note}",
        "▲" if is_drift else "",
        "bad" if is_drift else "neutral",
        hint=f"{alarms} comparisons of the newest run are alarms. {stands.run['sentence']}",
    )


def state(row: Mapping[str, Any]) -> str:
    """Return the state of a comparison in words."""
    return _STATES.get(row["state"], str(row["state"]))


def signal(row: Mapping[str, Any]) -> str:
    """Return what a comparison is of."""
    name = str(row["signal"])
    return _SIGNALS.get(name, name.removeprefix("scores.") + " of answers" if name.startswith("scores.") else name)


def effect(row: Mapping[str, Any]) -> str:
    """Return the size of a change with its unit."""
    size = row["effect"]
    if size is None:
        return formats.UNKNOWN
    match row["kind"]:
        case "deviations":
            return f"{size:+.2f} SD"
        case "share":
            return f"{100 * size:+.1f} points"
        case "auc":
            return f"AUC {size:.2f}"
        case "moved":
            return f"{100 * size:.1f} % moved"
        case _:
            return f"{size:+.3f}"


def interval(row: Mapping[str, Any]) -> str:
    """Return the 95 % interval of the effect, in its unit."""
    low, high = row["low"], row["high"]
    if low is None or high is None:
        return formats.UNKNOWN
    if row["kind"] in {"share", "moved"}:
        return f"{100 * low:.1f} to {100 * high:.1f}"
    return f"{low:.2f} to {high:.2f}"


def values(row: Mapping[str, Any]) -> str:
    """Return the mean or share before and now; "" where there is none."""
    was, now = row["reference"], row["current"]
    if was is None or now is None:
        return ""
    shown = formats.share if row["kind"] == "share" else formats.significant
    return f"{shown(was)} → {shown(now)}"


def p_value(row: Mapping[str, Any]) -> str:
    """Return the corrected p-value; "not tested" where there is none."""
    p = row["p"]
    if p is None:
        return "not tested"
    return "<0.0001" if p < 0.0001 else f"{p:.2g}"
