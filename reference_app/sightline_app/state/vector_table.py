"""Vectors in groups, and the nearest of a group: compared exactly, one matrix product for each question.

A thousand vectors of 384 dimensions take some tenths of a millisecond, so no index is needed for the few thousand
answers that are kept of a tenant.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Near(NamedTuple):
    """A row and how near it is."""

    id: str
    similarity: float
    """Cosine, since all vectors have unit length."""


class VectorTable:
    """Vectors by id, in the order in which they came.

    Args:
        max_rows: beyond, the oldest are dropped.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._group_of: OrderedDict[str, str] = OrderedDict()
        self._groups: defaultdict[str, dict[str, NDArray[np.float32]]] = defaultdict(dict)
        self._stacked: dict[str, tuple[list[str], NDArray[np.float32]]] = {}

    def __len__(self) -> int:
        return len(self._group_of)

    def put(self, group: str, row: str, vector: NDArray[np.float32]) -> list[str]:
        """Keep a vector; one of the same id is replaced.

        Args:
            group: only vectors of one group are compared; all of them must have one length.
            row: the id.
            vector: float32[dimensions], unit length.

        Returns:
            ids of the rows that were dropped to make room.
        """
        self.drop(row)
        self._group_of[row] = group
        self._groups[group][row] = vector
        self._stacked.pop(group, None)
        dropped = []
        while len(self) > self._max_rows:
            dropped.append(next(iter(self._group_of)))
            self.drop(dropped[-1])
        return dropped

    def drop(self, row: str) -> None:
        """Forget a row, if it is there."""
        group = self._group_of.pop(row, None)
        if group is None:
            return
        self._stacked.pop(group, None)
        del self._groups[group][row]
        if not self._groups[group]:
            del self._groups[group]

    def nearest(self, group: str, vector: NDArray[np.float32], limit: int) -> list[Near]:
        """Return the rows of a group that are nearest, best first; none of a group that is not known.

        Args:
            group: where to look.
            vector: float32[dimensions], unit length.
            limit: how many at most.
        """
        if group not in self._groups:
            return []
        if group not in self._stacked:
            rows = self._groups[group]
            self._stacked[group] = list(rows), np.stack(list(rows.values()))
        ids, matrix = self._stacked[group]
        similarities = matrix @ vector
        best = np.argsort(-similarities, kind="stable")[:limit]
        return [Near(ids[place], float(similarities[place])) for place in best]
