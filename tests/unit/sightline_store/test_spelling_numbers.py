"""The numbers of spellings: the same for ever, with preference apart from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sightline_store.conventions import aliases, canonical, columns
from sightline_store.conventions.columns import Column

_FROZEN: dict[str, int] = json.loads(Path(__file__).with_name("spelling_numbers.json").read_text(encoding="utf-8"))


def _retired_ids() -> dict[str, int]:
    return {
        key: column * columns.SPELLINGS_MAX + number
        for column, spellings in columns.RETIRED.items()
        for number, key in spellings.items()
    }


def test_every_spelling_keeps_its_number() -> None:
    """The alias table has, for each key of the frozen list, the number of that list; retired keys are reserved."""
    assert {key: id_ for key, id_ in {**_retired_ids(), **aliases.spelling_ids()}.items() if key in _FROZEN} == _FROZEN


def test_new_spellings_are_frozen_with_numbers_that_were_never_used() -> None:
    """A key that is not in the frozen list has to be added to it, with a number that no other key has had."""
    added = {key: id_ for key, id_ in aliases.spelling_ids().items() if key not in _FROZEN}
    assert not set(added.values()) & set(_FROZEN.values()), "a number that another spelling has or had"
    assert not added, f"add to spelling_numbers.json: {json.dumps(added)}"


def test_columns_refuse_numbers_that_are_used_twice_or_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retired spelling's number is not free, and a number past the limit would be another column's."""
    monkeypatch.setitem(columns.RETIRED, 9, {1: "retired"})
    with pytest.raises(ValueError, match="one of its own"):
        Column(9, {0: "first", 1: "reuses the number of a retired spelling"})
    with pytest.raises(ValueError, match="0 to 31"):
        Column(9, {32: "too many"})
    with pytest.raises(ValueError, match="needs 1 to 253"):
        Column(254, {0: "the number of an event"})


def test_a_new_spelling_can_be_preferred_to_older_ones() -> None:
    """Its number is the next free one wherever it stands; only keys out of their numbers' order get a rank."""
    column = Column(9, {3: "new", 0: "first", 1: "second", 2: "third"})
    assert column.keys == ("new", "first", "second", "third")
    assert column.ids() == {"new": 291, "first": 288, "second": 289, "third": 290}
    assert column.ranks() == {291: 288, 288: 289, 289: 290, 290: 291}
    assert Column(9, {0: "first", 1: "second", 3: "fourth"}).ranks() == {}


def test_the_generated_sql_sorts_by_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is preferred against its number is sorted by its rank."""
    assert "arraySort(pair -> pair.1," in canonical.spellings_select("otel_traces")
    monkeypatch.setitem(aliases.COLUMNS, "stage", Column(1, {1: "my.stage", 0: "sightline.stage"}))
    aliases.spelling_ids.cache_clear()
    try:
        sql = canonical.spellings_select("otel_traces")
    finally:
        aliases.spelling_ids.cache_clear()
    assert "arraySort(pair -> transform(pair.1, [33, 32], [32, 33], pair.1)," in sql
