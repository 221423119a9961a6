"""Summaries and the verdict on a run."""

import math

from sightline_evals.gate import ExitCode, gate_verdict
from sightline_evals.scorers import Score
from sightline_evals.summary import Summary, bootstrap_interval, summarize


def score(value: float, error: str = "", name: str = "faithfulness") -> Score:
    """A score of one sample."""
    return Score(name, value, "", "", error, "ragas/test", "1")


def summary(values: list[float], failed: int = 0, name: str = "faithfulness") -> list[Summary]:
    """The summary of these values and so many failures."""
    return summarize([score(v, name=name) for v in values] + [score(math.nan, "JudgeTimeout", name)] * failed)


def test_nan_is_left_out_of_the_mean_and_counted() -> None:
    """A failed judge and an answer with nothing to judge are counted apart."""
    (found,) = summarize([score(1.0), score(0.5), score(math.nan, "JudgeTimeout"), score(math.nan)])
    assert (found.mean, found.scored, found.failed, found.nothing_to_judge) == (0.75, 2, 1, 1)
    assert (found.nan, found.total, found.errors) == (2, 4, {"JudgeTimeout": 1})


def test_the_interval_holds_the_mean_and_repeats() -> None:
    """The same scores give the same interval, narrower with more of them."""
    few, many = [0.0, 0.5, 1.0] * 5, [0.0, 0.5, 1.0] * 50
    low, high = bootstrap_interval(few)
    assert low < 0.5 < high
    assert (low, high) == bootstrap_interval(few)
    assert bootstrap_interval(many)[1] - bootstrap_interval(many)[0] < (high - low) / 2
    assert all(math.isnan(end) for end in bootstrap_interval([1.0]))


def test_a_mean_at_its_floor_passes_and_one_below_fails() -> None:
    """The floor itself is good enough."""
    assert gate_verdict(summary([0.8]), {"faithfulness": 0.8}, max_error_share=0).code is ExitCode.PASS
    verdict = gate_verdict(summary([0.79]), {"faithfulness": 0.8}, max_error_share=0)
    assert verdict.code is ExitCode.BELOW
    assert verdict.reasons == ("faithfulness: mean 0.7900 is below 0.8",)


def test_too_many_failures_are_infrastructure_even_where_the_mean_is_fine() -> None:
    """The samples that the judge did see say nothing about the others."""
    verdict = gate_verdict(summary([1.0] * 8, failed=2), {"faithfulness": 0.8}, max_error_share=0.1)
    assert verdict.code is ExitCode.INFRASTRUCTURE
    assert "2 of 10 samples (20%, at most 10% may): 2 JudgeTimeout" in verdict.reasons[0]
    assert gate_verdict(summary([1.0] * 9, failed=1), {}, max_error_share=0.1).code is ExitCode.PASS


def test_a_run_of_nan_alone_never_passes() -> None:
    """Neither with a floor nor without, whatever share of errors is allowed."""
    for floors in ({}, {"faithfulness": 0.0}):
        verdict = gate_verdict(summary([], failed=5), floors, max_error_share=1.0)
        assert verdict.code is ExitCode.INFRASTRUCTURE
        assert gate_verdict(summarize([score(math.nan)]), floors, max_error_share=1.0).code is ExitCode.INFRASTRUCTURE


def test_no_samples_pass_without_a_floor_and_never_with_one() -> None:
    """A quiet hour is no failure, but it shows nothing either."""
    assert gate_verdict([], {}, max_error_share=0).code is ExitCode.PASS
    assert gate_verdict([], {"faithfulness": 0.1}, max_error_share=0).code is ExitCode.INFRASTRUCTURE


def test_too_few_values_for_a_floor_are_not_measured() -> None:
    """`min_scored` guards against a mean of one lucky sample."""
    verdict = gate_verdict(summary([1.0, 1.0]), {"faithfulness": 0.8}, max_error_share=0, min_scored=3)
    assert verdict.code is ExitCode.INFRASTRUCTURE
    assert "2 samples have a value, needs 3" in verdict.reasons[0]
