"""The scorer's workers, its NaN states and when it gives up; the groundedness metric needs no RAGAS."""

import asyncio
import math
from typing import Any

import pytest

from sightline_evals.datasets import Sample
from sightline_evals.errors import JudgeError, JudgeInvalid, JudgeUnavailable, UsageError
from sightline_evals.judges.offline import OfflineJudge
from sightline_evals.scoring import SampleScore, computing, default_metrics
from sightline_evals.scoring.computed import Computed
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.settings import JudgeSettings

SAMPLE = Sample("1", "What is it?", "It is a red house with 3 doors.", ("It is a red house.",), reference="A house.")


class Judge:
    """A judge whose model cannot be had."""

    name = "test"
    version = "1"

    def __init__(self, failure: BaseException, meaning: JudgeError | None) -> None:
        self.failure = failure
        self.meaning = meaning
        self.asked = 0

    def llm(self) -> Any:
        """Fail, and count it."""
        self.asked += 1
        raise self.failure

    def judge_error_of(self, exc: BaseException) -> JudgeError | None:
        """The meaning that the test gave."""
        assert exc is self.failure
        return self.meaning

    async def close(self) -> None:
        """Nothing to close."""


def samples(count: int) -> list[Sample]:
    """Answers without a reference."""
    return [Sample(str(n), "Q?", "It is a red house.", ("It is a red house.",)) for n in range(count)]


async def test_groundedness_explains_the_worst_statement_first() -> None:
    """The explanation shows a person where to look."""
    score = await Scorer(OfflineJudge(), ["groundedness"], JudgeSettings()).score(SAMPLE, "groundedness")
    assert 0 < score.value < 1
    assert (score.label, score.judge, score.judge_version) == ("partly grounded", "offline lexical", "lexical-2")
    assert score.explanation.startswith("- It is a red house with 3 doors. (p(unsupported)=")


@pytest.mark.parametrize(
    ("sample", "metric", "label"),
    [
        (Sample("1", "Q", "A b.", ()), "groundedness", "no passages"),
        (Sample("1", "Q", "A b.", ()), "context_precision", "no passages"),
        (Sample("1", "Q", "", ("C",), reference="R"), "faithfulness", "no answer"),
        (Sample("1", "Q", "A b.", ("C",)), "context_recall", "no reference"),
        (Sample("1", "Q", "I could not find that.", ("C",)), "groundedness", "no statements"),
    ],
)
async def test_nothing_to_judge_is_nan_without_an_error(sample: Sample, metric: str, label: str) -> None:
    """It is no pass and no failure of the judge."""
    score = await Scorer(OfflineJudge(), [metric], JudgeSettings()).score(sample, metric)
    assert math.isnan(score.value)
    assert (score.label, score.error) == (label, "")
    assert score.explanation


async def test_a_failure_of_the_judge_is_nan_with_its_reason() -> None:
    """The class is the error's type, the message the explanation."""
    judge = Judge(OSError("gone"), JudgeUnavailable("nobody answers"))
    score = await Scorer(judge, ["faithfulness"], JudgeSettings()).score(SAMPLE, "faithfulness")
    assert math.isnan(score.value)
    assert (score.label, score.error, score.explanation) == ("judge failed", "JudgeUnavailable", "nobody answers")


