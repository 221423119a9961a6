"""The sketch of a query's embedding: always the same bytes, and a cosine to be trusted within its stated error."""

from __future__ import annotations

import base64
import hashlib
import math
import random
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sightline
from sightline import semconv, sketch
from sightline.testing import captured

GOLDEN = {
    1: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB/AAAAAAAAAAA=",
    3: "AAAAAAAAAAAAAAAAAAAAAOMAAAA2AABvAAAAAAAAAAA=",
    32: "ISYW4g4AHAPc/gAAAAAAAA4OKeQZ1xY0ACYA+AD6AAs=",
    100: "1S8M8PTvDATd+RUK9QTu7AUoGu4v9goR8hUB8yrtDP4=",
    384: "ziwZ5hf+CRX6FRAB7jwG9RgSCf8D4ffwAfoE8xkOIgs=",
    768: "3g0i6BL4IT7/BAnt7S4DBRj4IekT8O0I/ffr7RL2C/k=",
    1536: "8xER9wMLICkOERPt6SQDDRYTJPMaBAgy5e0K6iHrEfE=",
    3072: "BwgHAxkjKA0CFCEE7BXvARIW/ff6CRBQ9QH86hHmDBM=",
}
"""Dimensions of ``ramp`` -> sketch, written down once."""


def ramp(dimensions: int) -> list[float]:
    """A vector that needs no random numbers: its coordinates are exact in binary."""
    return [((number * 37) % 101 - 50) / 64 for number in range(dimensions)]


def cosine(one: Any, other: Any) -> float:
    """The exact cosine."""
    return float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))


def by_the_description(vector: list[float]) -> str:
    """The sketch, written a second time from the module's description alone."""
    sums = [0.0] * 32
    for coordinate, number in enumerate(vector):
        byte = hashlib.sha256(f"sightline:{coordinate // 32}".encode()).digest()[coordinate % 32]
        sums[byte % 32] += number if (byte // 32) % 2 else -number
    length = math.sqrt(sum(x * x for x in sums))
    return base64.b64encode(bytes(round(127 * x / length) % 256 for x in sums)).decode()


@pytest.mark.parametrize("dimensions", GOLDEN)
def test_sketch_is_the_same_everywhere_and_always(dimensions: int) -> None:
    """Bytes that were written down once; a change of them would need another method name."""
    assert sketch.METHOD == "cs1"
    assert sketch.sketch(ramp(dimensions)) == GOLDEN[dimensions]
    assert sketch.version(dimensions) == f"cs1:sightline:32:{dimensions}"


@pytest.mark.parametrize("dimensions", [1, 2, 31, 32, 33, 384, 1536])
def test_sketch_follows_its_description(dimensions: int) -> None:
    """Whoever reads the description gets the same bytes."""
    assert sketch.sketch(ramp(dimensions)) == by_the_description(ramp(dimensions))


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        lambda vector: np.array(vector, dtype=np.float64),
        lambda vector: np.array(vector, dtype=np.float32),
        lambda vector: list(np.array(vector, dtype=np.float32)),
        lambda vector: __import__("array").array("d", vector),
        lambda vector: [number * 1e-3 * 1024 for number in vector],
    ],
)
def test_kind_and_length_of_a_vector_do_not_matter(make: Any) -> None:
    """Lists, arrays, half the precision, another length of the vector: the same direction, the same bytes."""
    assert sketch.sketch(make(ramp(768))) == GOLDEN[768]


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        [],
        "a text",
        b"bytes",
        3.0,
        {"name": [1.0]},
        [[1.0, 2.0]],
        ["1.0"],
        [1.0, "2.0"],
        [1.0, None],
        [0.0, 0.0],
        [math.nan, 1.0],
        [math.inf, -math.inf],
        [math.inf, 1.0],
        [1e308] * 64,
        [5e-324],
        [1.0] * (sketch.MAX_DIMENSIONS + 1),
        np.zeros((2, 2)),
        pytest.param(object(), id="object"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_vector_has_no_sketch(nothing: Any) -> None:
    """No error, no sketch; neither from the function nor on a span."""
    assert sketch.sketch(nothing) is None
    with captured() as spans, sightline.embedding("m"):
        sketch.record_query_vector(nothing)
    assert semconv.QUERY_SKETCH not in spans.attributes("embeddings m")


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200))
def test_any_vector_gives_a_sketch_of_one_form(vector: list[float]) -> None:
    """44 characters that decode to 32 numbers of length one; the opposite vector has the opposite sketch."""
    text = sketch.sketch(vector)
    if text is None:
        assert math.sqrt(sum(x * x for x in vector)) == pytest.approx(0, abs=1e6)  # zero, or all of it cancelled
        return
    assert len(text) == 44
    numbers = sketch.decode(text)
    assert math.sqrt(sum(x * x for x in numbers)) == pytest.approx(1, abs=0.03)
    opposite = sketch.sketch([-number for number in vector])
    assert opposite is not None
    assert sketch.decode(opposite) == [-number for number in numbers]
    assert sketch.cosine(text, text) == pytest.approx(1)
    assert sketch.cosine(text, opposite) == pytest.approx(-1)


