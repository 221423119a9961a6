"""The verdict of a drift run in a sentence or three: what changed, what did not, and what changed near it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sightline_evals.drift import significance
from sightline_evals.drift.battery import Battery
from sightline_evals.drift.comparisons import Mismatch
from sightline_evals.drift.sequence import ALARM_AT, SUSPECT_AT
from sightline_evals.drift.signals import Measurement
from sightline_evals.drift.topics import Topic, printable

_MOST_TOLD: Final = 4
_LEAST_TOPIC_SHARE: Final = 0.05
_NAMES: Final = {
    "retrieval.top_score": "the best score of searches",
    "retrieval.empty": "empty searches",
    "retrieval.failed": "failed searches",
    "retrieval.stale": "searches of a stale index",
    "retrieval.documents": "the documents that are found",
    "queries.shift": "what is asked",
    "answers.output_tokens": "tokens of an answer",
    "answers.answer_length": "length of answers",
    "answers.refusal": "refusals",
    "answers.citation": "answers that cite",
    "answers.error": "failed model calls",
    "answers.unusual_end": "answers that end unusually",
    "index.lag": "the index's lag in seconds behind documents that come in",
    "index.failed": "documents that fail to get into the index",
    "canaries.overlap": "overlap of canaries with their answers before",
    "canaries.recall": "recall of canaries",
}


def sentence(
    battery: Battery,
    *,
    alarms: Sequence[Measurement],
    suspected: Sequence[Measurement],
    tested: Sequence[Measurement],
    changes: Sequence[Mapping[str, Any]],
) -> str:
    """Say what a run found.

    Args:
        battery: what was measured.
        alarms: the most certain first.
        suspected: shown by one window only.
        tested: everything that had enough data.
        changes: rows of the question `drift/changes`, the newest first.
    """
    told = [mismatch(each) for each in battery.planned.mismatches[:_MOST_TOLD]]
    if alarms:
        told.append("Drift: " + "; ".join(change(each) for each in _one_each(alarms)) + ".")
        if any(each.signal == "queries.shift" for each in alarms):
            told += topic_change(battery.topics)
        told.append(held(battery, alarms, tested, changes))
        told.append(nearest(changes, battery.windows.current_from))
    elif suspected:
        told.append(
            "No drift yet, one window alone suspects: " + "; ".join(change(each) for each in _one_each(suspected)) + "."
        )
    elif tested:
        told.append(f"No drift in {len(tested)} comparisons.")
    elif not told:
        reference, current = battery.searches
        told.append(f"Too little data: {reference} searches in the reference, {current} in the current window.")
    return " ".join(part for part in told if part)


def mismatch(found: Mismatch) -> str:
    """What needs no statistics, in a sentence."""
    was, now, subject = printable(found.was), printable(found.now), printable(found.subject)
    match found.kind:
        case "unlike_embedding":
            return f"Queries of {subject} are embedded by {now}, its index by {was} ({found.searches} searches)."
        case "new_sketch":
            return f"Query vectors of {subject} have another shape: {now}, before {was} ({found.searches} searches)."
        case _:
            return (
                f"{subject} has a new embedding: {now}, before {was} ({found.searches} searches); its scores and "
                "vectors do not compare with those before."
            )


def _one_each(measurements: Sequence[Measurement]) -> list[Measurement]:
    """At most a few measurements, one a signal; the whole before its segments where both alarm."""
    first: dict[str, Measurement] = {}
    for measured in measurements:
        known = first.get(measured.signal)
        if known is None or len(measured.key) < len(known.key):
            first[measured.signal] = measured
    return list(first.values())[:_MOST_TOLD]


def change(measured: Measurement) -> str:
    """A measurement's change in words."""
    name = _NAMES.get(measured.signal, measured.signal.removeprefix("scores.") + " of answers")
    where = "".join(
        f" ({name_} {printable(measured.key[name_])})"
        for name_ in ("tenant", "topic", "model")
        if name_ in measured.key
    )
    effect = measured.effect or 0.0
    was, now = measured.reference or 0.0, measured.current or 0.0
    match measured.kind:
        case "share":
            return f"{name}{where} {_rose(effect)} from {was:.1%} to {now:.1%}"
        case "auc":
            return f"{name}{where} changed (a classifier tells the windows apart with AUC {effect:.2f})"
        case "moved":
            return f"{name}{where} changed ({effect:.0%} of the hits moved beyond chance)"
        case "overlap":
            return f"{name}{where} {_rose(effect)} from {was:.2f} to {now:.2f}"
        case _:
            if abs(effect) < 0.05:
                return f"{name}{where} is spread differently (Kolmogorov-Smirnov {measured.further['ks']:.2f})"
            return f"{name}{where} {_rose(effect)} from {was:.3g} to {now:.3g} ({effect:+.2f} standard deviations)"


