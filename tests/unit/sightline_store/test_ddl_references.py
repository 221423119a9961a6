"""What a SELECT reads and calls, the same over other tables, and the order in which objects are made."""

from __future__ import annotations

import random

import pytest

from sightline_store import ddl
from sightline_store.ddl import Kind, references
from sightline_store.errors import DdlError
from sightline_store.schema import declared


@pytest.mark.parametrize(
    ("select", "sources"),
    [
        ("SELECT 1", []),
        ("SELECT a FROM t", ["t"]),
        ("SELECT a FROM db.t AS x JOIN `u` USING (k)", ["t", "u"]),
        ("SELECT trim(BOTH '\"' FROM one.2), extract(year FROM d) FROM t", ["t"]),
        ("SELECT 'FROM nothing' -- FROM nobody\nFROM t ARRAY JOIN list", ["t"]),
        ("WITH (SELECT groupArray(x)[-1] FROM t) AS last SELECT a FROM (SELECT b FROM u)", ["t", "u"]),
        ("WITH part AS (SELECT 1 FROM t), other AS (SELECT 2 FROM part) SELECT * FROM other, part", ["t"]),
        ("SELECT number FROM numbers(10) JOIN t ON 1", ["t"]),
        ("SELECT a FROM t UNION ALL SELECT a FROM t WHERE a IN (SELECT a FROM u)", ["t", "u"]),
    ],
)
def test_sources_are_the_tables_behind_from_and_join(select: str, sources: list[str]) -> None:
    """No common table, no table function, nothing in strings, comments or the FROM of a function."""
    assert references.sources(select) == sources


def test_a_select_over_other_tables() -> None:
    """Each name, with its database, is replaced by a name or a subquery, and nothing else is."""
    select = "SELECT trim(BOTH 't' FROM t) FROM otel.t WHERE x IN (SELECT t FROM u)"
    assert references.with_sources(select, lambda name: f"(SELECT * FROM {name}2)") == (
        "SELECT trim(BOTH 't' FROM t) FROM (SELECT * FROM t2) WHERE x IN (SELECT t FROM (SELECT * FROM u2))"
    )


def test_calls_are_replaced_by_name() -> None:
    """A function's name in front of its bracket only."""
    text = "f(x) + g(f(1)) + f AS f, 'f(' -- f(\n"
    assert references.calls(text) == ["f", "g"]
    assert (
        references.with_calls(text, lambda name: {"f": "h"}.get(name, name)) == "h(x) + g(h(1)) + f AS f, 'f(' -- f(\n"
    )


@pytest.mark.parametrize(
    ("select", "follows"),
    [
        ("SELECT * FROM t", True),
        ("SELECT a, * EXCEPT (b) FROM t", True),
        ("SELECT t.* FROM t", True),
        ("SELECT count(*), a * b FROM t", False),
        ("SELECT 2 * a FROM t", False),
    ],
)
def test_a_select_that_follows_the_columns_of_its_sources(select: str, *, follows: bool) -> None:
    """A star in the list of columns is one; a multiplication and count(*) are none."""
    assert references.reads_all_columns(select) is follows


def test_objects_are_made_behind_what_they_need() -> None:
    """In whatever order they are given; a view reads no table that is made after it."""
    objects = list(declared.objects().values())
    expected = [statement.name for statement in objects]
    for seed in range(5):
        random.Random(seed).shuffle(objects)
        assert [statement.name for statement in ddl.ordered(objects)] == expected
    functions = [statement.name for statement in objects if statement.kind is Kind.FUNCTION]
    places = {name: place for place, name in enumerate(expected)}
    for statement in objects:
        assert all(places[need] < places[statement.name] for need in statement.needs(places, functions))


def test_objects_that_need_each_other_are_refused() -> None:
    """So are two of one name."""
    one, two = ddl.parse("CREATE VIEW a AS SELECT 1 FROM b"), ddl.parse("CREATE VIEW b AS SELECT 1 FROM a")
    with pytest.raises(DdlError, match="need each other"):
        ddl.ordered([one, two])
    with pytest.raises(DdlError, match="two objects named a"):
        ddl.ordered([one, one])
