"""A drift run for a person (a table) and for a program (one JSON object). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sightline_evals.drift.judged import Judged, Run
from sightline_evals.drift.sequence import State
from sightline_evals.drift.signals import Measurement
from sightline_evals.drift.topics import printable
from sightline_evals.gating.inference import p_text

SCHEMA: Final = "sightline-drift/1"
_MOST_ROWS: Final = 12
_SUBJECT_CHARS: Final = 56


def table(run: Run, *, everything: bool = False) -> str:
    """The run as text: the verdict, the measurements that say most, what moved, and what could not be compared.

    Args:
        run: what to show.
        everything: all measurements, not only the first ones.
    """
    battery = run.battery
    windows = battery.windows
    reference, current = battery.searches
    lines = [
        f"run {run.id}: {windows.current_from:%Y-%m-%d %H:%M} to {windows.current_to:%Y-%m-%d %H:%M} UTC "
        f"({current} searches) against {windows.reference_from:%Y-%m-%d %H:%M} to "
        f"{windows.reference_to:%Y-%m-%d %H:%M} UTC ({reference} searches)",
        *([f"one trace in {battery.stride} is read"] if battery.stride > 1 else []),
        "",
        run.sentence,
        *([run.shortage] if run.shortage else []),
        "",
    ]
    shown = list(run.judged if everything else run.judged[:_MOST_ROWS])
    if shown:
        lines += [*_measurements(shown), ""]
        if len(shown) < len(run.judged):
            lines += [f"{len(run.judged) - len(shown)} more comparisons are quiet or have too little data: --all", ""]
    if run.moved:
        lines += ["documents whose share of searches moved most", *_documents(run), ""]
    fallen = [row for row in battery.canaries if row["overlaps"] and _mean(row["overlaps"]) < 1]
    if fallen:
        fallen.sort(key=lambda row: _mean(row["overlaps"]))
        lines += ["canaries that find other documents than before"]
        lines += [f"  {_mean(row['overlaps']):.2f}  {printable(row['text'])[:70]}" for row in fallen[:5]] + [""]
    if battery.topics:
        lines += ["topics of questions: share of the reference, share now, a typical question"]
        lines += [f"  {t.reference_share:5.0%} {t.current_share:5.0%}  {t.name}" for t in battery.topics] + [""]
    for comparison, before, after in battery.planned.too_few[:5]:
        named = f"{comparison.collection} {comparison.tenant}".strip() or "searches"
        lines.append(f"too little data: {printable(named)}: {before} in the reference, {after} now")
    return "\n".join(lines).rstrip() + "\n"


def _measurements(shown: Sequence[Judged]) -> list[str]:
    head = ("state", "signal", "effect", "95% interval", "p", "reference", "now", "what")
    rows = [
        (
            each.label.replace("_", " "),
            each.measurement.signal,
            _effect(each.measurement),
            _interval(each.measurement),
            "-" if each.measurement.p_adjusted is None else p_text(each.measurement.p_adjusted),
            str(each.measurement.reference_n),
            str(each.measurement.current_n),
            printable(each.measurement.subject)[:_SUBJECT_CHARS],
        )
        for each in shown
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def _effect(measured: Measurement) -> str:
    if measured.effect is None:
        return "-"
    match measured.kind:
        case "deviations":
            return f"{measured.effect:+.2f} SD"
        case "share":
            return f"{100 * measured.effect:+.1f} points"
        case "auc":
            return f"AUC {measured.effect:.2f}"
        case "moved":
            return f"{measured.effect:+.1%} moved"
        case _:
            return f"{measured.effect:+.3f}"


def _interval(measured: Measurement) -> str:
    if measured.low is None or measured.high is None:
        return "-"
    digits = 2 if measured.kind in ("deviations", "auc") else 3
    return f"{measured.low:.{digits}f} to {measured.high:.{digits}f}"


def _documents(run: Run) -> list[str]:
    return [
        f"  {row['reference_share']:6.1%} to {row['current_share']:6.1%}  "
        f"{printable(row['document_id'])[:_SUBJECT_CHARS]}"
        for row in run.moved[:5]
    ]


def as_json(run: Run) -> dict[str, Any]:
    """The run as one JSON object, of the schema `SCHEMA`; None where something is unknown."""
    battery = run.battery
    windows = battery.windows
    return {
        "schema": SCHEMA,
        "run": run.id,
        "exit_code": int(run.code),
        "outcome": run.outcome,
        "sentence": run.sentence,
        "canary_shortage": run.shortage,
        "windows": {name: moment.isoformat() for name, moment in asdict(windows).items()},
        "searches": {"reference": battery.searches[0], "current": battery.searches[1], "stride": battery.stride},
        "measurements": [
            {
                **asdict(each.measurement),
                "key": dict(each.measurement.key),
                "further": dict(each.measurement.further),
                "shown": str(each.shown),
                "state": str(each.state),
            }
            for each in run.judged
        ],
        "alarms": sum(each.state is State.DRIFT for each in run.judged),
        "mismatches": [asdict(each) for each in battery.planned.mismatches],
        "too_little_data": [
            {**asdict(comparison), "reference_n": before, "current_n": after}
            for comparison, before, after in battery.planned.too_few
        ],
        "topics": [asdict(topic) for topic in battery.topics],
        "canaries": [
            {
                "canary": row["canary"],
                "question": row["text"],
                "overlap": _mean(row["overlaps"]),
                "recall": row["recall"],
            }
            for row in battery.canaries
        ],
        "documents": [dict(row) for row in run.moved],
        "changes": [dict(row) for row in run.changes],
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
