"""Conditions that are true of all rows are left out of a statement, and nothing else is."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_store.questions import guards
from sightline_store.questions.conditions import condition, sql_text
from sightline_store.questions.search import parse

TEXT = """SELECT 1 -- a comment (with 'one
FROM t
WHERE a = ')'
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({model:String} = '' OR b IN (
        SELECT b FROM u WHERE c = '(' AND ({route:String} = '' OR Route = {route:String})))
    AND ({sort:String} != 'time' OR f(g(1)) > 2) AND ({only_errors:UInt8} = 0 OR failed)
LIMIT 1"""
BEGINNING = "SELECT 1 -- a comment (with 'one\nFROM t\nWHERE a = ')'\n    "


@pytest.mark.parametrize(
    ("params", "rest"),
    [
        ({"tenant": "", "model": "", "route": "", "sort": "ttft", "only_errors": 0}, ["", "", "", ""]),
        ({"tenant": "a", "model": "", "route": "r", "sort": "time", "only_errors": 1},
         ["AND ({tenant:String} = '' OR Tenant = {tenant:String})", "",
          "AND ({sort:String} != 'time' OR f(g(1)) > 2)", "AND ({only_errors:UInt8} = 0 OR failed)"]),
        ({"tenant": "", "model": "m", "route": "", "sort": "", "only_errors": 0},
         ["", "AND ({model:String} = '' OR b IN (\n        SELECT b FROM u WHERE c = '(' ))", "", ""]),
    ],
)  # fmt: skip
def test_what_narrows_nothing_is_left_out(params: dict[str, Any], rest: list[str]) -> None:
    """Also where it lies in one that narrows; comments and texts in quotes are not read as SQL."""
    tenant, model, sort, errors = rest
    wanted = f"{BEGINNING}{tenant}\n    {model}\n    {sort} {errors}\nLIMIT 1"
    assert guards.needed(TEXT, params) == wanted


def test_a_parameter_that_is_not_given_leaves_its_condition() -> None:
    """As one that is a list does."""
    assert guards.needed(TEXT, {"tenant": ["", ""]}) == TEXT
    with pytest.raises(ValueError, match="a parenthesis is not closed"):
        guards.needed("x AND ({a:String} = '' OR (b)", {"a": ""})


_NAMES = (
    "queries/overview", "queries/traces", "queries/traces_by_cost", "queries/traces_by_score", "queries/spend_by",
    "queries/ttft_over_time", "queries/people/sessions", "queries/people/spend_by_person", "queries/searched_requests",
    "rollups/questions/overview", "rollups/questions/listed_facts", "rollups/questions/searched_facts",
    "rollups/questions/spend_by", "rollups/questions/stage_summary", "rollups/questions/embedding_spend",
)  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_the_texts_of_questions_stay_whole(name: str) -> None:
    """For every narrowing: parentheses are closed, no condition without effect is left, and one with effect stays."""
    text = condition(parse("cost>0.1 shipping -stage:cache")).put_into(sql_text(f"{name}.sql"))
    for tenant, model, route in itertools.product(("", "x"), repeat=3):
        params = {"tenant": tenant, "model": model, "route": route, "only_errors": 0}
        needed = re.sub(r"--[^\n]*", "", guards.needed(text, params))
        bare = re.sub(r"'(?:[^'\\]|\\.)*'", "", needed)
        assert bare.count("(") == bare.count(")")
        for key, value in (("tenant", tenant), ("model", model), ("route", route)):
            told = re.search(rf"\(\{{{key}:String\}} = '' OR", text) is not None
            assert (re.search(rf"AND \(\{{{key}:String\}} = '' OR", needed) is not None) <= (told and value != "")
            if value and f"AND ({{{key}:String}} = '' OR" in text:
                assert f"{{{key}:String}}" in needed


@given(st.lists(st.sampled_from(["a", "(b)", "'('", "-- (\n", "AND ({t:String} = '' OR (c))", "AND"]), max_size=8))
def test_only_such_conditions_go(parts: list[str]) -> None:
    """Whatever stands around them."""
    condition = "AND ({t:String} = '' OR (c))"
    text = " ".join(parts)
    assert guards.needed(text, {"t": ""}) == " ".join("" if part == condition else part for part in parts)
    assert guards.needed(text, {"t": "x"}) == text
