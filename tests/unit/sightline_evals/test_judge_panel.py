"""A panel of judges: who is asked, how votes become a score, and what names it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from sightline_evals.datasets import Sample
from sightline_evals.errors import JudgeTimeout, UsageError
from sightline_evals.judges import Judge
from sightline_evals.judges.choosing import have_no_model, judge_of, named_judges
from sightline_evals.judges.offline import OfflineJudge
from sightline_evals.judges.panel import PanelJudge, members_of
from sightline_evals.judges.statement_judge import Evidence, StatementJudge
from sightline_evals.runs.wishes import Limits
from sightline_evals.scoring.computed import Computed
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.scoring.scores import DECLINED, Score, Statement
from sightline_evals.scoring.votes import disagree, vote
from sightline_evals.settings import JudgeSettings, RunSettings

SAMPLE = Sample("1", "What is it?", "It is a red house.", ("It is a red house.",))


@dataclass
class _Found:
    p_unsupported: float

    def reason(self) -> str:
        """The probability."""
        return f"p={self.p_unsupported}"


class Fixed(StatementJudge):
    """A judge that gives every statement the same probability, and counts how often it is asked."""

    threshold = 0.5

    def __init__(self, name: str, p_unsupported: float, failure: Exception | None = None) -> None:
        self._name = name
        self._p_unsupported = p_unsupported
        self._failure = failure
        self.asked = 0
        self.closed = False

    @property
    def name(self) -> str:
        """As the test has it."""
        return self._name

    @property
    def version(self) -> str:
        """Of this name."""
        return f"{self._name}-1"

    def evidence(self, statement: str, context: str) -> Evidence:
        """The same for all."""
        self.asked += 1
        if self._failure is not None:
            raise self._failure
        return _Found(self._p_unsupported)

    def useful(self, question: str, context: str, answer: str) -> tuple[bool, str]:
        """Always."""
        return True, ""

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


async def _score(members: Sequence[Judge], **others: Any) -> Score:
    scorer = Scorer(PanelJudge(members, **others), ["groundedness"], JudgeSettings())
    return await scorer.score(SAMPLE, "groundedness")


async def test_two_that_agree_are_enough() -> None:
    """The third is not asked, and the score is the mean of the probabilities."""
    members = [Fixed("a", 0.2), Fixed("b", 0.3), Fixed("c", 1.0)]
    score = await _score(members)
    assert score.value == pytest.approx(0.75)
    assert [member.asked for member in members] == [1, 1, 0]
    assert [statement.reason for statement in score.statements] == ["a: p=0.2", "b: p=0.3"]


async def test_a_second_opinion_is_asked_where_the_first_two_disagree() -> None:
    """Beyond the threshold only; every judge's own verdict stays in the evidence."""
    members = [Fixed("a", 0.1), Fixed("b", 0.8), Fixed("c", 0.9)]
    score = await _score(members)
    assert score.value == pytest.approx((0.9 + 0.2 + 0.1) / 3)
    assert [(each.reason, each.supported) for each in score.statements] == [
        ("a: p=0.1", True),
        ("b: p=0.8", False),
        ("c: p=0.9", False),
    ]
    assert score.explanation.startswith("mean of all: a 0.900; b 0.200; c 0.100")
    assert (await _score([Fixed("a", 0.1), Fixed("b", 0.8), third := Fixed("c", 0.9)], disagreement=0.75)).value
    assert third.asked == 0


async def test_a_member_that_fails_fails_the_score() -> None:
    """A score of the others would be one of another panel."""
    score = await _score([Fixed("a", 0.1), Fixed("b", 0.1, JudgeTimeout("no answer"))])
    assert math.isnan(score.value)
    assert (score.error, score.explanation) == ("JudgeTimeout", "no answer")


def _opinion(name: str, value: float) -> tuple[str, Computed]:
    label = DECLINED if math.isnan(value) else ""
    return name, Computed(value, label, "why", (Statement("s", None, value >= 0.5, "r"),))


@pytest.mark.parametrize(
    ("metric", "values", "expected", "how"),
    [
        ("faithfulness", [1.0, 0.2, 0.8], 0.9, "majority of 2 to 1"),
        ("faithfulness", [1.0, 0.2, 0.0], 0.1, "majority of 2 to 1"),
        ("faithfulness", [1.0, 0.0], 0.5, "mean of all"),
        ("groundedness", [1.0, 0.2, 0.0], 0.4, "mean of all"),
        ("faithfulness", [1.0, math.nan, 0.6], 0.8, "majority of 2 to 0"),
    ],
)
def test_the_majority_decides_where_there_are_verdicts(
    metric: str, values: list[float], expected: float, how: str
) -> None:
    """Whether the answer passes; of probabilities none is thrown away."""
    found = vote(metric, [_opinion(f"j{place}", value) for place, value in enumerate(values)])
    assert found.value == pytest.approx(expected)
    assert found.explanation.startswith(how)
    assert [each.reason for each in found.statements] == [f"j{place}: r" for place in range(len(values))]


