"""What changed between datasets, and how one is divided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sightline_evals.datasets import Sample
from sightline_evals.datasets.differences import difference
from sightline_evals.datasets.splitting import split
from sightline_evals.errors import UsageError


def sample(case: str, **wishes: object) -> Sample:
    """A case of this id."""
    made = Sample(case, f"question {case}?", "A.", ("C.",))
    return replace(made, **wishes)  # type: ignore[arg-type]  # names of fields


def test_added_removed_and_changed_cases_are_told_by_their_ids() -> None:
    """The order of cases does not matter, and each changed column has its two values."""
    before = [sample("a"), sample("b"), sample("c", reference="R.")]
    after = [sample("c", answer="B."), sample("a"), sample("d")]
    found = difference(before, after)
    assert [one.id for one in found.added] == ["d"]
    assert [one.id for one in found.removed] == ["b"]
    (change,) = found.changed
    assert (change.before.id, change.after.id) == ("c", "c")
    assert change.values == {"answer": ("A.", "B."), "reference": ("R.", None)}
    assert found.unchanged == 1


def test_a_changed_note_is_a_change() -> None:
    """Equality of samples leaves notes out; people who compare files do not."""
    assert difference([sample("a")], [sample("a", note="n")]).changed[0].values == {"note": (None, "n")}


def test_conversations_stay_together_and_shares_are_near() -> None:
    """No turn of a conversation is in another part than the others."""
    samples = [sample(f"{turn}-{talk}", conversation=f"talk {talk}") for talk in range(300) for turn in range(3)]
    parts = split(samples, {"train": 0.8, "test": 0.2})
    talks = {name: {one.conversation for one in part} for name, part in parts.items()}
    assert not talks["train"] & talks["test"]
    assert 0.15 < len(parts["test"]) / len(samples) < 0.25
    assert sum(map(len, parts.values())) == len(samples)


def test_a_case_stays_in_its_part_when_others_come() -> None:
    """Adding to a dataset moves nothing from test to train; another seed divides otherwise."""
    few = [sample(str(number)) for number in range(100)]
    many = [*(sample(f"new {number}") for number in range(100)), *few]
    shares = {"train": 0.5, "test": 0.5}
    first, second = split(few, shares), split(many, shares)
    assert {one.id for one in first["test"]} <= {one.id for one in second["test"]}
    assert [one.id for one in first["test"]] == [one.id for one in few if one in first["test"]]
    assert split(few, shares, "other")["test"] != first["test"]


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ({"all": 1.0}, "needs two parts or more"),
        ({"train": 0.8, "test": 0.3}, "must each be above 0 and sum to 1"),
        ({"train": 1.5, "test": -0.5}, "must each be above 0"),
        ({"train": float("nan"), "test": 0.5}, "must each be above 0"),
        ({"train": 1 - 1e-9, "test": 1e-9}, "part test gets none of the 10 cases"),
    ],
)
def test_shares_that_cannot_work_are_refused(shares: dict[str, float], reason: str) -> None:
    """An empty part would be a dataset that nobody can read."""
    with pytest.raises(UsageError, match=reason):
        split([sample(str(number)) for number in range(10)], shares)
