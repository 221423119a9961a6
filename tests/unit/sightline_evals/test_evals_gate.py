"""Summaries and the verdict on a run."""

import math
from typing import Any

import pytest

from sightline_evals.datasets import Sample
from sightline_evals.gate import ExitCode, Rules, gate_verdict
from sightline_evals.runs.summary import Summary, bootstrap_interval, summarize
from sightline_evals.scoring import SampleScore, Score


def score(value: float, error: str = "", name: str = "faithfulness", label: str = "") -> Score:
    """A score of one sample."""
    label = label or ("no statements" if math.isnan(value) and not error else "")
    return Score(name, value, label, "because", error, "ragas/test", "1")


def summary(scores: list[Score | float], **sample: Any) -> list[Summary]:
    """The summary of scores, one a sample."""
    listed = [score(each) if isinstance(each, float) else each for each in scores]
    return summarize(SampleScore(Sample(str(n), "Q", "A", (), **sample), each) for n, each in enumerate(listed))


FAILED = score(math.nan, "JudgeUnavailable")
DECLINED = score(math.nan)
NO_REFERENCE = score(math.nan, label="no reference")


def code(scores: list[Score | float], floor: float | None, **rules: Any) -> ExitCode:
    """The exit code of a run with these scores."""
    return gate_verdict(summary(scores), {} if floor is None else {"faithfulness": floor}, Rules(**rules)).code


def test_nan_is_left_out_of_the_mean_and_counted_by_kind() -> None:
    """A failed judge, an answer with nothing to judge and a sample without a reference are counted apart."""
    (found,) = summary([1.0, 0.5, FAILED, DECLINED, NO_REFERENCE])
    assert (found.mean, found.scored, found.failed, found.declined, found.lacking) == (0.75, 2, 1, 1, 1)
    assert (found.nan, found.total, found.coverage) == (3, 5, 0.4)
    assert (found.errors, found.reasons) == ({"JudgeUnavailable": 1}, {"JudgeUnavailable": "because"})


def test_what_failed_bounds_the_mean_on_both_sides() -> None:
    """A score that could not be had may be the worst or the best one; a refusal has no score at all."""
    (found,) = summary([1.0, 1.0, 0.5, FAILED, DECLINED])
    assert (found.worst_case_mean, found.best_case_mean) == (2.5 / 4, 3.5 / 4)
    (noisy,) = summary([score(0.0, name="noise_sensitivity"), score(math.nan, "JudgeTimeout", "noise_sensitivity")])
    assert (noisy.worst_case_mean, noisy.best_case_mean) == (0.5, 0.0)


def test_weights_bring_the_mean_back_to_the_traffic() -> None:
    """One trace that stands for nine others counts nine times."""
    scored = [
        SampleScore(Sample("a", "Q", "A", (), weight=9.0), score(1.0)),
        SampleScore(Sample("b", "Q", "A", (), weight=1.0), score(0.0)),
    ]
    (found,) = summarize(scored)
    assert found.mean == 0.9


def test_the_interval_holds_the_mean_and_repeats() -> None:
    """The same scores give the same interval, narrower with more of them."""
    few, many = [0.0, 0.5, 1.0] * 5, [0.0, 0.5, 1.0] * 50
    low, high = bootstrap_interval(few)
    assert low < 0.5 < high
    assert (low, high) == bootstrap_interval(few)
    assert bootstrap_interval(many)[1] - bootstrap_interval(many)[0] < (high - low) / 2
    assert all(math.isnan(end) for end in bootstrap_interval([1.0]))
    assert all(math.isnan(end) for end in bootstrap_interval([]))


def test_answers_of_one_conversation_are_drawn_together() -> None:
    """Ten answers that are all good or all bad by conversation tell as much as the conversations."""
    values = [1.0] * 10 + [0.0] * 10 + [1.0] * 10 + [0.0] * 10
    clusters = [conversation for conversation in "abcd" for _ in range(10)]
    apart, together = bootstrap_interval(values), bootstrap_interval(values, clusters=clusters)
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])
    assert all(math.isnan(end) for end in bootstrap_interval([1.0, 0.0], clusters=["a", "a"]))


def test_equal_scores_are_not_certain() -> None:
    """Five perfect answers do not make the sixth one perfect."""
    low, high = bootstrap_interval([1.0] * 5)
    assert low < 0.6
    assert high == 1.0


@pytest.mark.parametrize(
    ("values", "floor"), [([0.7] * 3, 0.7), ([0.9] * 9, 0.9), ([0.95] * 3, 0.95), ([0.333333], 1 / 3)]
)
def test_a_mean_at_its_floor_passes(values: list[float], floor: float) -> None:
    """The floor itself is good enough, whatever the sum of binary fractions says."""
    assert code([*values], floor) is ExitCode.PASS


def test_a_mean_below_its_floor_fails_and_says_so() -> None:
    """Also where four decimals would show the floor itself."""
    verdict = gate_verdict(summary([0.79]), {"faithfulness": 0.8})
    assert (verdict.code, verdict.reasons) == (ExitCode.BELOW, ("faithfulness: mean 0.7900 is below 0.8",))
    verdict = gate_verdict(summary([0.79999]), {"faithfulness": 0.8})
    assert verdict.reasons == ("faithfulness: mean 0.799990 is below 0.8",)


def test_a_ceiling_holds_from_above() -> None:
    """Of noise sensitivity lower is better."""
    noisy = summary([score(0.2, name="noise_sensitivity")])
    assert gate_verdict(noisy, {"noise_sensitivity": 0.2}).code is ExitCode.PASS
    assert gate_verdict(noisy, {"noise_sensitivity": 0.1}).code is ExitCode.BELOW


