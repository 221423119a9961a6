"""The whole of a run: what was measured, what to take, and how it reads."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any

from sightline_app.tuning.layouts import Layout
from sightline_app.tuning.measuring import Measured
from sightline_app.tuning.recommendation import Recommendation


@dataclass(frozen=True)
class Report:
    """One run."""

    run: str
    """Its id."""
    count: int
    """Passages of one search: recall is at this many."""
    rounds: int
    workload: dict[str, Any]
    """Passages, dimensions, questions and embedding."""
    found: list[Measured]
    layouts: list[Layout]
    recommendation: Recommendation
    skipped: dict[str, str] = field(default_factory=dict)
    """Store or variant that was not measured -> why."""

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values; `chosen` is the name of the recommended index, None where none fits."""
        advice = self.recommendation
        return {
            "recall_target": advice.target,
            "chosen": advice.chosen.variant.name if advice.chosen is not None else None,
            "reason": advice.sentence,
            "settings": advice.chosen.variant.settings() if advice.chosen is not None else {},
            "tied": [each.variant.name for each in advice.tied],
            "run": self.run,
            "at": self.count,
            "rounds": self.rounds,
            **self.workload,
            "variants": [each.as_json() for each in self.found],
            "layouts": [each.as_json() for each in self.layouts],
            "skipped": self.skipped,
        }

    def text(self) -> str:
        """Return what a person reads, without the chart."""
        told = self.workload
        lines = [
            f"{told['passages']} passages of {told['dimensions']} dimensions, {told['questions']} questions, "
            f"{told['embedding']}; {self.rounds} timed rounds, one search at a time",
            _row(
                "index", f"recall@{self.count}", "95 %", "p50 ms", "p95 ms", "of rounds", "memory", "build s", "lag s"
            ),
        ]
        chosen = self.recommendation.chosen
        for each in self.found:
            mark = "* " if each is chosen else "  "
            lines.append(_measured_row(mark + each.variant.name, each))
        if self.layouts:
            lines += ["", f"Weaviate, {self.layouts[0].tenants} tenants"]
            lines += [_measured_row("  " + each.name, each) for each in self.layouts]
        lines += [f"not measured: {what}: {why}" for what, why in self.skipped.items()]
        lines += ["", f"Recall target {self.recommendation.target:g}. {self.recommendation.sentence}"]
        if self.recommendation.tied:
            lines.append("Tied: " + "; ".join(each.variant.name for each in self.recommendation.tied))
        if chosen is not None:
            given = chosen.variant.settings()
            lines += [f"export {name}={shlex.quote(value)}" for name, value in given.items()]
            lines.append("sightline-app ingest")
        return "\n".join(lines) + "\n"


def _measured_row(name: str, each: Measured | Layout) -> str:
    built: Any = each.built if isinstance(each, Measured) else each
    times = each.times
    return _row(
        name,
        f"{each.recall:.3f}",
        f"{each.recall_low:.2f}-{each.recall_high:.2f}",
        f"{times.p50_ms:.1f}",
        f"{times.p95_ms:.1f}",
        f"{times.p95_least_ms:.1f}-{times.p95_most_ms:.1f}",
        _memory(built.memory_bytes),
        f"{built.build_s:.1f}",
        f"{built.lag_s:.2f}",
    )


def _memory(size: int | None) -> str:
    if size is None:
        return "unknown"
    return "< 1 MB" if size < 1e6 else f"{size / 1e6:.0f} MB"


def _row(name: str, *cells: str) -> str:
    return f"{name:42}" + "".join(f"{cell:>13}" for cell in cells)


def summary(report: Report) -> dict[str, Any]:
    """Return the part of a benchmark's result: the target and the index that was chosen for it."""
    told = report.as_json()
    return {name: told[name] for name in ("recall_target", "chosen")}


def line(report: Report) -> str:
    """Return the whole on one line of JSON."""
    return json.dumps(report.as_json()) + "\n"
