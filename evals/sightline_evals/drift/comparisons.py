"""What is compared with what: out of the keys that two windows hold, the comparisons and their segments. Pure.

Searches are compared within one collection, operation and embedding with its version: vectors and scores of different
ones say nothing about each other. A version of the index is compared with itself where the reference has it, else with
whatever the reference had, since that is how a new index is judged. Tenants and topics are segments, so that the fall
of one is not hidden in the mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from sightline_store.questions.drift import ANY_INDEX, Comparison

MOST_SERIES: Final = 8
MOST_TENANTS: Final = 8
_MOST_INDEXES: Final = 2


class Series(NamedTuple):
    """Searches whose scores and vectors compare."""

    collection: str
    operation: str
    embedding: str
    embedding_version: str


@dataclass(frozen=True)
class Mismatch:
    """Something that needs no statistics: it is told at once."""

    kind: str
    """`unlike_embedding`: queries were embedded by another model or version than their index; `new_sketch`: the vectors
    of queries have another length than in the reference; `new_embedding`: the index has another embedding than in the
    reference."""
    subject: str
    """The collection."""
    was: str
    now: str
    searches: int
    """Searches of the current window that it is about, in the sample."""


@dataclass(frozen=True)
class Planned:
    """What can be compared, and what cannot.

    Attributes:
        comparisons: with enough searches in both windows; whole series first.
        too_few: those without, as (comparison, reference n, current n).
        mismatches: told at once.
    """

    comparisons: tuple[Comparison, ...]
    too_few: tuple[tuple[Comparison, int, int], ...]
    mismatches: tuple[Mismatch, ...]


def plan(rows: Sequence[Mapping[str, Any]], *, min_n: int) -> Planned:
    """Plan the comparisons.

    Args:
        rows: of the question `drift/keys`.
        min_n: searches that each window needs of a comparison.
    """
    counts: dict[bool, dict[Series, dict[tuple[str, str], int]]] = {True: {}, False: {}}
    sketches: dict[bool, dict[Series, dict[str, int]]] = {True: {}, False: {}}
    for row in rows:
        series = Series(row["collection"], row["operation"], row["embedding"], row["embedding_version"])
        is_current = bool(row["is_current"])
        cell = counts[is_current].setdefault(series, defaultdict(int))
        cell[row["index_version"], row["tenant"]] += row["searches"]
        if row["sketch_version"]:
            counted = sketches[is_current].setdefault(series, defaultdict(int))
            counted[row["sketch_version"]] += row["searches"]
    found: list[Comparison] = []
    too_few: list[tuple[Comparison, int, int]] = []
    current = sorted(counts[True].items(), key=lambda item: (-sum(item[1].values()), item[0]))[:MOST_SERIES]
    for series, now in current:
        then = counts[False].get(series, {})
        seen = sketches[True].get(series, {})
        version = max(sorted(seen), key=lambda each: seen[each]) if seen else ""
        for whole in _of_indexes(series, version, then, now, min_n):
            n = _size(whole, then, is_current=False), _size(whole, now, is_current=True)
            if min(n) < min_n:
                too_few.append((whole, *n))
                continue
            found.append(whole)
            tenants = {tenant for _, tenant in now if tenant}
            if len({tenant for _, tenant in (*now, *then)}) < 2:
                continue
            parts = [replace(whole, tenant=tenant) for tenant in tenants]
            sized = [(part, _size(part, then, is_current=False), _size(part, now, is_current=True)) for part in parts]
            sized.sort(key=lambda item: (-min(item[1], item[2]), item[0].tenant))
            found += [part for part, before, after in sized[:MOST_TENANTS] if min(before, after) >= min_n]
            too_few += [item for item in sized[:MOST_TENANTS] if min(item[1], item[2]) < min_n]
    return Planned(
        tuple(found),
        tuple(too_few),
        (*_unlike(rows), *_new_sketches(sketches), *_new_embeddings(counts)),
    )


def _of_indexes(
    series: Series,
    sketch_version: str,
    then: Mapping[tuple[str, str], int],
    now: Mapping[tuple[str, str], int],
    min_n: int,
) -> list[Comparison]:
    """One comparison for each version of the index that serves enough now; all together where none does."""
    by_index: dict[str, int] = defaultdict(int)
    before: dict[str, int] = defaultdict(int)
    for (index, _), searches in now.items():
        by_index[index] += searches
    for (index, _), searches in then.items():
        before[index] += searches
    whole = Comparison(**series._asdict(), sketch_version=sketch_version)
    served = sorted((index for index, n in by_index.items() if n >= min_n), key=lambda i: (-by_index[i], i))
    if not served or (len(by_index) == 1 and set(before) == set(by_index)):
        return [whole]
    return [
        replace(whole, current_index=index, reference_index=index if before.get(index, 0) >= min_n else ANY_INDEX)
        for index in served[:_MOST_INDEXES]
    ]


def _size(comparison: Comparison, cells: Mapping[tuple[str, str], int], *, is_current: bool) -> int:
    index = comparison.current_index if is_current else comparison.reference_index
    return sum(
        searches
        for (version, tenant), searches in cells.items()
        if index in (ANY_INDEX, version) and comparison.tenant in ("", tenant)
    )


def _unlike(rows: Sequence[Mapping[str, Any]]) -> list[Mismatch]:
    told: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in rows:
        if row["is_current"] and row["unlike"]:
            index = f"{row['embedding']} {row['embedding_version']}".strip()
            told[row["collection"], index, row["unlike_embedding"].strip()] += row["unlike"]
    return [Mismatch("unlike_embedding", *key, searches) for key, searches in sorted(told.items())]


def _new_sketches(sketches: Mapping[bool, Mapping[Series, Mapping[str, int]]]) -> list[Mismatch]:
    found = []
    for series, seen in sorted(sketches[True].items()):
        known = sketches[False].get(series, {})
        for version, searches in sorted(seen.items()):
            if known and version not in known:
                found.append(Mismatch("new_sketch", series.collection, ", ".join(sorted(known)), version, searches))
    return found


def _new_embeddings(counts: Mapping[bool, Mapping[Series, Mapping[tuple[str, str], int]]]) -> list[Mismatch]:
    """Embeddings that a collection and operation has now and had not in the reference."""
    found = []
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for series in counts[False]:
        known[series.collection, series.operation].add(f"{series.embedding} {series.embedding_version}".strip())
    for series, cells in sorted(counts[True].items()):
        was = known.get((series.collection, series.operation), set()) - {""}
        now = f"{series.embedding} {series.embedding_version}".strip()
        if was and now and now not in was:
            found.append(Mismatch("new_embedding", series.collection, ", ".join(sorted(was)), now, sum(cells.values())))
    return found
