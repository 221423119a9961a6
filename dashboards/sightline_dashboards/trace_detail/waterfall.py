"""A trace's spans as a waterfall: the tree, and the critical path to the first token. Pure; `drawing` draws it.

Spans are the rows of `queries.trace_spans`, the critical path those of `queries.ttft_trace`: the rules of the request,
of its first token and of the path are in the store's SQL only. Where there is no path, `Trace.path_note` says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sightline_dashboards.plotting.theme import STAGES


@dataclass(slots=True)
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
    order = [(int(span["start_ns"]), -int(span["duration_ns"])) for span in spans]
    unvisited = sorted(range(len(spans)), key=order.__getitem__, reverse=True)
    origin = order[unvisited[-1]][0]
    places = {span["span_id"]: place for place, span in enumerate(spans)}
    children: dict[int, list[int]] = {}
    roots = []
    for place in unvisited:
        parent = places.get(spans[place]["parent_id"])
        if parent is None or parent == place:
            roots.append(place)
        else:
            children.setdefault(parent, []).append(place)
    nodes: list[Node] = []
    depths = [-1] * len(spans)  # of those that were not visited yet
    stack = [(place, 0) for place in roots]
    while stack or unvisited:
        # Spans that no root leads to are in a cycle of parents: they are shown, not dropped.
        place, depth = stack.pop() if stack else (unvisited.pop(), 0)
        if depths[place] >= 0:
            continue
        depths[place] = depth
        span, (start_ns, shorter_ns) = spans[place], order[place]
        start_ms = (start_ns - origin) / 1e6
        nodes.append(Node(span, depth, start_ms, start_ms - shorter_ns / 1e6, not depth and bool(span["parent_id"])))
        if place in children:
            stack += [(child, depth + 1) for child in children[place]]
    trace = Trace(nodes, max(node.end_ms for node in nodes))
    _mark_path(trace, path)
    return trace


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
