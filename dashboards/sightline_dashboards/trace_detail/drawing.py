"""A trace as its waterfall is drawn: where everything is, in which colour, under which text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from sightline_dashboards import formats
from sightline_dashboards.plotting.theme import stage_colour
from sightline_dashboards.trace_detail.waterfall import Node, Trace

CRITICAL: Final = 1
"""Flag of a drawn span that is on the critical path to the first token."""
FAILED: Final = 2
"""Flag of one that failed."""
FLAGGED: Final = 4
"""Flag of one at which a guardrail raised an alarm."""
ORPHAN: Final = 8
"""Flag of one whose parent is not in the store."""

_TICK_COUNT = 5
_POWERS = pd.Index([10.0**exponent for exponent in range(-7, 17)])
_MARK_NAMES = {
    "delivered": "first token delivered",
    "first_token": "model's first token",
    "first_chunk": "model's first chunk",
}


def drawing(trace: Trace, *, title: str = "Span") -> dict[str, Any]:
    """Lay a trace out for the waterfall element: shares of its length between 0 and 1, colours and texts.

    Spans are in columns, and texts that repeat are numbers of a list, so that 50,000 spans are about 2.5 MB.
    """
    scale = trace.total_ms or 1.0
    marks = []
    if trace.first_token_ms is not None:
        mark_name = _MARK_NAMES.get(trace.first_token_definition, trace.first_token_definition)
        marks.append({"at": trace.first_token_ms / scale, "text": f"{mark_name} {formats.duration(trace.ttft_ms)}"})
    if trace.last_token_ms is not None and trace.last_token_ms != trace.first_token_ms:
        marks.append({"at": trace.last_token_ms / scale, "text": f"last token {formats.duration(trace.last_token_ms)}"})
    ttft = sum(ms for _, ms in trace.parts) or 1.0
    return {
        "title": title,
        "parts": [
            {"share": ms / ttft, "colour": stage_colour(stage), "text": f"{stage} {formats.duration(ms)}"}
            for stage, ms in trace.parts
            if ms / ttft > 0.0005
        ],
        "ticks": [
            {"at": n / _TICK_COUNT, "text": formats.duration(scale * n / _TICK_COUNT) if n else "0"}
            for n in range(_TICK_COUNT + 1)
        ],
        "marks": marks,
        **_columns(trace.nodes, scale),
    }


def _columns(nodes: Sequence[Node], scale: float) -> dict[str, Any]:
    """The spans, a list a column, and the texts and colours that their numbers stand for."""
    spans = [node.span for node in nodes]
    starts_ms = pd.Series([node.start_ms for node in nodes])
    durations_ms = pd.Series([node.end_ms for node in nodes]) - starts_ms
    names, of_name = _coded([str(span["name"]) for span in spans])
    stages, of_stage = _coded([str(span["stage"]) for span in spans])
    services, of_service = _coded([str(span["service"]) for span in spans])
    durations, of_duration = _coded_durations(durations_ms)
    errors = {
        place: str(span["error_type"] or span["status_message"] or "unknown")
        for place, span in enumerate(spans)
        if span["status"] == "Error"
    }
    firsts = {
        place: min(1.0, span["first_chunk_ms"] / lasted_ms)
        for place, (span, lasted_ms) in enumerate(zip(spans, durations_ms.tolist(), strict=True))
        if span["first_chunk_ms"] is not None and lasted_ms > 0
    }
    return {
        "spans": {
            "id": [span["span_id"] for span in spans],
            "name": of_name,
            "stage": of_stage,
            "service": of_service,
            "depth": [node.depth for node in nodes],
            "left": (starts_ms / scale).round(6).tolist(),
            "width": (durations_ms / scale).round(6).tolist(),
            "took": of_duration,
            "flags": [
                CRITICAL * node.critical
                | FAILED * (place in errors)
                | FLAGGED * bool(span["flagged"])
                | ORPHAN * node.orphan
                for place, (node, span) in enumerate(zip(nodes, spans, strict=True))
            ],
        },
        "names": names,
        "stages": [{"text": stage or "no stage", "colour": stage_colour(stage)} for stage in stages],
        "services": services,
        "durations": durations,
        "firsts": firsts,
        "errors": errors,
    }


def _coded(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Different texts in the order in which they come first, and the number of each text among them."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return list(numbers), [numbers[text] for text in texts]


def _coded_durations(durations_ms: pd.Series[float]) -> tuple[list[str], list[int]]:
    """The same of durations. A text has three digits: those with the same four leading digits share it.

    A duration of four digits alone may be halfway between two texts, and shares its text with none but its equals.
    """
    exponents = _POWERS.searchsorted(durations_ms, side="right")
    digits = (durations_ms / _POWERS[(exponents - 1).clip(0)].to_numpy() * 1000).round(6)
    leading = digits // 1
    alike = exponents * 1e5 + leading + 0.5 * (digits == leading)
    firsts = durations_ms[~alike.duplicated()]
    return [formats.duration(float(ms)) for ms in firsts], pd.factorize(alike)[0].tolist()