def _rose(effect: float) -> str:
    return "rose" if effect > 0 else "fell"


def canary_shortage(battery: Battery, asked: int = 0) -> str:
    """Say that there are too few canaries for an alarm, and how many are needed; empty where there are enough, or none.

    Args:
        battery: what was measured.
        asked: canaries that were asked in this run, which counts where none has an answer before.
    """
    signals = [each for each in battery.measurements if each.signal.startswith("canaries.")]
    number = min((each.reference_n for each in signals if each.signal == "canaries.overlap"), default=asked)
    others = sum(each.p is not None for each in battery.measurements if each not in signals)
    tests = others + max(1, len(signals))
    needed, at_once = (significance.least_pairs(at / tests) for at in (SUSPECT_AT, ALARM_AT))
    if not number or number >= needed:
        return ""
    return (
        f"{number} canaries are too few to alarm: in a window of {tests} test{'s' * (tests > 1)} {needed} must find "
        f"less, and in the window before too, or {at_once} in one window. Ask more of them."
    )


def topic_change(topics: Sequence[Topic]) -> list[str]:
    """The topic whose share changed most, in a sentence; nothing where none changed by much."""
    moved = sorted(topics, key=lambda topic: -abs(topic.current_share - topic.reference_share))
    if not moved or abs(moved[0].current_share - moved[0].reference_share) < _LEAST_TOPIC_SHARE:
        return []
    topic = moved[0]
    was, now = topic.reference_share, topic.current_share
    if was and now / was >= 1.8:
        how = "doubled" if now / was < 2.5 else f"rose {now / was:.0f}-fold"
    elif was:
        how = "rose" if now > was else "fell"
    else:
        how = "appeared"
    return [f"Questions like {topic.name} {how}, from {was:.0%} to {now:.0%}."]


def held(
    battery: Battery,
    alarms: Sequence[Measurement],
    tested: Sequence[Measurement],
    changes: Sequence[Mapping[str, Any]],
) -> str:
    """What did not change, where it narrows down the cause."""
    alarmed = {each.signal for each in alarms}
    parts = []
    canary = next((each for each in tested if each.signal == "canaries.overlap"), None)
    is_known = canary is not None and canary.current is not None and not canary_shortage(battery)
    if canary is not None and is_known and canary.signal not in alarmed:
        parts.append(f"canaries held (overlap {canary.current:.2f})")
    kinds = {row["kind"] for row in changes}
    if battery.searches[1] and not {"index", "embedding"} & kinds and not battery.planned.mismatches:
        parts.append("index and embedding are the same")
    for signal, words in (
        ("queries.shift", "what is asked is the same"),
        ("retrieval.documents", "the same documents are found"),
    ):
        if signal not in alarmed and any(each.signal == signal for each in tested):
            parts.append(words)
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def nearest(changes: Sequence[Mapping[str, Any]], moment: datetime) -> str:
    """The version or model that appeared nearest to a moment."""
    if not changes:
        return ""
    row = min(changes, key=lambda change: abs(change["first_ms"] / 1000 - moment.timestamp()))
    first_seen = datetime.fromtimestamp(row["first_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"Nearest change: {row['kind']} {printable(row['value'])} of {printable(row['subject'])} "
        f"(before {printable(row['was'])}), first seen {first_seen}."
    )
