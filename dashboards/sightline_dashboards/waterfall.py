"""A trace's spans as a waterfall: the tree, the critical path to the first token, and where everything is drawn. Pure.

Spans are the rows of `queries.trace_spans`, the critical path those of `queries.ttft_trace`. Without a
path every instant before the first token belongs to one span: a span with an open child steps back for it, and of
parallel spans the last to end counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sightline_dashboards import formats
from sightline_dashboards.theme import STAGES, stage_colour

_TICK_COUNT = 5
_CONTAINERS = frozenset({"", "request", "workflow"})


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
    first_token_ms: float | None = None
    """First token delivered to the user; where the request did not tell, the model's first chunk."""
    first_token_delivered: bool = False
    last_token_ms: float | None = None
    parts: list[tuple[str, float]] = field(default_factory=list)
    """Stage and its ms of the time to the first token, in the order of the stages; they sum to that time."""

    @property
    def ttft_ms(self) -> float | None:
        """Time from the request's beginning to its first token."""
        if self.first_token_ms is None:
            return None
        return self.first_token_ms - (self.request.start_ms if self.request else 0.0)


def layout(spans: Sequence[Mapping[str, Any]], path: Sequence[Mapping[str, Any]] = ()) -> Trace:
    """Order spans as a tree and mark the critical path. Spans whose parent is not there are roots of their own."""
    if not spans:
        return Trace([], 0.0)
    origin = min(int(span["start_ns"]) for span in spans)
    by_id = {span["span_id"]: span for span in spans}
    children: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    roots = []
    for span in spans:
        if span["parent_id"] in by_id and span["parent_id"] != span["span_id"]:
            children[span["parent_id"]].append(span)
        else:
            roots.append(span)
    nodes: list[Node] = []
    seen: set[str] = set()
    stack = [(span, 0) for span in sorted(roots, key=_began, reverse=True)]
    rest = sorted(spans, key=_began, reverse=True)
    while stack or rest:
        # What is left when the roots are done hangs in a circle of parents: it is shown, not dropped.
        span, depth = stack.pop() if stack else (rest.pop(), 0)
        if span["span_id"] in seen:
            continue
        seen.add(span["span_id"])
        start_ms = (int(span["start_ns"]) - origin) / 1e6
        orphan = depth == 0 and bool(span["parent_id"])
        nodes.append(Node(span, depth, start_ms, start_ms + int(span["duration_ns"]) / 1e6, orphan))
        stack += [(child, depth + 1) for child in sorted(children[span["span_id"]], key=_began, reverse=True)]
    trace = Trace(nodes, max(node.end_ms for node in nodes))
    _find_tokens(trace)
    if path and path[0]["stage"] != "left out":
        _mark_path(trace, path)
    else:
        _find_critical_path(trace)
    return trace


def drawing(trace: Trace, *, selected: str, title: str = "Span") -> dict[str, Any]:
    """Lay a trace out for the waterfall element: shares of its length between 0 and 1, colours and texts."""
    scale = trace.total_ms or 1.0
    marks = []
    if trace.first_token_ms is not None:
        what = "first token delivered" if trace.first_token_delivered else "model's first chunk"
        marks.append({"at": trace.first_token_ms / scale, "text": f"{what} {formats.duration(trace.ttft_ms)}"})
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
        "rows": [_row(node, scale, selected) for node in trace.nodes],
    }


def _row(node: Node, scale: float, selected: str) -> dict[str, Any]:
    span = node.span
    took = node.end_ms - node.start_ms
    failed = span["status"] == "Error"
    first = span["first_chunk_ms"]
    notes = [str(span["name"]), str(span["stage"] or "no stage"), formats.duration(took), str(span["service"])]
    notes += [f"error: {span['error_type'] or span['status_message'] or 'unknown'}"] if failed else []
    notes += ["flagged by the guardrail"] if span["flagged"] else []
    notes += ["its parent is not in the store"] if node.orphan else []
    notes += ["on the critical path to the first token"] if node.critical else []
    return {
        "id": span["span_id"],
        "name": str(span["name"]) + (" ⚑" if span["flagged"] else ""),
        "depth": node.depth,
        "left": node.start_ms / scale,
        "width": took / scale,
        "first": min(1.0, first / took) if first is not None and took > 0 else None,
        "colour": stage_colour(span["stage"]),
        "critical": node.critical,
        "failed": failed,
        "selected": span["span_id"] == selected,
        "took": formats.duration(took),
        "title": " · ".join(notes),
    }


