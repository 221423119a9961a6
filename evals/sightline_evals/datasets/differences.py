"""What changed between two datasets, case by case. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import row_of


@dataclass(frozen=True, slots=True)
class Change:
    """A case that both datasets have with other values.

    Attributes:
        before: the case of the first dataset.
        after: the case of the second.
        values: (before, after) by column; None where a dataset has no value.
    """

    before: Sample
    after: Sample
    values: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a second dataset differs from a first; cases are matched by id.

    Attributes:
        added: cases of the second only, in its order.
        removed: cases of the first only, in its order.
        changed: cases of both with other values, in the order of the second.
        unchanged: how many cases are the same in both.
    """

    added: tuple[Sample, ...]
    removed: tuple[Sample, ...]
    changed: tuple[Change, ...]
    unchanged: int


def difference(before: Sequence[Sample], after: Sequence[Sample]) -> Difference:
    """Compare two datasets whose ids are unique; the order of cases does not matter."""
    old = {sample.id: sample for sample in before}
    new = {sample.id: sample for sample in after}
    common = [(old[sample.id], sample) for sample in after if sample.id in old]
    changed = [Change(first, second, values) for first, second in common if (values := _changed(first, second))]
    return Difference(
        added=tuple(sample for sample in after if sample.id not in old),
        removed=tuple(sample for sample in before if sample.id not in new),
        changed=tuple(changed),
        unchanged=len(common) - len(changed),
    )


def _changed(before: Sample, after: Sample) -> dict[str, tuple[Any, Any]]:
    first, second = row_of(before), row_of(after)
    names = [name for name in first if name not in second]
    return {
        name: (first.get(name), second.get(name)) for name in (*second, *names) if first.get(name) != second.get(name)
    }
