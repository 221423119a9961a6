"""A trace's spans as a waterfall: the tree, the critical path to the first token, and where everything is drawn. Pure.

Spans are the rows of `queries.trace_spans`, the critical path those of `queries.ttft_trace`: the rules of the request,
of its first token and of the path are in the store's SQL only. Where there is no path, `Trace.path_note` says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sightline_dashboards import formats
from sightline_dashboards.plotting.theme import STAGES, stage_colour

CRITICAL: Final = 1
"""Flag of a drawn span that is on the critical path to the first token."""
FAILED: Final = 2
"""Flag of one that failed."""
FLAGGED: Final = 4
"""Flag of one at which a guardrail raised an alarm."""
ORPHAN: Final = 8
"""Flag of one whose parent is not in the store."""

_TICK_COUNT = 5
_MARK_NAMES = {
    "delivered": "first token delivered",
    "first_token": "model's first token",
    "first_chunk": "model's first chunk",
}


@dataclass
class Node:
    """A span in its tree. Times in ms from the trace's first moment."""

    span: Mapping[str, Any]
    depth: int
    start_ms: float
    end_ms: float
    orphan: bool = False
    critical: bool = False


@dataclass
class Trace:
    """A trace, laid out. Times in ms from its first moment; None is unknown."""

    nodes: list[Node]
    total_ms: float
    request: Node | None = None
    """The request that the store chose; None where the trace has none, or where it is not among the spans."""
    first_token_ms: float | None = None
    """The moment that `first_token_definition` names."""
    first_token_definition: str = ""
    """What the store takes for the first token, as `requests.TtftDefinition` has it; "" where it is unknown."""
    last_token_ms: float | None = None
    parts: list[tuple[str, float]] = field(default_factory=list)
    """Stage and its ms of the time to the first token, in the order of the stages; they sum to that time."""
    path_note: str = ""
    """Why the critical path is not shown, as a sentence; "" where it is."""

    @property
    def ttft_ms(self) -> float | None:
        """Time from the request's beginning to its first token."""
        if self.first_token_ms is None:
            return None
        return self.first_token_ms - (self.request.start_ms if self.request else 0.0)


def layout(spans: Sequence[Mapping[str, Any]], path: Sequence[Mapping[str, Any]] = ()) -> Trace:
    """Order spans as a tree and mark the critical path. Spans whose parent is missing become roots."""
    if not spans:
        return Trace([], 0.0)
    origin = min(int(span["start_ns"]) for span in spans)
    by_id = {span["span_id"]: span for span in spans}
    children: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    roots = []
    unvisited = sorted(spans, key=_start_key, reverse=True)
    for span in unvisited:
        if span["parent_id"] in by_id and span["parent_id"] != span["span_id"]:
            children[span["parent_id"]].append(span)
        else:
            roots.append(span)
    nodes: list[Node] = []
    visited: set[str] = set()
    stack = [(span, 0) for span in roots]
    while stack or unvisited:
        # Spans that no root leads to are in a cycle of parents: they are shown, not dropped.
        span, depth = stack.pop() if stack else (unvisited.pop(), 0)
        if span["span_id"] in visited:
            continue
        visited.add(span["span_id"])
        start_ms = (int(span["start_ns"]) - origin) / 1e6
        orphan = depth == 0 and bool(span["parent_id"])
        nodes.append(Node(span, depth, start_ms, start_ms + int(span["duration_ns"]) / 1e6, orphan))
        stack += [(child, depth + 1) for child in children.get(span["span_id"], ())]
    trace = Trace(nodes, max(node.end_ms for node in nodes))
    _mark_path(trace, path)
    return trace


def drawing(trace: Trace, *, title: str = "Span") -> dict[str, Any]:
    """Lay a trace out for the waterfall element: shares of its length between 0 and 1, colours and texts.

    Spans are in columns, and texts that repeat are numbers of a list, so that 50,000 spans are about 3 MB.
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
    names: dict[str, int] = {}
    stages: dict[str, int] = {}
    services: dict[str, int] = {}
    columns: dict[str, list[Any]] = {
        name: [] for name in ("id", "name", "stage", "service", "depth", "left", "width", "took", "flags")
    }
    firsts: dict[int, float] = {}
    errors: dict[int, str] = {}
    for place, node in enumerate(nodes):
        span = node.span
        duration_ms = node.end_ms - node.start_ms
        columns["id"].append(span["span_id"])
        columns["name"].append(names.setdefault(str(span["name"]), len(names)))
        columns["stage"].append(stages.setdefault(str(span["stage"]), len(stages)))
        columns["service"].append(services.setdefault(str(span["service"]), len(services)))
        columns["depth"].append(node.depth)
        columns["left"].append(round(node.start_ms / scale, 6))
        columns["width"].append(round(duration_ms / scale, 6))
        columns["took"].append(formats.duration(duration_ms))
        columns["flags"].append(_flags(node))
        if span["first_chunk_ms"] is not None and duration_ms > 0:
            firsts[place] = min(1.0, span["first_chunk_ms"] / duration_ms)
        if span["status"] == "Error":
            errors[place] = str(span["error_type"] or span["status_message"] or "unknown")
    return {
        "spans": columns,
        "names": list(names),
        "stages": [{"text": stage or "no stage", "colour": stage_colour(stage)} for stage in stages],
        "services": list(services),
        "firsts": firsts,
        "errors": errors,
    }


def _flags(node: Node) -> int:
    is_failed, is_flagged = node.span["status"] == "Error", bool(node.span["flagged"])
    return CRITICAL * node.critical | FAILED * int(is_failed) | FLAGGED * is_flagged | ORPHAN * node.orphan


def _start_key(span: Mapping[str, Any]) -> tuple[int, int]:
    return int(span["start_ns"]), -int(span["duration_ns"])


def _mark_path(trace: Trace, path: Sequence[Mapping[str, Any]]) -> None:
    request = next((node for node in trace.nodes if path and node.span["span_id"] == path[0]["request_id"]), None)
    trace.request = request
    trace.path_note = _path_note(path, request)
    if request is not None and path[0]["until"] != "total":
        trace.first_token_ms = request.start_ms + path[0]["until_ms"]
        trace.first_token_definition = path[0]["until"].replace(" ", "_")
        streamed = [n.end_ms for n in trace.nodes if n.span["stage"] == "model" and n.span["status"] != "Error"]
        trace.last_token_ms = max(streamed, default=None)
    if trace.path_note:
        return
    sums: dict[str, float] = defaultdict(float)
    for piece in path:
        sums[piece["stage"]] += piece["end_ms"] - piece["start_ms"]
    waited_for = {piece["span_id"] for piece in path if piece["stage"] not in {"delivery", "rest"}}
    for node in trace.nodes:
        node.critical = node.span["span_id"] in waited_for
    trace.parts = _in_order(sums)


def _path_note(path: Sequence[Mapping[str, Any]], request: Node | None) -> str:
    """Return why there is no critical path to show, "" where there is one."""
    if not path:
        return "The first token and the critical path are unknown: the trace has no request."
    if request is None:
        return "The first token and the critical path are unknown: the span of the request is not among those shown."
    if path[0]["until"] == "total":
        return "No first token was recorded, so there is no critical path to it."
    if path[0]["stage"] == "left out":
        return "The critical path is unknown: more than 500 spans of stages come before the first token."
    return ""


def _in_order(sums: Mapping[str, float]) -> list[tuple[str, float]]:
    order = {stage: number for number, stage in enumerate(STAGES)}
    return sorted(((stage, ms) for stage, ms in sums.items() if ms > 0), key=lambda p: order.get(p[0], len(order)))
