"""The gate on reports: what is compared, what is missing, and what follows."""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from gate_reports import JUDGE, report, write

from sightline_evals.errors import ReportError, UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.gating import GateResult, Outcome, Policy, RunReport, gate, read_report

Column = Sequence[float | None]
_numbers = itertools.count()


@pytest.fixture(name="read")
def _read(tmp_path: Path) -> Any:
    """Reads a report of these values, as `gate_reports.report` makes it."""

    def read(values: dict[str, Column], **facts: Any) -> RunReport:
        facts.setdefault("run_id", f"run-{next(_numbers)}")
        return read_report(write(tmp_path / f"{next(_numbers)}.json", report(values, **facts)))

    return read


def scores(count: int, mean: float, seed: int = 1) -> list[float]:
    """Scores of answers with four statements."""
    random_ = random.Random(seed)
    return [sum(random_.random() < mean for _ in range(4)) / 4 for _ in range(count)]


def outcome(result: GateResult, name: str = "faithfulness") -> Outcome:
    """What the check of this name says."""
    return next(check.outcome for check in result.checks if check.name == name)


def reason(result: GateResult, name: str = "faithfulness") -> str:
    """Why."""
    return next(check.reason for check in result.checks if check.name == name)


def test_identical_runs_pass_and_state_what_they_could_see(read: Any) -> None:
    """No case has changed; the detectable drop is told all the same, and so is the uncertainty."""
    same = {"faithfulness": scores(100, 0.9)}
    result = gate(read(same), [read(same)])
    assert (result.outcome, result.code, bool(result)) == (Outcome.PASS, ExitCode.PASS, True)
    assert reason(result) == "no case has changed"
    (comparison,) = result.comparisons
    assert comparison.delta == 0
    assert comparison.interval[0] < 0 < comparison.interval[1]
    assert comparison.detectable == pytest.approx(0.067, abs=2e-3)
    assert result.worst == ()


def test_a_clear_drop_is_a_regression_with_its_worst_cases(read: Any) -> None:
    """One in five answers lost all support: exit code 1, and ten of them side by side."""
    old = scores(200, 0.9)
    new = [0.0 if number % 5 == 0 else value for number, value in enumerate(old)]
    result = gate(read({"faithfulness": new}), [read({"faithfulness": old}, run_id="main-1")])
    assert result.code is ExitCode.BELOW
    assert not result
    assert "regression: faithfulness: worse by" in repr(result)
    assert len(result.worst) == 10
    worst = result.worst[0]
    assert (worst.base, worst.new) == (1.0, 0.0)
    assert worst.question == f"What is {worst.case_id}?"
    assert worst.base_answer == f"{worst.case_id} by main-1."
    assert worst.unsupported == (f"{worst.case_id} is so.: not in the passages",)


def test_noise_is_inconclusive_and_fails_only_when_asked_to(read: Any) -> None:
    """Forty noisy cases cannot show that nothing has become worse by two points."""
    old, new = read({"faithfulness": scores(40, 0.8, 1)}), read({"faithfulness": scores(40, 0.8, 2)})
    result = gate(new, [old])
    assert (result.outcome, result.code) == (Outcome.INCONCLUSIVE, ExitCode.PASS)
    assert "too few or too noisy cases" in reason(result)
    assert gate(new, [old], Policy(strict=True)).code is ExitCode.INCONCLUSIVE


def test_enough_cases_show_that_nothing_is_worse(read: Any) -> None:
    """A margin that the runs can resolve is a pass with a bound."""
    old, new = read({"faithfulness": scores(600, 0.9, 1)}), read({"faithfulness": scores(600, 0.91, 2)})
    result = gate(new, [old], Policy(margins={"faithfulness": 0.05}))
    assert result.outcome is Outcome.PASS
    assert "worse by at most" in reason(result)


