"""The fingerprint of a dataset: the same for the same cases, another one for others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.datasets import Sample, fingerprint, read_dataset
from sightline_evals.datasets.identity import id_of_question

CASE = Sample("a", "Q?", "A.", ("C.",), reference="R.", conversation="c")
OTHER = Sample("b", "Other?", "A.", ())


@given(
    st.lists(st.builds(Sample, st.text(), st.text(), st.text(), st.just(()), reference=st.text()), max_size=5).flatmap(
        lambda samples: st.tuples(st.just(samples), st.permutations(samples))
    )
)
def test_the_order_of_cases_does_not_matter(both: tuple[list[Sample], list[Sample]]) -> None:
    """Sorting a file gives no other dataset."""
    samples, shuffled = both
    assert fingerprint(samples) == fingerprint(shuffled)


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "B."},
        {"contexts": ("D.",)},
        {"trace_id": "0af7651916cd43dd8448eb211c80319c"},
        {"ttft_ms": 12.0, "cost_usd": 0.1, "input_tokens": 4, "model": "m", "tenant": "t", "note": "n"},
        {"metadata": {"further": "columns"}},
        {"weight": 1},
    ],
)
def test_what_a_system_answered_does_not_matter(change: dict[str, Any]) -> None:
    """Two runs over the same cases have the same dataset, whatever was answered, found, spent and noted."""
    assert fingerprint([replace(CASE, **change), OTHER]) == fingerprint([CASE, OTHER])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "c"},
        {"question": "Q"},
        {"reference": ""},
        {"reference_contexts": ("C.",)},
        {"conversation": ""},
        {"must_pass": True},
        {"weight": 2.0},
    ],
)
def test_what_was_asked_and_expected_matters(change: dict[str, Any]) -> None:
    """Any of it makes another dataset."""
    assert fingerprint([replace(CASE, **change), OTHER]) != fingerprint([CASE, OTHER])


def test_a_case_more_or_twice_matters() -> None:
    """No case can be added unseen."""
    assert len({fingerprint(cases) for cases in ([], [CASE], [CASE, CASE], [CASE, OTHER])}) == 4


def test_the_fingerprint_is_fixed() -> None:
    """It is kept in reports and manifests, so it must not change with the program."""
    assert fingerprint([CASE, OTHER]) == "31c355e483cf2c305a9694e3b196c55ffabd633649178546d2bf81d72d6c24d6"


def test_keys_that_nobody_knows_do_not_matter(tmp_path: Path) -> None:
    """The same rows with a column more are the same cases."""
    row = {"question": "Q?", "answer": "A.", "contexts": []}
    prints = set()
    for name, further in (("a", {}), ("b", {"topic": "x", "embedding": [0.1, 0.2]})):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps({**further, **row}), encoding="utf-8")
        prints.add(fingerprint(read_dataset(path)))
    assert len(prints) == 1


def test_an_id_of_a_question_avoids_those_that_are_taken() -> None:
    """The same question again gets a number behind it."""
    first = id_of_question("Q?", ())
    assert len(first) == 12
    assert id_of_question("Q?", {first}) == f"{first}-2"
    assert id_of_question("Q?", {first, f"{first}-2"}) == f"{first}-3"
    assert id_of_question("Q\ud83d", ()) == id_of_question("Q\ufffd", ())