def test_too_many_failures_are_infrastructure_even_where_the_mean_is_fine() -> None:
    """The samples that the judge did see say nothing about the others."""
    verdict = gate_verdict(summary([1.0] * 8 + [FAILED] * 2), {})
    assert verdict.code is ExitCode.INFRASTRUCTURE
    assert "2 of 10 samples (20%, at most 10% may fail): 2 JudgeUnavailable" in verdict.reasons[0]
    assert code([1.0] * 9 + [FAILED], None) is ExitCode.PASS


def test_the_floor_must_hold_in_the_worst_case() -> None:
    """100 perfect scores and 10 that were lost do not show a mean of 0.95; they do show 0.9."""
    scores: list[Score | float] = [1.0] * 100 + [FAILED] * 10
    verdict = gate_verdict(summary(scores), {"faithfulness": 0.95})
    assert verdict.code is ExitCode.INFRASTRUCTURE
    assert "undecided against 0.95" in verdict.reasons[0]
    assert "0.9091 to 1.0000" in verdict.reasons[0]
    assert code(scores, 0.9) is ExitCode.PASS
    assert code([0.5] * 100 + [FAILED] * 10, 0.9) is ExitCode.BELOW  # even if the lost ones were perfect


def test_failures_may_count_as_the_worst_scores() -> None:
    """Then the run is measured, and below its floor."""
    scores: list[Score | float] = [1.0] * 8 + [FAILED] * 2
    assert code(scores, 0.9, errors_count_as_failures=True) is ExitCode.BELOW
    assert code(scores, 0.8, errors_count_as_failures=True) is ExitCode.PASS
    assert code([FAILED], 0.0, errors_count_as_failures=True) is ExitCode.INFRASTRUCTURE


def test_coverage_is_part_of_a_floor() -> None:
    """99 refusals of 100 are no perfect run: too few scored, and the answers are the cause."""
    verdict = gate_verdict(summary([1.0] + [DECLINED] * 99), {"faithfulness": 0.8})
    assert verdict.code is ExitCode.BELOW
    assert (
        "1 of 100 samples have a value (1%, --min-coverage needs 90%): 99 answers make no statement"
        in (verdict.reasons[0])
    )
    assert code([1.0] + [DECLINED] * 99, None) is ExitCode.PASS
    assert code([1.0] * 9 + [DECLINED], 0.8) is ExitCode.PASS
    assert code([1.0] * 8 + [DECLINED] * 2, 0.8, min_coverage={"": 0.8}) is ExitCode.PASS


def test_too_few_references_are_not_measured() -> None:
    """One reference in five rows says nothing about the other four; another share can be asked for by metric."""
    recall: list[Score | float] = [
        score(1.0, name="context_recall"),
        *[score(math.nan, name="context_recall", label="no reference")] * 4,
    ]
    floors = {"context_recall": 0.5}
    verdict = gate_verdict(summary(recall), floors)
    assert verdict.code is ExitCode.INFRASTRUCTURE
    assert "4 lack what the metric needs" in verdict.reasons[0]
    assert gate_verdict(summary(recall), floors, Rules(min_coverage={"context_recall": 0.2})).code is ExitCode.PASS


def test_a_run_of_nan_alone_never_passes() -> None:
    """Neither with a floor nor without, whatever share of errors is allowed."""
    for floor in (None, 0.0):
        assert code([FAILED] * 5, floor, max_error_share=1.0) is ExitCode.INFRASTRUCTURE
        assert code([DECLINED], floor, max_error_share=1.0) is ExitCode.INFRASTRUCTURE


def test_nothing_to_judge_passes_only_where_that_is_allowed() -> None:
    """A quiet hour shows nothing; a judge that failed is no quiet hour."""
    for floors in ({}, {"faithfulness": 0.1}):
        verdict = gate_verdict([], floors)
        assert verdict.code is ExitCode.INFRASTRUCTURE
        assert "no sample was found" in verdict.reasons[0]
        assert gate_verdict([], floors, Rules(allow_empty=True)).code is ExitCode.PASS
    assert code([FAILED], None, allow_empty=True) is ExitCode.INFRASTRUCTURE
    assert code([DECLINED], None, allow_empty=True) is ExitCode.PASS


def test_too_few_values_for_a_floor_are_not_measured() -> None:
    """`min_scored` guards against a mean of one lucky sample."""
    verdict = gate_verdict(summary([1.0, 1.0]), {"faithfulness": 0.8}, Rules(min_scored=3))
    assert verdict.code is ExitCode.INFRASTRUCTURE
    assert "2 samples have a value, needs 3" in verdict.reasons[0]


def test_strict_asks_the_interval() -> None:
    """A mean that holds while its interval does not is undecided, and only then by its own code."""
    scores: list[Score | float] = [1.0, 0.5] * 10
    assert code(scores, 0.7) is ExitCode.PASS
    verdict = gate_verdict(summary(scores), {"faithfulness": 0.7}, Rules(strict=True))
    assert verdict.code is ExitCode.INCONCLUSIVE
    assert "does not exclude it" in verdict.reasons[0]
    assert code(scores, 0.5, strict=True) is ExitCode.PASS
    assert code([0.5] * 20, 0.7, strict=True) is ExitCode.BELOW
    assert code([1.0], 0.7, strict=True) is ExitCode.INCONCLUSIVE