def test_a_significant_drop_within_the_margin_is_no_regression(read: Any) -> None:
    """Every case lost a hundredth: certain, and tolerated."""
    old = [0.9] * 60
    result = gate(read({"faithfulness": [0.89] * 60}), [read({"faithfulness": old})])
    assert result.comparisons[0].adjusted_p < 0.01
    assert result.outcome is Outcome.PASS
    assert (
        gate(
            read({"faithfulness": [0.89] * 60}), [read({"faithfulness": old})], Policy(margins={"faithfulness": 0.005})
        ).outcome
        is Outcome.REGRESSION
    )


def test_a_judge_that_is_down_is_no_pass(read: Any) -> None:
    """All scores failed: exit code 3, with the class of the failure."""
    values = {"faithfulness": scores(50, 0.9)}
    result = gate(read(values, errors=dict.fromkeys(range(50), "JudgeUnavailable")), [read(values)])
    assert result.code is ExitCode.INFRASTRUCTURE
    assert "0 of 50 cases were compared, needs 90% (50 failed with JudgeUnavailable)" in reason(result)


@pytest.mark.parametrize(("failed", "code"), [(15, ExitCode.INFRASTRUCTURE), (4, ExitCode.PASS)])
def test_failures_count_against_coverage_and_widen_the_claim(read: Any, failed: int, code: ExitCode) -> None:
    """30% are too many; 8% may be missing, but could hide a drop."""
    values = {"faithfulness": [1.0] * 50}
    result = gate(read(values, errors=dict.fromkeys(range(failed), "JudgeTimeout")), [read(values)])
    assert result.code is code
    if code is ExitCode.PASS:
        assert result.outcome is Outcome.INCONCLUSIVE
        assert "could hide" in reason(result)
        assert result.comparisons[0].worst_case_lower == pytest.approx(-4 / 50)


def test_values_that_are_nan_are_never_dropped(read: Any, tmp_path: Path) -> None:
    """A third of NaN is not measured, however good the rest is."""
    old = read({"faithfulness": [0.5] * 30})
    text = write(tmp_path / "x.json", report({"faithfulness": [0.123] * 10 + [1.0] * 20})).read_text()
    new = read_report(write(tmp_path / "nan.json", text.replace("0.123", "NaN")))
    result = gate(new, [old])
    assert result.code is ExitCode.INFRASTRUCTURE
    assert "10 failed with NotFinite" in reason(result)


def test_answers_that_decline_instead_are_a_regression(read: Any) -> None:
    """A third of the answers have nothing to judge now: the mean of the rest says nothing about them."""
    result = gate(read({"faithfulness": [None] * 10 + [1.0] * 20}), [read({"faithfulness": [0.9] * 30})])
    assert result.code is ExitCode.BELOW
    assert "nothing to judge" in reason(result)


def test_a_metric_that_most_cases_do_not_have_needs_a_coverage_of_its_own(read: Any) -> None:
    """A reference on one case in five: not measured by default; told to expect a fifth, it is."""
    column: Column = [1.0 if number % 5 == 0 else None for number in range(100)]
    new, old = read({"context_recall": column}), read({"context_recall": column})
    result = gate(new, [old])
    assert result.code is ExitCode.INFRASTRUCTURE
    assert "80 without a value in either run" in reason(result, "context_recall")
    assert gate(new, [old], Policy(coverage={"context_recall": 0.2})).outcome is Outcome.PASS


def test_missing_cases_are_errors(read: Any) -> None:
    """A run over half of the dataset is not measured, also where it is the better half."""
    result = gate(read({"faithfulness": [1.0] * 20}), [read({"faithfulness": [0.9] * 40})])
    assert result.code is ExitCode.INFRASTRUCTURE
    assert "20 of 40 cases were compared, needs 90% (20 not in the current run)" in reason(result)


