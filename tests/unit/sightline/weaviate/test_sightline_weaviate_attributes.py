"""What a Weaviate call asked for, as span attributes: filters, vectors, targets, prompts; how a tenant was missed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from weaviate.classes.query import Filter, HybridVector, TargetVectors

from sightline import semconv
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.weaviate import attributes

UUID = "00000000-0000-0000-0000-000000000001"
FULL = CapturePolicy(Capture.FULL)
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
FILTERS: dict[str, Any] = {
    'a Equal "x"': Filter.by_property("a").equal("x"),
    "a Equal 1 And b LessThan 2.5 And c IsNull true": Filter.by_property("a").equal(1)
    & Filter.by_property("b").less_than(2.5)
    & Filter.by_property("c").is_none(True),
    "(a Equal 1 And b Equal 2) Or c Equal 3": (Filter.by_property("a").equal(1) & Filter.by_property("b").equal(2))
    | Filter.by_property("c").equal(3),
    "Not (a Equal 1 Or b Equal 2)": ~(Filter.by_property("a").equal(1) | Filter.by_property("b").equal(2)),
    'at GreaterThanEqual "2026-01-02 00:00:00+00:00"': Filter.by_property("at").greater_or_equal(MOMENT),
    "len(a) GreaterThan 2": Filter.by_property("a", length=True).greater_than(2),
    f'_id ContainsAny ["{UUID}"]': Filter.by_id().contains_any([UUID]),
    'next.title Like "x*"': Filter.by_ref("next").by_property("title").like("x*"),
    'next[Other].title Equal "x"': Filter.by_ref_multi_target("next", "Other").by_property("title").equal("x"),
    "next GreaterThan 2": Filter.by_ref_count("next").greater_than(2),
}


@pytest.mark.parametrize("text", FILTERS)
def test_filters_are_readable(text: str) -> None:
    """As a person would write them; without content, a question mark for each literal."""
    assert attributes.filter_text(FILTERS[text], FULL) == text
    hidden = attributes.filter_text(FILTERS[text], CapturePolicy(Capture.LENGTHS))
    assert "?" in hidden
    assert not any(literal in hidden for literal in ('"', "2.5", "2026", UUID))


def test_filters_are_masked_and_cut() -> None:
    """The redaction hook sees a filter before it is cut; a filter without end has an end."""
    policy = CapturePolicy(Capture.FULL, redact=lambda text: text.replace("secret", "***"))
    assert "secret" not in attributes.filter_text(Filter.by_property("a").equal("secret"), policy)
    deep: Any = Filter.by_property("a").equal("x" * 50)
    for _ in range(60):
        deep = ~deep | Filter.by_property("b").equal("y" * 50)
    assert len(attributes.filter_text(deep, FULL)) < 2100


@pytest.mark.parametrize(
    ("vector", "sketched"),
    [
        ([1.0, 2.0], True),
        ({"one": [1.0, 2.0]}, True),
        ({"one": [1.0], "two": [2.0]}, False),
        ([[1.0, 2.0], [3.0, 4.0]], False),
        (HybridVector.near_vector([1.0, 2.0], distance=0.3), True),
        (HybridVector.near_text("text"), False),
        (None, False),
    ],
)
def test_single_vectors_are_sketched(vector: Any, sketched: bool) -> None:
    """One vector, however it is wrapped; several vectors are no single question."""
    assert (semconv.QUERY_SKETCH in attributes.vector_attributes(vector)) is sketched


def test_targets_and_prompts_are_named() -> None:
    """Joined targets and generative prompts."""
    found = attributes.request_attributes(
        {"target_vector": TargetVectors.sum(["a", "b"]), "single_prompt": "x", "query": ["one", "two"]},
        FULL,
        ranked=True,
    )
    assert found[semconv.RETRIEVAL_TARGET_VECTORS] == ["a", "b"]
    assert found[semconv.RETRIEVAL_GENERATIVE] == "single"
    assert found[semconv.RETRIEVAL_QUERY_TEXT] == '["one","two"]'


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("class Rooms has multi-tenancy enabled, but request was without tenant", "missing"),
        ("class Docs has multi-tenancy disabled, but request was with tenant", "unexpected"),
        ('tenant not found: "x"', "unknown"),
        ("tenant not active: 'x'", "inactive"),
        ("could not find class Nope in schema", None),
    ],
)
def test_tenant_errors_are_classified(message: str, kind: str | None) -> None:
    """By the server's own words."""
    assert attributes.error_attributes(ValueError(message)).get(semconv.DB_TENANT_ERROR) == kind
