"""Captured content: bounded, redacted, never raising."""

import dataclasses
import datetime
import enum
import json
import pathlib
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import faults, semconv
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.capture.values import HARD_LIMIT_CHARS, attribute, call_input, cut

FULL = CapturePolicy(Capture.FULL)
SHA_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
BLOB_ABC = f'{{"type":"blob","mime":"application/octet-stream","bytes":3,"sha256":"{SHA_ABC}"}}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.sets(st.integers()),
    max_leaves=30,
)


class Colour(enum.Enum):
    """A colour."""

    RED = "red"


@dataclasses.dataclass
class Doc:
    """A document."""

    id: int
    when: datetime.date


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (3, "3"),
        (float("nan"), '"nan"'),
        (b"abc", BLOB_ABC),
        (Doc(1, datetime.date(2026, 1, 2)), '{"id":1,"when":"2026-01-02"}'),
        (Colour.RED, '"red"'),
        ({1: (True, None)}, '{"1":[true,null]}'),
        (np.zeros((2, 3)), '"<ndarray (2, 3) float64>"'),
        (object(), '"<builtins.object>"'),
    ],
)
def test_shapes(value: Any, expected: str) -> None:
    """What a value looks like on a span."""
    assert FULL.text(value) == expected


@settings(deadline=None)
@given(JSON, st.integers(1, 200))
def test_anything_is_bounded_json(value: Any, limit: int) -> None:
    """Whatever it is: valid, no longer than the limit and a little, no fault."""
    faults.reset()
    text = CapturePolicy(Capture.TRUNCATED, limit).text(value)
    assert text is not None
    if not isinstance(value, str):
        json.loads(text)
    assert faults.counts() == {}


def test_large_values_are_cut_before_they_are_serialised() -> None:
    """A list of a million items and a circular one cost next to nothing."""
    policy = CapturePolicy(Capture.TRUNCATED, 100)
    started = time.perf_counter()
    text = policy.text(["word"] * 1_000_000)
    assert text is not None
    assert len(text) < 400
    assert "more]" in text
    circle: list[Any] = []
    circle.append(circle)
    assert policy.text(circle) is not None
    assert time.perf_counter() - started < 1


def test_full_has_a_hard_limit() -> None:
    """Full is not endless."""
    text = FULL.text("x" * 1_000_000)
    assert text is not None
    assert len(text) < HARD_LIMIT_CHARS + 100
    documents = FULL.documents([{"id": i, "score": 1.0, "content": "x" * 100_000} for i in range(50)])
    assert documents is not None
    assert len(documents) < HARD_LIMIT_CHARS * 1.1
    assert len(json.loads(documents)) == 50


def test_redaction_sees_every_text() -> None:
    """The hook masks strings, nested ones too; an error in it drops the text."""
    policy = CapturePolicy(Capture.FULL, redact=lambda text: text.replace("secret", "***"))
    assert policy.text("a secret") == "a ***"
    assert policy.text({"k": ["secret"]}) == '{"k":["***"]}'
    assert policy.documents([{"id": 1, "score": 1, "content": "secret"}]) == '[{"id":"1","score":1.0,"content":"***"}]'

    def broken(text: str) -> str:
        raise ValueError

    faults.reset()
    assert CapturePolicy(Capture.FULL, redact=broken).text("secret") is None
    assert faults.counts() == {"capture": 1}
    faults.reset()


@pytest.mark.parametrize("mode", [Capture.NONE, Capture.LENGTHS])
def test_modes_without_content(mode: Capture) -> None:
    """Without content there is no text at all."""
    assert CapturePolicy(mode).text("secret") is None
    documents = CapturePolicy(mode).documents([{"id": 1, "score": 1, "content": "secret", "title": "secret"}])
    assert documents is not None
    assert "secret" not in documents


def test_call_input() -> None:
    """A single argument is the value itself, several are a mapping by name, self is left out."""
    assert call_input(("a",), {}, ("q",)) == "a"
    assert call_input((object(), "a"), {"k": 1}, ("self", "q")) == {"q": "a", "k": 1}
    assert call_input(("a", "b"), {}, ("q",)) == {"q": "a", "arg1": "b"}


def test_attribute_values() -> None:
    """What a span can hold stays; the rest becomes JSON or is left out."""
    assert attribute(["a", "b"]) == ["a", "b"]
    assert attribute([1, "b"]) == '[1,"b"]'
    assert attribute(float("nan")) is None
    assert attribute(True) is True
    assert attribute([]) == "[]"


def test_cut_says_how_much_is_missing() -> None:
    """A cut text is recognisable."""
    assert cut("abcdef", 4) == "abcd… [2 more]"


def test_names_are_unique_and_documented() -> None:
    """Each constant is defined once, with a docstring that names its source."""
    names = {key: value for key, value in vars(semconv).items() if key.isupper()}
    plain = [value for key, value in names.items() if not key.startswith(("STAGE_", "OUTCOME_"))]
    assert len(set(plain)) == len(plain)
    source = pathlib.Path(semconv.__file__).read_text(encoding="utf-8")
    for name in names:
        after = source.split(f"\n{name}: Final", 1)[1].split("\n", 2)[1]
        assert after.startswith('"""')
        assert after.rstrip('"').rstrip().endswith("]") or name == "SCHEMA_URL"