def test_a_run_without_cases_or_scores_is_no_pass(read: Any) -> None:
    """Nothing measured is no pass."""
    full = read({"faithfulness": [1.0] * 5})
    assert gate(read({}), [full]).code is ExitCode.INFRASTRUCTURE
    assert gate(read({}), [read({})]).code is ExitCode.INFRASTRUCTURE
    assert gate(full, [read({})]).code is ExitCode.INFRASTRUCTURE


def test_a_metric_that_was_not_measured_any_more_is_an_error(read: Any) -> None:
    """And one that is new has no baseline yet, which is a remark."""
    both, one = {"faithfulness": [1.0] * 10, "context_precision": [1.0] * 10}, {"faithfulness": [1.0] * 10}
    result = gate(read(one), [read(both)])
    assert outcome(result, "context_precision") is Outcome.UNMEASURED
    assert outcome(result) is Outcome.PASS
    result = gate(read(both), [read(one)])
    assert result.code is ExitCode.PASS
    assert result.notes == ("not gated, because the baseline has no score of it: context_precision",)


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ({"judge": "ragas/gpt-5.1"}, "ragas/gpt-5.1, version lexical-1"),
        ({"judge_version": "lexical-2"}, "version lexical-2"),
        ({"prompt_sha256": "c" * 64}, "prompt cccccccccccc"),
        ({"threshold": 0.7}, "threshold 0.7"),
    ],
)
def test_runs_of_two_judges_are_refused(read: Any, judge: dict[str, Any], told: str) -> None:
    """One sentence that names both."""
    values = {"faithfulness": [1.0] * 5}
    with pytest.raises(ReportError, match="scores of two judges do not compare") as caught:
        gate(read(values), [read(values, judge={**JUDGE, **judge})])
    assert told in str(caught.value)
    assert isinstance(caught.value, UsageError)


def test_a_report_that_mixes_judges_is_refused(read: Any, tmp_path: Path) -> None:
    """It was put together of two."""
    values = {"faithfulness": [1.0] * 5}
    document = report(values)
    document["scores"][2]["judge_version"] = "lexical-0"
    with pytest.raises(ReportError, match="mixes judges in faithfulness"):
        gate(read_report(write(tmp_path / "mixed.json", document)), [read(values)])


def test_another_dataset_is_refused_unless_allowed(read: Any) -> None:
    """Then the cases that both have are compared, and how many those are is told."""
    old, new = read({"faithfulness": [1.0] * 8}, dataset="b" * 64), read({"faithfulness": [1.0] * 10})
    with pytest.raises(ReportError, match="another state of the dataset"):
        gate(new, [old])
    result = gate(new, [old], Policy(allow_dataset_change=True))
    assert result.outcome is Outcome.PASS
    assert result.notes == ("8 common cases are compared, of 10 in the current run and 8 before",)


def test_a_floor_holds_for_the_cases_that_the_baseline_does_not_have(read: Any) -> None:
    """It is about this run: new cases that fail break it, though they cannot be compared."""
    old, new = read({"faithfulness": [1.0] * 8}, dataset="b" * 64), read({"faithfulness": [1.0] * 8 + [0.0] * 8})
    result = gate(new, [old], Policy(allow_dataset_change=True, floors={"faithfulness": 0.8}))
    assert outcome(result) is Outcome.PASS
    assert outcome(result, "floor of faithfulness") is Outcome.REGRESSION
    assert "mean 0.5000 of 16 cases" in reason(result, "floor of faithfulness")


def test_runs_over_traces_are_refused(read: Any) -> None:
    """Their cases are never the same."""
    values = {"faithfulness": [1.0] * 3}
    with pytest.raises(ReportError, match="over stored traces"):
        gate(read(values, dataset=None), [read(values)])


def test_one_case_shows_nothing(read: Any) -> None:
    """It fell from 1 to 0, and that is inconclusive; unchanged it passes, and could have seen nothing."""
    one = read({"faithfulness": [1.0]})
    result = gate(read({"faithfulness": [0.0]}), [one])
    assert (result.outcome, reason(result)) == (Outcome.INCONCLUSIVE, "one conversation shows nothing")
    result = gate(read({"faithfulness": [1.0]}), [one])
    assert result.outcome is Outcome.PASS
    assert result.comparisons[0].detectable is None