def _began(span: Mapping[str, Any]) -> tuple[int, int]:
    return int(span["start_ns"]), -int(span["duration_ns"])


def _find_tokens(trace: Trace) -> None:
    trace.request = next((node for node in trace.nodes if node.span["stage"] == "request"), trace.nodes[0])
    models = [node for node in trace.nodes if node.span["stage"] == "model"]
    delivered = trace.request.span["ttft_ms"]
    if delivered is not None:
        trace.first_token_ms = trace.request.start_ms + delivered
        trace.first_token_delivered = True
    else:
        chunks = [n.start_ms + n.span["first_chunk_ms"] for n in models if n.span["first_chunk_ms"] is not None]
        trace.first_token_ms = min(chunks, default=None)
    streamed = [node.end_ms for node in models if node.span["status"] != "Error"]
    trace.last_token_ms = max(streamed, default=None) if trace.first_token_ms is not None else None


def _mark_path(trace: Trace, path: Sequence[Mapping[str, Any]]) -> None:
    request = next((node for node in trace.nodes if node.span["span_id"] == path[0]["request_id"]), None)
    if request is None or path[0]["until"] == "total":
        return
    trace.request = request
    trace.first_token_ms = request.start_ms + path[0]["until_ms"]
    trace.first_token_delivered = path[0]["until"] == "delivered"
    sums: dict[str, float] = defaultdict(float)
    for piece in path:
        sums[piece["stage"]] += piece["end_ms"] - piece["start_ms"]
    waited_for = {piece["span_id"] for piece in path if piece["stage"] not in {"delivery", "rest"}}
    for node in trace.nodes:
        node.critical = node.span["span_id"] in waited_for
    trace.parts = _in_order(sums)


def _in_order(sums: Mapping[str, float]) -> list[tuple[str, float]]:
    order = {stage: number for number, stage in enumerate(STAGES)}
    return sorted(((stage, ms) for stage, ms in sums.items() if ms > 0), key=lambda p: order.get(p[0], len(order)))


def _find_critical_path(trace: Trace) -> None:
    if trace.first_token_ms is None or trace.request is None:
        return
    begin, end = trace.request.start_ms, trace.first_token_ms
    reach = {
        node.span["span_id"]: min(end, _reach(node))
        for node in trace.nodes
        if node.span["stage"] not in _CONTAINERS and node.start_ms < end
    }
    waiting = sorted((n for n in trace.nodes if n.span["span_id"] in reach), key=lambda n: n.start_ms, reverse=True)
    edges = sorted({begin, end, *(max(begin, node.start_ms) for node in waiting), *reach.values()})
    sums: dict[str, float] = defaultdict(float)
    active: list[Node] = []
    for left, right in pairwise(edge for edge in edges if begin <= edge <= end):
        while waiting and waiting[-1].start_ms <= left:
            active.append(waiting.pop())
        active = [node for node in active if reach[node.span["span_id"]] >= right]
        parents = {node.span["parent_id"] for node in active}
        owners = [node for node in active if node.span["span_id"] not in parents]
        owner = max(owners, key=lambda node: (reach[node.span["span_id"]], node.start_ms), default=None)
        sums[owner.span["stage"] if owner else "rest"] += right - left
        if owner:
            owner.critical = True
    trace.parts = _in_order(sums)


def _reach(node: Node) -> float:
    """Moment until which a span can hold the first token up: a model only until its first chunk."""
    first = node.span["first_chunk_ms"]
    return node.start_ms + first if node.span["stage"] == "model" and first is not None else node.end_ms