async def test_a_defect_is_nan_with_its_class_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is neither swallowed nor fatal for the other rows."""
    score = await Scorer(Judge(KeyError("x"), None), ["faithfulness"], JudgeSettings()).score(SAMPLE, "faithfulness")
    assert math.isnan(score.value)
    assert (score.error, score.explanation) == ("KeyError", "KeyError: 'x'")
    assert "faithfulness of 1 failed" in caplog.text
    assert "Traceback" in caplog.text


async def test_the_judge_is_given_up_after_failures_in_a_row() -> None:
    """A judge that is down is not asked thousands of times; the rest is NaN with that reason."""
    judge = Judge(OSError("gone"), JudgeUnavailable("nobody answers"))
    scorer = Scorer(judge, ["faithfulness"], JudgeSettings(give_up_after=3), concurrency=1)
    scored = await scorer.score_all(samples(10))
    assert judge.asked == 3
    assert [one.score.error for one in scored] == ["JudgeUnavailable"] * 3 + ["JudgeGivenUp"] * 7
    assert all(math.isnan(one.score.value) for one in scored)
    assert "nobody answers" in scored[-1].score.explanation


async def test_scores_come_in_the_order_of_samples_then_metrics() -> None:
    """Whatever finishes first, the list does not depend on it."""
    scorer = Scorer(OfflineJudge(), ["groundedness", "context_recall"], JudgeSettings(), concurrency=3)
    seen: list[SampleScore] = []
    scored = await scorer.score_all(samples(7), seen.append)
    assert [(one.sample.id, one.score.name) for one in scored] == [
        (str(n), metric) for n in range(7) for metric in ("groundedness", "context_recall")
    ]
    assert len(seen) == 14


async def test_no_more_scores_are_in_the_making_than_asked_for() -> None:
    """The limit holds across samples and metrics."""
    running = most = 0

    class Slow(Scorer):
        async def score(self, sample: Sample, metric: str) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            return await super().score(sample, metric)

    await Slow(OfflineJudge(), ["groundedness", "context_recall"], JudgeSettings(), 3).score_all(samples(10))
    assert most == 3


def test_default_metrics_follow_the_samples_and_the_judge() -> None:
    """Recall needs a reference; the soft score comes first where the judge has one."""
    assert default_metrics([SAMPLE]) == ("groundedness", "faithfulness", "context_precision", "context_recall")
    assert default_metrics(samples(2)) == ("groundedness", "faithfulness", "context_precision")
    assert default_metrics(samples(2), is_offline=False) == ("faithfulness", "context_precision")


@pytest.mark.parametrize(
    ("metrics", "concurrency", "message"),
    [(["truth"], 4, "no metric 'truth'"), ([], 4, "no metric is named"), (["faithfulness"], 0, "concurrency is 0")],
)
def test_wrong_wishes_are_usage_errors(metrics: list[str], concurrency: int, message: str) -> None:
    """They are reported before anything is scored."""
    with pytest.raises(UsageError, match=message):
        Scorer(OfflineJudge(), metrics, JudgeSettings(), concurrency)


def test_groundedness_needs_probabilities() -> None:
    """A model gives verdicts and no probabilities."""
    with pytest.raises(UsageError, match="judges that give probabilities only"):
        Scorer(Judge(OSError(), None), ["groundedness"], JudgeSettings())


async def test_one_metric_that_always_fails_is_given_up_while_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its successes between do not keep it alive; a failure of any kind counts."""
    judge = Judge(ValueError("prose"), JudgeInvalid("no JSON"))

    async def compute(metric: str, sample: Sample, judge: Any) -> Any:
        fine = Computed(1.0, "", "fine")
        return fine if metric == "faithfulness" else await computing.compute(metric, sample, judge)

    monkeypatch.setattr("sightline_evals.scoring.scorer.compute", compute)
    metrics = ["faithfulness", "context_precision"]
    scored = await Scorer(judge, metrics, JudgeSettings(give_up_after=3), concurrency=1).score_all(samples(6))
    errors = [one.score.error for one in scored if one.score.name == "context_precision"]
    assert errors == ["JudgeInvalid"] * 3 + ["JudgeGivenUp"] * 3
    assert judge.asked == 3
    assert all(one.score.value == 1 for one in scored if one.score.name == "faithfulness")


@pytest.mark.parametrize(
    ("metric", "judge", "message"),
    [
        ("response_groundedness", OfflineJudge(), "needs a model as judge"),
        ("answer_relevancy", Judge(OSError(), None), "needs embeddings: set SIGHTLINE_JUDGE_EMBEDDING_MODEL"),
        ("semantic_similarity", OfflineJudge(), "needs a model as judge"),
    ],
)
def test_what_a_judge_cannot_give_is_refused_with_the_way_out(metric: str, judge: Any, message: str) -> None:
    """Before anything is scored."""
    with pytest.raises(UsageError, match=message):
        Scorer(judge, [metric], JudgeSettings())