def test_ties_but_for_one_case_are_not_significant(read: Any) -> None:
    """One of 300 fell: within the margin and not significant, so it passes by its bound."""
    old = {"faithfulness": [1.0] * 300}
    result = gate(read({"faithfulness": [0.0] + [1.0] * 299}), [read(old)])
    assert result.outcome is Outcome.PASS
    assert result.comparisons[0].adjusted_p == 0.5


def test_the_family_pays_for_its_size(read: Any) -> None:
    """Six that fell are significant alone (p 1/64) and not among four metrics."""
    old: dict[str, Column] = {"a": [1.0] * 100}
    new: dict[str, Column] = {"a": [0.0] * 6 + [1.0] * 94}
    assert gate(read(new), [read(old)]).outcome is Outcome.REGRESSION
    others: dict[str, Column] = {name: [1.0] * 100 for name in "bcd"}
    result = gate(read(new | others), [read(old | others)])
    assert outcome(result, "a") is Outcome.INCONCLUSIVE
    assert result.comparisons[0].adjusted_p == pytest.approx(4 / 64)


def test_lower_is_better_where_it_is(read: Any) -> None:
    """Noise sensitivity is known, others are named; a rise is a regression and is shown as a rise."""
    for metric, policy in (
        ("noise_sensitivity", Policy()),
        ("toxicity", Policy(lower_is_better=frozenset({"toxicity"}))),
    ):
        low, high = read({metric: [0.1] * 40}), read({metric: [0.5] * 40})
        result = gate(high, [low], policy)
        assert outcome(result, metric) is Outcome.REGRESSION
        assert result.comparisons[0].delta == pytest.approx(0.4)
        assert gate(low, [high], policy).outcome is Outcome.PASS


def test_times_and_costs_are_gated_by_their_ratio(read: Any) -> None:
    """A third slower is a regression at a margin of a tenth; without a margin times are not looked at."""
    values = {"faithfulness": [1.0] * 40}
    times = [100.0 + 5 * (number % 7) for number in range(40)]
    old = read(values, cases={"ttft_ms": times, "cost_usd": [0.0] * 40})
    new = read(values, cases={"ttft_ms": [1.3 * time for time in times], "cost_usd": [0.0] * 40})
    assert gate(new, [old]).outcome is Outcome.PASS
    result = gate(new, [old], Policy(margins={"ttft_ms": 0.1, "cost_usd": 0.1}))
    assert outcome(result, "ttft_ms") is Outcome.REGRESSION
    assert outcome(result, "cost_usd") is Outcome.PASS
    ttft = next(comparison for comparison in result.comparisons if comparison.metric == "ttft_ms")
    assert ttft.delta == pytest.approx(0.3)
    assert "worse by 30.0%, more than 10.0%" in reason(result, "ttft_ms")
    assert gate(old, [new], Policy(margins={"ttft_ms": 0.1})).outcome is Outcome.PASS


def test_a_cost_that_was_nothing_has_no_ratio(read: Any) -> None:
    """From 0 to something is no comparison, and no pass."""
    values = {"faithfulness": [1.0] * 10}
    old, new = read(values, cases={"cost_usd": [0.0] * 10}), read(values, cases={"cost_usd": [0.01] * 10})
    assert outcome(gate(new, [old], Policy(margins={"cost_usd": 0.1})), "cost_usd") is Outcome.UNMEASURED


