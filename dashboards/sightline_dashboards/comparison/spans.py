"""The spans of two traces, matched by their path of names. Pure.

A row is a path: the names from the outermost span down. Spans of one path count together, so that a loop of an agent is
one row in either trace. Where a name is in one trace only, spans of the same stage under the same parents are taken for
each other, in the order in which they began: `chat gpt-4o` is compared with `chat gpt-4o-mini`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sightline_dashboards.trace_detail.waterfall import Node

MAX_ROWS: Final = 400
"""Rows that are shown: of more, those with the greatest differences."""

_Group = tuple[int, ...]


@dataclass(frozen=True)
class Side:
    """The spans of a path in one trace.

    Attributes:
        span_id: of the first of them to begin.
        name: of the span.
        spans: how many there are.
        total_ms: their durations together; those that ran beside each other count twice.
        start_ms: when the first began, from the first moment of the trace.
        failed: those that failed.
    """

    span_id: str
    name: str
    spans: int
    total_ms: float
    start_ms: float
    failed: int


@dataclass(frozen=True)
class SpanRow:
    """A path of names in both traces; at least one side is there.

    Attributes:
        depth: 0 for the outermost spans.
        stage: of the spans.
        first: of the first trace.
        second: of the second trace.
    """

    depth: int
    stage: str
    first: Side | None
    second: Side | None

    @property
    def difference_ms(self) -> float:
        """Durations of the second trace less those of the first; what is absent took no time."""
        return (self.second.total_ms if self.second else 0.0) - (self.first.total_ms if self.first else 0.0)

    @property
    def name(self) -> str:
        """The name, or both where they differ."""
        names = dict.fromkeys(side.name for side in (self.first, self.second) if side)
        return " → ".join(names)


class _Tree:
    """The nodes of a trace, each with its children."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.roots: list[int] = []
        self._children: list[list[int]] = [[] for _ in nodes]
        open_nodes: list[int] = []
        for place, node in enumerate(nodes):  # in preorder, so the parent is the last node that is one less deep
            del open_nodes[node.depth :]
            (self._children[open_nodes[-1]] if open_nodes else self.roots).append(place)
            open_nodes.append(place)

    def below(self, group: _Group) -> list[int]:
        """The children of all nodes of a group."""
        return [child for place in group for child in self._children[place]]

    def grouped(self, places: Sequence[int]) -> dict[str, _Group]:
        """Name to its nodes, in the order in which the first of each began."""
        found: dict[str, list[int]] = {}
        for place in sorted(places, key=lambda place: self.nodes[place].start_ms):
            found.setdefault(str(self.nodes[place].span["name"]), []).append(place)
        return {name: tuple(group) for name, group in found.items()}

    def stage(self, group: _Group) -> str:
        """The stage of a group's first node; '' of an empty group."""
        return str(self.nodes[group[0]].span["stage"]) if group else ""

    def side(self, group: _Group) -> Side | None:
        """What a group is in all; None for an empty one."""
        if not group:
            return None
        nodes = [self.nodes[place] for place in group]
        return Side(
            span_id=str(nodes[0].span["span_id"]),
            name=str(nodes[0].span["name"]),
            spans=len(nodes),
            total_ms=sum(node.end_ms - node.start_ms for node in nodes),
            start_ms=nodes[0].start_ms,
            failed=sum(node.span["status"] == "Error" for node in nodes),
        )


def matched(first: Sequence[Node], second: Sequence[Node]) -> list[SpanRow]:
    """Match the spans of two traces.

    Args:
        first: nodes of `waterfall.layout`, in its order.
        second: those of the other trace.

    Returns:
        A row a path, each before those below it; of rows beside each other the one that began first.
    """
    trees = (_Tree(first), _Tree(second))
    rows: list[SpanRow] = []
    stack = [(*pair, 0) for pair in reversed(_pairs(trees, trees[0].roots, trees[1].roots))]
    while stack:
        one, other, depth = stack.pop()
        stage = trees[0].stage(one) or trees[1].stage(other)
        rows.append(SpanRow(depth, stage, trees[0].side(one), trees[1].side(other)))
        below = _pairs(trees, trees[0].below(one), trees[1].below(other))
        stack += [(*pair, depth + 1) for pair in reversed(below)]
    return rows


def greatest(rows: Sequence[SpanRow], limit: int = MAX_ROWS) -> list[SpanRow]:
    """The rows with the greatest differences, in the order of all of them."""
    if len(rows) <= limit:
        return list(rows)
    kept = sorted(range(len(rows)), key=lambda place: -abs(rows[place].difference_ms))[:limit]
    return [rows[place] for place in sorted(kept)]


def _pairs(trees: tuple[_Tree, _Tree], first: Sequence[int], second: Sequence[int]) -> list[tuple[_Group, _Group]]:
    """Groups of both sides that are compared with each other; one of a pair may be empty."""
    ones, others = trees[0].grouped(first), trees[1].grouped(second)
    pairs: list[tuple[_Group, _Group]] = []
    left = {name: group for name, group in others.items() if name not in ones}
    for name, group in ones.items():
        other = others.get(name)
        if other is None and (stage := trees[0].stage(group)):
            alike = next((each for each, members in left.items() if trees[1].stage(members) == stage), None)
            other = left.pop(alike) if alike is not None else None
        pairs.append((group, other or ()))
    pairs += [((), group) for group in left.values()]
    return sorted(pairs, key=lambda pair: _began(trees, pair))


def _began(trees: tuple[_Tree, _Tree], pair: tuple[_Group, _Group]) -> float:
    return min(tree.nodes[group[0]].start_ms for tree, group in zip(trees, pair, strict=True) if group)
