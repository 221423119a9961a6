"""Rows of the store as measurements."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from sightline_evals.drift import signals
from sightline_store.questions.drift import Comparison

KEY = {"collection": "Docs"}


def _distribution(**others: Any) -> dict[str, Any]:
    return {
        "comparison": 1,
        "signal": "top_score",
        "reference_n": 500.0,
        "current_n": 500.0,
        "reference_mean": 0.5,
        "current_mean": 0.4,
        "reference_sd": 0.2,
        "current_sd": 0.2,
        "ks": 0.3,
        "wasserstein": 0.1,
        "is_share": 0,
        **others,
    }


def test_scores_are_measured_in_standard_deviations_of_the_reference() -> None:
    """Half a deviation lower, with an interval that leaves out zero, tested and large enough to matter."""
    (found,) = signals.of_searches([_distribution()], [KEY], 100)
    assert (found.signal, found.kind) == ("retrieval.top_score", "deviations")
    assert found.effect == pytest.approx(-0.5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.5 < found.high < 0
    assert found.further["wasserstein_sd"] == pytest.approx(0.5)
    assert found.p is not None
    assert found.p < 1e-9
    assert found.matters


def test_a_certain_but_small_difference_does_not_matter() -> None:
    """A million searches make everything certain."""
    row = _distribution(reference_n=1e6, current_n=1e6, current_mean=0.499, ks=0.01, wasserstein=0.001)
    (found,) = signals.of_searches([row], [KEY], 100)
    assert found.p is not None
    assert found.p < 1e-9
    assert not found.matters


def test_too_few_are_measured_and_not_tested() -> None:
    """The effect is shown, no alarm can come of it."""
    (found,) = signals.of_searches([_distribution(current_n=99.0)], [KEY], 100)
    assert found.effect is not None
    assert found.p is None


def test_one_empty_window_has_no_effect() -> None:
    """Whatever the statistics of nothing say."""
    (found,) = signals.of_searches([_distribution(current_n=0.0, current_mean=math.nan)], [KEY], 100)
    assert (found.effect, found.p, found.reference_n, found.current_n) == (None, None, 500, 0)


def test_what_is_always_alike_is_not_tested() -> None:
    """No empty search in either window: a test of it would only make the others weaker."""
    assert (
        signals.of_searches([_distribution(signal="empty", is_share=1, reference_mean=0, current_mean=0)], [KEY], 100)
        == []
    )
    constant = _distribution(
        reference_sd=0.0, current_sd=0.0, reference_mean=1.5, current_mean=1.5, ks=0, wasserstein=0
    )
    assert signals.of_searches([constant], [KEY], 100) == []


def test_a_constant_that_jumps_is_measured() -> None:
    """No spread to measure in: the value itself is the unit."""
    row = _distribution(reference_sd=0.0, current_sd=0.0, reference_mean=2.0, current_mean=1.0, ks=1.0, wasserstein=1.0)
    (found,) = signals.of_searches([row], [KEY], 100)
    assert found.effect == pytest.approx(-0.5)
    assert found.matters


def test_shares_are_measured_in_shares() -> None:
    """Empty searches from 5 % to 10 %."""
    row = _distribution(signal="empty", is_share=1, reference_mean=0.05, current_mean=0.1)
    (found,) = signals.of_searches([row], [KEY], 100)
    assert (found.signal, found.kind, found.matters) == ("retrieval.empty", "share", True)
    assert found.effect == pytest.approx(0.05)
    assert found.p == pytest.approx(0.0038, abs=5e-4)


def test_both_halves_make_one_measurement_and_one_half_none() -> None:
    """A classifier that could be tried on one half only is shown and not tested."""
    half = {
        "comparison": 1,
        "half": 0,
        "reference_n": 200,
        "current_n": 200,
        "auc": 0.7,
        "centroid_shift": 0.3,
    }
    (both,) = signals.of_queries([half, {**half, "half": 1, "auc": 0.6}], [KEY], 100)
    assert (both.effect, both.reference_n) == (pytest.approx(0.65), 400)
    assert both.p is not None
    assert both.p < 1e-9
    (one,) = signals.of_queries([half], [KEY], 100)
    assert one.p is None
    assert signals.of_queries([{**half, "auc": math.nan}], [KEY], 100) == []


def test_documents_are_measured_beyond_what_chance_moves() -> None:
    """A long tail of documents moves half of the hits by itself."""
    row = {
        "comparison": 1,
        "reference_n": 300,
        "current_n": 300,
        "documents": 900,
        "only_reference": 300,
        "only_current": 300,
        "chi_square": [1000.0, *(900 + i % 7 for i in range(128))],
        "moved": [0.55, *(0.5 + 0.001 * (i % 3) for i in range(128))],
    }
    (found,) = signals.of_documents([row], [KEY], 100)
    assert found.effect == pytest.approx(0.049, abs=1e-3)
    assert found.matters
    assert found.p is not None
    assert found.p < 1e-6


def test_narrower_keys_of_the_same_answers_are_left_out() -> None:
    """One model with one prompt is the whole service."""
    rows = [
        {**_distribution(signal="output_tokens"), "comparison": comparison}
        for comparison in (("rag", "m", "p1", "*"), ("rag", "m", "*", "*"), ("rag", "*", "*", "*"))
    ]
    (found,) = signals.of_answers(rows, 100)
    assert (found.signal, found.key) == ("answers.output_tokens", {"service": "rag"})
    rows[0]["current_n"] = 400.0
    assert [dict(each.key) for each in signals.of_answers(rows, 100)] == [
        {"service": "rag"},
        {"service": "rag", "model": "m", "prompt": "p1"},
    ]


def test_canaries_compare_with_how_they_differ_by_themselves() -> None:
    """An approximate search that always differs by a fifth has not drifted."""
    row = {
        "canaries": "set",
        "canary": "a",
        "overlaps": [0.8, 0.8],
        "overlaps_before": [0.8],
        "recall": None,
        "recalls_before": [],
    }
    rows = [{**row, "canary": str(i)} for i in range(20)]
    (overlap,) = signals.of_canaries(rows)
    assert (overlap.effect, overlap.p, overlap.matters) == (pytest.approx(0), 1.0, False)
    fallen = [{**each, "overlaps": [0.4], "recall": 0.5, "recalls_before": [1.0]} for each in rows]
    overlap, recall = signals.of_canaries(fallen)
    assert overlap.matters
    assert recall.effect == pytest.approx(-0.5)
    assert overlap.p is not None
    assert overlap.p < 1e-5
    few, _ = signals.of_canaries(fallen[:5])
    assert few.p == pytest.approx(1 / 32)
    fewer, _ = signals.of_canaries(fallen[:4])
    assert fewer.p is None


def test_lag_and_failures_of_ingestion_need_few_ingestions() -> None:
    """Twenty of each window, whatever searches need; the service is the key."""
    fields = {"comparison": "app", "reference_n": 40.0, "current_n": 20.0}
    lag = _distribution(**fields, signal="lag", reference_mean=4.0, current_mean=9.0)
    failed = _distribution(**fields, signal="failed", reference_mean=0.0, current_mean=0.5, is_share=1)
    found = signals.of_ingestion([lag, failed, {**lag, "current_n": 19.0}])
    assert [(each.signal, each.key, each.kind) for each in found[:2]] == [
        ("index.lag", {"service": "app"}, "deviations"),
        ("index.failed", {"service": "app"}, "share"),
    ]
    assert [each.p is not None for each in found] == [True, True, False]


def test_p_values_are_corrected_together_and_the_untested_stay_untested() -> None:
    """What has no p-value does not count as a test."""
    tested = signals.of_searches([_distribution(), _distribution(current_n=9.0)], [KEY], 100)
    told = signals.corrected([*tested, tested[0]])
    assert told[0].p is not None
    assert told[0].p_adjusted == pytest.approx(2 * told[0].p)
    assert told[1].p_adjusted is None


def test_correction_is_holms_by_hand() -> None:
    """Holm's own way: 0.01·4, 0.02·3, 0.03·2, 0.04·1, never falling."""
    (one,) = signals.of_searches([_distribution()], [KEY], 100)
    told = signals.corrected([replace(one, p=p) for p in (0.03, 0.01, 0.04, 0.02)])
    assert [each.p_adjusted for each in told] == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert signals.corrected([]) == []


def test_a_key_says_what_it_is_about_and_nothing_else() -> None:
    """Empty parts are left out; an index that is compared with others says so."""
    comparison = Comparison(collection="Docs", embedding="m", embedding_version="1", current_index="v2", topic=2)
    assert signals.key_of(comparison, ["“a”", "“b”"]) == {
        "topic": "“b”",
        "collection": "Docs",
        "embedding": "m 1",
        "index": "v2 (against the indexes before)",
    }