def test_a_floor_is_on_the_mean_and_holds_in_the_worst_case(read: Any) -> None:
    """A mean at the floor passes; missing scores make it inconclusive where they could be bad."""
    values = {"faithfulness": [0.7] * 3}
    old = read(values)
    assert outcome(gate(old, [old], Policy(floors={"faithfulness": 0.7})), "floor of faithfulness") is Outcome.PASS
    assert gate(old, [old], Policy(floors={"faithfulness": 0.71})).code is ExitCode.BELOW
    many = {"faithfulness": [0.82] * 40}
    result = gate(read(many, errors={0: "JudgeTimeout", 1: "JudgeTimeout"}), [], Policy(floors={"faithfulness": 0.8}))
    assert outcome(result, "floor of faithfulness") is Outcome.INCONCLUSIVE
    failed = read(many, errors=dict.fromkeys(range(9), "JudgeTimeout"))
    assert gate(failed, [], Policy(floors={"faithfulness": 0.8})).code is ExitCode.INFRASTRUCTURE
    with pytest.raises(ReportError, match="has no groundedness, which has a bound"):
        gate(old, [old], Policy(floors={"groundedness": 0.7}))


def test_a_ceiling_is_for_what_is_better_low(read: Any) -> None:
    """A mean time above it fails; a floor for a time is refused, and a ceiling for a score."""
    run = read({"faithfulness": [1.0] * 4}, cases={"ttft_ms": [900.0, 1100.0, 900.0, 1300.0]})
    result = gate(run, [], Policy(ceilings={"ttft_ms": 1000}))
    assert outcome(result, "ceiling of ttft_ms") is Outcome.REGRESSION
    assert gate(run, [], Policy(ceilings={"ttft_ms": 1050})).outcome is Outcome.INCONCLUSIVE  # no baseline
    with pytest.raises(UsageError, match="needs a ceiling"):
        Policy(floors={"ttft_ms": 1})
    with pytest.raises(UsageError, match="needs a floor"):
        Policy(ceilings={"faithfulness": 1})


def test_weights_count(read: Any) -> None:
    """A heavy case that falls pulls the weighted mean below a floor that the plain mean holds."""
    values = {"faithfulness": [0.0] + [1.0] * 9}
    light, heavy = read(values), read(values, cases={"weight": [9.0] + [1.0] * 9})
    policy = Policy(floors={"faithfulness": 0.8})
    assert outcome(gate(light, [], policy), "floor of faithfulness") is Outcome.PASS
    assert outcome(gate(heavy, [], policy), "floor of faithfulness") is Outcome.REGRESSION


@pytest.mark.parametrize(
    ("value", "error", "expected", "told"),
    [
        (1.0, {}, Outcome.PASS, "faithfulness 1.0000"),
        (0.25, {}, Outcome.REGRESSION, "faithfulness 0.2500"),
        (None, {}, Outcome.REGRESSION, "nothing to judge now"),
        (1.0, {0: "JudgeTimeout"}, Outcome.UNMEASURED, "JudgeTimeout"),
    ],
)
def test_a_case_that_must_pass_is_not_averaged_away(
    read: Any, value: float | None, error: dict[int, str], expected: Outcome, told: str
) -> None:
    """One failure among 200 good cases is a regression; one that was not measured is no pass."""
    must = {"must_pass": [True] + [False] * 199}
    old = read({"faithfulness": [1.0] * 200}, cases=must)
    result = gate(read({"faithfulness": [value] + [1.0] * 199}, cases=must, errors=error), [old])
    assert outcome(result, "must pass: case-0") is expected
    assert told in reason(result, "must pass: case-0")


def test_a_must_pass_case_that_is_gone_is_no_pass(read: Any) -> None:
    """The baseline knows it."""
    old = read({"faithfulness": [1.0] * 20}, cases={"must_pass": [False] * 19 + [True]})
    assert outcome(gate(read({"faithfulness": [1.0] * 19}), [old]), "must pass: case-19") is Outcome.UNMEASURED


