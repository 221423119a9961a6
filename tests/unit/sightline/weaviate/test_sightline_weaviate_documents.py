"""Found objects as the text of an attribute: JSON that says what was found, whatever it holds."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.weaviate.documents import (
    BM25,
    MAX_DOCUMENTS,
    ONE_MINUS_DISTANCE,
    RERANK,
    CollectionNotes,
    Relevance,
    as_json,
    documents,
)

FULL = CapturePolicy(Capture.FULL)


def found(text: object = "passage", **properties: object) -> Any:
    """An object as the client gives it."""
    return SimpleNamespace(uuid="u-1", properties={"text": text, **properties}, metadata=None)


def read(objects: list[Any], said: list[Relevance], kind: str = BM25, policy: CapturePolicy = FULL, **kw: Any) -> Any:
    """The rows, read back."""
    return json.loads(as_json(documents(objects, said, kind, policy, **kw)))


@given(st.text(), st.text(min_size=1))
def test_any_text_is_read_back_as_it_was(text: str, title: str) -> None:
    """Quotes, control signs, line separators: the text is JSON all the same."""
    (row,) = read([found(text, title=title)], [Relevance(score=1.0)])
    assert (row["content"], row["title"]) == (text, title)


@given(st.floats(width=32))
def test_any_number_is_read_back_to_seven_digits_or_left_empty(number: float) -> None:
    """A number of the wire comes without invented digits; what is no number is null, not invalid JSON."""
    (row,) = read([found()], [Relevance(distance=number)], ONE_MINUS_DISTANCE)
    if math.isfinite(number):
        assert row["distance"] == pytest.approx(number, abs=1e-7, rel=1e-6)
        assert row["score"] == pytest.approx(1 - number, abs=1e-6, rel=1e-6)
    else:
        assert row["distance"] is row["score"] is None


def test_rows_hold_the_scores_of_each_kind_of_search() -> None:
    """The score of each kind, and the number that it was made from."""
    certain = [Relevance(certainty=0.75)]
    assert read([found()], certain, ONE_MINUS_DISTANCE)[0] == {
        "id": "u-1", "score": 0.5, "certainty": 0.75, "content": "passage",
    }  # fmt: skip
    ranked = [Relevance(score=0.25, rerank_score=3.5)]
    assert read([found()], ranked, RERANK)[0] == {
        "id": "u-1", "score": 3.5, "first_score": 0.25, "content": "passage",
    }  # fmt: skip
    assert documents([found()], [Relevance()], RERANK, FULL)[0][1] is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Capture.NONE, {"id": "u-1", "score": 1.0}),
        (Capture.LENGTHS, {"id": "u-1", "score": 1.0, "length": 7}),
        (Capture.FULL, {"id": "u-1", "score": 1.0, "content": "passage"}),
    ],
)
def test_content_follows_the_capture_setting(mode: Capture, expected: dict[str, Any]) -> None:
    """Nothing, its length, or itself; never the other properties."""
    assert read([found(size=7)], [Relevance(score=1.0)], policy=CapturePolicy(mode)) == [expected]


def test_noted_properties_are_used_instead_of_the_usual_names() -> None:
    """The user's description of a collection takes precedence over the usual names; missing properties are left out."""
    item = found("usual", body="noted", heading="noted heading", title="usual title")
    notes = CollectionNotes({}, content="body", title="heading")
    (row,) = read([item], [Relevance(score=1.0)], notes=notes)
    assert (row["content"], row["title"]) == ("noted", "noted heading")
    (row,) = read([item], [Relevance(score=1.0)], notes=CollectionNotes({}, content="absent", title="absent"))
    assert row.keys() == {"id", "score"}


def test_numbers_are_read_from_the_objects_where_the_reply_has_another_count() -> None:
    """Relevances that do not fit the objects are not guessed to belong to them."""
    item = found()
    item.metadata = SimpleNamespace(score=0.5, distance=None, certainty="?", rerank_score=None, explain_score="why")
    (row,) = read([item], [Relevance(score=9.0), Relevance(score=8.0)])
    assert (row["score"], row["explain"]) == (0.5, "why")
    assert "certainty" not in row


def test_rows_are_bounded() -> None:
    """Of very many documents only the first are written, and no document is an empty list."""
    assert len(documents([found()] * (MAX_DOCUMENTS + 5), [], BM25, FULL)) == MAX_DOCUMENTS
    assert as_json([]) == "[]"