def test_that_there_is_nothing_to_judge_is_a_vote() -> None:
    """NaN by majority, or by half of two; a value against none is a disagreement."""
    for values in ([math.nan, 0.4], [math.nan, math.nan], [0.4, math.nan, math.nan]):
        found = vote("faithfulness", [_opinion(f"j{place}", value) for place, value in enumerate(values)])
        assert math.isnan(found.value)
        assert found.label == DECLINED
    none, some = _opinion("a", math.nan)[1], _opinion("b", 0.5)[1]
    assert disagree(none, some, 0.9)
    assert not disagree(none, none, 0.0)


async def test_a_panel_is_named_by_all_of_it() -> None:
    """Members, their versions and the threshold: scores of two panels do not compare. Closing closes all."""
    members = [Fixed("a", 0.1), Fixed("b", 0.2)]
    panel = PanelJudge(members, 0.3)
    assert (panel.name, panel.version) == ("panel(a, b)", "panel-1(0.3; a-1, b-1)")
    assert PanelJudge(members).version != panel.version
    assert Scorer(panel, ["faithfulness"], JudgeSettings()).judge_of("faithfulness") == "ragas/panel(a, b)"
    assert members_of(panel) == tuple(members)
    await panel.close()
    assert all(member.closed for member in members)


async def test_a_member_that_cannot_be_closed_leaves_no_other_open() -> None:
    """The failure is told when all others are closed."""

    class Stuck(Fixed):
        async def close(self) -> None:
            raise OSError("stuck")

    members = [Fixed("a", 0.1), Stuck("b", 0.2), Fixed("c", 0.3)]
    with pytest.raises(OSError, match="stuck"):
        await PanelJudge(members).close()
    assert [member.closed for member in members] == [True, False, True]


async def test_two_members_that_fail_are_one_failed_score() -> None:
    """The first failure is the reason; nobody else is asked."""
    last = Fixed("c", 0.3)
    score = await _score(
        [Fixed("a", 0.1, JudgeTimeout("no answer")), Fixed("b", 0.1, JudgeTimeout("none either")), last]
    )
    assert math.isnan(score.value)
    assert (score.error, score.explanation, last.asked) == ("JudgeTimeout", "no answer", 0)


@pytest.mark.parametrize(
    ("members", "disagreement", "message"),
    [
        ([Fixed("a", 0.1)], 0.2, "two judges or more"),
        ([Fixed("a", 0.1), Fixed("a", 0.2)], 0.2, "judges that differ, not a, a"),
        ([Fixed("a", 0.1), Fixed("b", 0.2)], 1.5, "--disagreement is 1.5"),
    ],
)
def test_panels_that_make_no_sense_are_refused(members: list[Judge], disagreement: float, message: str) -> None:
    """Before anything is paid for."""
    with pytest.raises(UsageError, match=message):
        PanelJudge(members, disagreement)


def test_judges_are_chosen_by_name() -> None:
    """One name is that judge, several are a panel; another model at the endpoint has a name of its own."""
    settings, places = JudgeSettings(model="m", base_url="http://127.0.0.1:9/v1"), RunSettings()
    assert named_judges(None, settings) == ("remote",)
    assert named_judges(None, JudgeSettings()) == ("offline",)
    names = named_judges(["offline", "remote", "remote:other"], settings)
    judge = judge_of(names, settings, places, limits=Limits(tokens=100, use_cache=False))
    assert judge.name == "panel(offline lexical, m, other)"
    assert isinstance(judge_of(["offline"], settings, places), OfflineJudge)
    assert have_no_model(["offline", "onnx"])
    assert not have_no_model(names)
    with pytest.raises(UsageError, match="groundedness comes from judges that give probabilities only"):
        Scorer(judge, ["groundedness"], settings)
    with pytest.raises(UsageError, match="answer_relevancy needs a model as judge"):
        Scorer(judge, ["answer_relevancy"], settings)
    for wrong in ("gpt", "remote:", "offline:x", ""):
        with pytest.raises(UsageError, match=r"needs offline, onnx, remote or remote:MODEL"):
            named_judges([wrong], settings)
    with pytest.raises(UsageError, match="none is known of other: use --budget-tokens"):
        judge_of(["remote:other"], settings, places, limits=Limits(usd=1.0, use_cache=False))