def test_flaky_cases_are_quarantined_and_named(read: Any) -> None:
    """Three cases pass in one of two runs of the same code: they are left out and listed; a stable drop still shows."""
    old = read({"faithfulness": [1.0] * 100})
    current = read({"faithfulness": [0.0] * 3 + [1.0] * 97})
    result = gate(current, [old], rerun=read({"faithfulness": [1.0] * 100}))
    assert result.quarantined == {"faithfulness": ("case-0", "case-1", "case-2")}
    assert (result.outcome, result.comparisons[0].pairs.missing.quarantined) == (Outcome.PASS, 3)
    stable = read({"faithfulness": [0.0] * 10 + [1.0] * 90})
    assert gate(stable, [old], rerun=stable).outcome is Outcome.REGRESSION


def test_too_many_flaky_cases_are_no_pass_and_must_pass_is_not_excused(read: Any) -> None:
    """A fifth that flickers is inconclusive; a must-pass case that failed once has failed."""
    old = read({"faithfulness": [1.0] * 50})
    current = read({"faithfulness": [0.0] * 10 + [1.0] * 40}, cases={"must_pass": [True] + [False] * 49})
    result = gate(current, [old], rerun=read({"faithfulness": [1.0] * 50}))
    assert outcome(result) is Outcome.INCONCLUSIVE
    assert "too many cases are flaky" in reason(result)
    assert outcome(result, "must pass: case-0") is Outcome.REGRESSION
    with pytest.raises(ReportError, match="another state of the dataset"):
        gate(current, [old], rerun=read({"faithfulness": [1.0] * 50}, dataset="b" * 64))


def test_several_baselines_are_one_by_case(read: Any) -> None:
    """The mean of a case's values; a case that one of them lacks is taken from the others."""
    baselines = [
        read({"faithfulness": [0.0, 0.5]}),
        read({"faithfulness": [1.0, 0.5]}),
        read({"faithfulness": [1.0, None]}),
    ]
    current = read({"faithfulness": [1.0, 0.5]})
    pairs = gate(current, baselines, Policy()).comparisons[0].pairs
    assert pairs.base.tolist() == pytest.approx([2 / 3, 0.5])


def test_conversations_are_compared_whole(read: Any) -> None:
    """Forty cases of two conversations are two observations: no significance, however clear it looks."""
    cases = {"conversation": ["c-1"] * 20 + ["c-2"] * 20}
    result = gate(read({"faithfulness": [0.0] * 40}, cases=cases), [read({"faithfulness": [1.0] * 40}, cases=cases)])
    assert result.comparisons[0].pairs.summed().clusters == 2
    assert result.outcome is Outcome.INCONCLUSIVE


def test_without_a_baseline_only_floors_and_must_pass_cases_are_checked(read: Any) -> None:
    """The first night is inconclusive, and a floor that is broken is a regression."""
    first = read({"faithfulness": [0.9] * 10})
    assert gate(first, []).outcome is Outcome.INCONCLUSIVE
    assert gate(first, [], Policy(floors={"faithfulness": 0.95})).code is ExitCode.BELOW


def test_a_regression_outranks_what_was_not_measured(read: Any) -> None:
    """One metric lost its judge and another fell: the drop is certain."""
    old = read({"a": [1.0] * 40, "b": [1.0] * 40})
    result = gate(read({"a": [0.0] * 40, "b": [None] * 40}), [old], Policy(metrics=("a", "b")))
    assert result.code is ExitCode.BELOW


def test_a_metric_that_nobody_has_is_refused(read: Any) -> None:
    """A gate on a metric that does not exist would never fail."""
    run = read({"faithfulness": [1.0]})
    for policy in (Policy(metrics=("truth",)), Policy(margins={"truth": 0.1}), Policy(coverage={"truth": 0.1})):
        with pytest.raises(ReportError, match="has no metric 'truth'; there are faithfulness"):
            gate(run, [run], policy)
    with pytest.raises(UsageError, match="needs 0 to 1"):
        Policy(margins={"faithfulness": 2})
    with pytest.raises(UsageError, match="needs a number"):
        Policy(floors={"faithfulness": float("nan")})