@given(st.integers(0, 2**32 - 1), st.floats(-0.99, 0.99), st.sampled_from([64, 384, 768, 1536]))
def test_cosine_of_sketches_is_near_the_cosine_of_vectors(seed: int, wanted: float, dimensions: int) -> None:
    """Within six standard errors, ``6 * (1 - c**2) / sqrt(32)``, beside what eight bits round away."""
    one, other = pair(seed, wanted, dimensions)
    exact = cosine(one, other)
    first, second = sketch.sketch(one), sketch.sketch(other)
    assert first is not None
    assert second is not None
    assert abs(sketch.cosine(first, second) - exact) <= 6 * (1 - exact**2) / math.sqrt(32) + 0.08


def pair(seed: int, wanted: float, dimensions: int) -> tuple[Any, Any]:
    """Two random directions with about the wanted cosine."""
    source = np.random.default_rng(seed)
    one, noise = source.normal(size=(2, dimensions))
    one /= np.linalg.norm(one)
    noise -= one * np.dot(one, noise)
    noise /= np.linalg.norm(noise)
    return one, wanted * one + math.sqrt(1 - wanted**2) * noise


@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6, 0.9])
def test_error_of_the_cosine_is_as_stated(wanted: float) -> None:
    """Over 2,000 pairs: no bias, and the spread of the Johnson-Lindenstrauss projection of that size."""
    errors = []
    for seed in range(2000):
        one, other = pair(seed, wanted, 384)
        first, second = sketch.sketch(one.tolist()), sketch.sketch(other.tolist())
        assert first is not None
        assert second is not None
        errors.append(sketch.cosine(first, second) - cosine(one, other))
    stated = (1 - wanted**2) / math.sqrt(32)
    assert abs(statistics.fmean(errors)) < 0.02
    assert 0.85 * stated < statistics.stdev(errors) < 1.15 * stated


def test_drift_of_a_population_is_detected() -> None:
    """300 questions of each of two topics: means of sketches tell the topics apart as means of the vectors do."""
    source = random.Random(7)

    def questions(topic: int) -> list[list[float]]:
        centre = [source.gauss(0, 1) if (place + topic) % 3 else 0.0 for place in range(256)]
        return [[c + source.gauss(0, 1) for c in centre] for _ in range(300)]

    def mean(vectors: list[list[float]]) -> list[float]:
        return [statistics.fmean(column) for column in zip(*vectors, strict=True)]

    def sketches(vectors: list[list[float]]) -> list[list[float]]:
        return [sketch.decode(text) for text in map(sketch.sketch, vectors) if text]

    before, after = questions(0), questions(1)
    still, moved = cosine(mean(before[:150]), mean(before[150:])), cosine(mean(before), mean(after))
    seen_still = cosine(mean(sketches(before[:150])), mean(sketches(before[150:])))
    seen_moved = cosine(mean(sketches(before)), mean(sketches(after)))
    assert still > 0.95 > 0.5 > moved
    assert seen_still > 0.95
    assert seen_moved == pytest.approx(moved, abs=0.45)
    assert seen_still - seen_moved > 0.4


def test_user_can_record_the_vector_of_a_query() -> None:
    """``record_query_vector`` writes sketch, version and dimensions onto the innermost span."""
    with captured() as spans, sightline.request("ask"), sightline.embedding("m"):
        sketch.record_query_vector(ramp(384))
    attributes = spans.attributes("embeddings m")
    assert attributes[semconv.QUERY_SKETCH] == GOLDEN[384]
    assert attributes[semconv.QUERY_SKETCH_VERSION] == "cs1:sightline:32:384"
    assert attributes[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 384
    assert semconv.QUERY_SKETCH not in spans.attributes("ask")


def test_capture_none_switches_sketches_off() -> None:
    """Who writes nothing of content writes no sketch; the number of dimensions is no content."""
    with captured(capture="none") as spans, sightline.embedding("m"):
        sketch.record_query_vector(ramp(384))
    assert semconv.QUERY_SKETCH not in spans.attributes("embeddings m")
    assert spans.attributes("embeddings m")[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 384


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", base64.b64encode(bytes(33)).decode()])
def test_what_is_no_sketch_is_not_decoded(text: str) -> None:
    """A ValueError, as promised."""
    with pytest.raises(ValueError, match=r".+"):
        sketch.decode(text)


def test_all_zero_sketches_have_no_cosine() -> None:
    """A sketch that nobody made."""
    nothing = base64.b64encode(bytes(32)).decode()
    with pytest.raises(ValueError, match="all zero"):
        sketch.cosine(nothing, nothing)
