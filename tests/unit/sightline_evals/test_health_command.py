"""`sightline-evals health` without a store: the control set is pinned, compared, and a judge that moved fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline_evals.__main__ import main
from sightline_evals.datasets import Sample
from sightline_evals.health.control import Pinned, control_sha256, shift
from sightline_evals.health.figures import State, control_figure, exit_code, people_figures
from sightline_evals.health.people import JudgedAnswers, judged_answers, selection
from sightline_evals.scoring.scores import DECLINED, SampleScore, Score

Health = Callable[..., int]
PASSAGE = "The warranty covers the battery for two years."
ANSWERS = [PASSAGE, "The warranty covers the screen.", "Napoleon paid for the battery in 1815.", PASSAGE] * 5


@pytest.fixture(name="health")
def _health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Health:
    """Runs the command on a control set of 20 answers in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    cases = [
        {"id": f"case-{place}", "question": "Is the battery covered?", "answer": answer, "contexts": [PASSAGE]}
        for place, answer in enumerate(ANSWERS)
    ]
    Path("control.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")

    def run(*flags: str, env: dict[str, str] | None = None) -> int:
        arguments = ["health", "--only", "control", "--control", "control.jsonl", "--pins", "pins", *flags]
        return main(arguments, env or {})

    return run


def _pin_file() -> Path:
    (path,) = Path("pins").iterdir()
    return path


def _move_pinned(by: float, cases: int) -> None:
    """Pretend that the judge gave other values to so many cases when it was pinned."""
    record = json.loads(_pin_file().read_text(encoding="utf-8"))
    for name in list(record["values"])[:cases]:
        record["values"][name] += by
    _pin_file().write_text(json.dumps(record), encoding="utf-8")


def test_the_first_run_pins_and_the_next_one_compares(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """A judge that gives the same scores held; the report has the schema and the control set's hash."""
    assert health("--strict") == 4  # a folder of pins that CI forgets would pass for ever
    assert "nothing was pinned for this judge and this control set; pinned: the scores of 20" in capsys.readouterr().out
    assert health("--strict") == 0
    capsys.readouterr()
    assert health("--json", "-") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    figure = report["figures"]["control_shift"]
    assert (report["schema"], report["control"]["cases"]) == ("sightline-evals-health/1", 20)
    assert (figure["state"], figure["value"], figure["n"], figure["flipped"]) == ("held", 0.0, 20, 0)
    assert "held: moved by +0.0000" in captured.err


def test_a_judge_that_moved_fails(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond the bound and beyond chance is 1; the bound is a flag, and --pin accepts the judge as it is."""
    assert health() == 0
    _move_pinned(-0.06, 20)
    assert health() == 1
    assert "shifted: moved by +0.0600 (+0.0600 to +0.0600) on 20 answers" in capsys.readouterr().out
    assert health("--max-shift", "0.1") == 0
    assert health("--pin", "--strict") == 0
    assert health("--strict") == 0


def test_a_shift_that_is_not_clear_is_inconclusive(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """One answer of twenty moved much: 0, and 4 with --strict."""
    assert health() == 0
    _move_pinned(-0.6, 1)
    assert health() == 0
    assert "the interval reaches over the bound" in capsys.readouterr().out
    assert health("--strict") == 4


def test_another_control_set_or_judge_has_pins_of_its_own(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """What does not compare is not compared."""
    assert health() == 0
    assert health(env={"SIGHTLINE_JUDGE_THRESHOLD": "0.3"}) == 0
    text = Path("control.jsonl").read_text(encoding="utf-8")
    Path("control.jsonl").write_text(text.replace("Napoleon", "Cesar"), encoding="utf-8")
    capsys.readouterr()
    assert health() == 0
    assert "pinned: the scores" in capsys.readouterr().out
    assert len(list(Path("pins").iterdir())) == 3


def test_a_control_set_without_scores_is_no_health(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is pinned, and the exit code is that of infrastructure."""
    lines = [json.loads(line) | {"answer": "I don't know."} for line in Path("control.jsonl").read_text().splitlines()]
    Path("control.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert health() == 3
    assert "not pinned: 0 of 20 answers have a score" in capsys.readouterr().out
    assert not Path("pins").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-shift", "-1"], "--max-shift is -1"),
        (["--max-shift", "nan"], "--max-shift is nan"),
        (["--pass-at", "0"], "--pass-at is 0"),
        (["--metric", "truth"], "no metric 'truth'"),
        (["--json", "no/such/x.json"], "there is no folder"),
        (["--only", "people"], "which --only people leaves out"),
    ],
)
def test_wrong_flags_are_told_before_anything_is_judged(
    health: Health, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    """Exit code 2 and one sentence."""
    assert health(*flags) == 2
    assert message in capsys.readouterr().err


def test_an_age_before_all_calendars_is_a_wrong_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """No store is asked, and there is no traceback."""
    assert main(["health", "--only", "people", "--since", "999999999w"], {}) == 2
    assert "'999999999w' is no moment" in capsys.readouterr().err


def test_a_damaged_file_of_pins_is_told(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """It is never taken for "nothing pinned yet", which would pass."""
    assert health() == 0
    for text in ("{", "[]", json.dumps({"schema": "x"})):
        _pin_file().write_text(text, encoding="utf-8")
        assert health() == 2
        assert "delete it" in capsys.readouterr().err


def _scored(case: str, value: float, error: str = "") -> SampleScore:
    label = DECLINED if np.isnan(value) and not error else ""
    return SampleScore(Sample(case, "q", "a", ("c",)), Score("m", value, label, "", error, "j", "1"))


def test_answers_that_lost_their_value_are_a_shift() -> None:
    """A judge that finds no statement any more in half of the answers moved, whatever the mean of the others."""
    names = [f"c{place}" for place in range(20)]
    pinned = Pinned(datetime.now(UTC), dict.fromkeys(names, 0.8))
    lost = [_scored(name, float("nan") if place < 10 else 0.8) for place, name in enumerate(names)]
    figure = control_figure(shift(pinned, lost, 0.5), pinned, 0.02)
    assert figure.state is State.SHIFTED
    assert "10 answers lost their value" in figure.sentence
    broken = [_scored(name, float("nan"), "JudgeTimeout") for name in names[:10]]
    figure = control_figure(shift(pinned, [*broken, *lost[10:]], 0.5), pinned, 0.02)
    assert figure.state is State.JUDGE_FAILED
    assert exit_code([figure], strict=False) == 3


def test_the_hash_of_a_control_set_is_of_what_is_judged() -> None:
    """Order does not count; an answer does."""
    one, two = Sample("1", "q", "a", ("c",)), Sample("2", "q", "b", ("c",))
    assert control_sha256([one, two]) == control_sha256([two, one])
    assert control_sha256([one]) != control_sha256([Sample("1", "q", "b", ("c",))])


def _row(value: float, said: float | None = None, label: str = "", weight: float = 0.0, state: str = "") -> Any:
    is_labelled = said is not None or bool(label)
    return {
        "value": value, "is_labelled": is_labelled, "said": said, "label": label,
        "sampling_weight": weight, "trace_state": state,
    }  # fmt: skip


def test_rows_become_labels_predictions_and_weights() -> None:
    """A thumb counts by its label, a rating by its value; weights are those of sampling."""
    rows = [
        _row(0.9, 1.0, "thumbs_up"),
        _row(0.2, 0.0, "thumbs_down"),
        _row(0.4, 0.0),
        _row(0.7, weight=4.0),
        _row(0.7, state="ot=th:8"),
    ]
    found = judged_answers(rows, lower_is_better=False)
    assert found.bad.tolist() == [False, True, True]
    assert found.suspicion.tolist() == pytest.approx([0.1, 0.8, 0.6])
    assert found.other_weights.tolist() == [4, 2]
    assert (found.judged, found.weighted) == (5, 2)
    assert judged_answers(rows, lower_is_better=True).suspicion[0] == 0.9


def _answers(labels: int, others: int, seed: int = 1, lean: float = 0.0) -> JudgedAnswers:
    random = np.random.default_rng(seed)
    bad = random.random(labels + others) < 0.3
    suspicion = np.clip(random.normal(np.where(bad, 0.7, 0.3), 0.15), 0, 1)
    suspicion[:labels] = np.clip(suspicion[:labels] + lean, 0, 1)
    weights = np.ones(labels + others)
    return JudgedAnswers(bad[:labels], suspicion[:labels], weights[:labels], suspicion[labels:], weights[labels:])


def test_people_give_three_figures_with_intervals() -> None:
    """Kappa, AUROC and the rate; the rate says what the labels alone say and on what it rests."""
    figures = {figure.name: figure for figure in people_figures(_answers(80, 2000), "feedback", 0.5)}
    assert all(figure.state is State.MEASURED and figure.n == 80 for figure in figures.values())
    assert figures["auroc"].value is not None
    assert figures["auroc"].value > 0.9
    rate = figures["ppi_rate"]
    assert rate.low is not None
    assert rate.high is not None
    alone = rate.details["labels_alone"]
    assert rate.low < 0.3 < rate.high
    assert rate.high - rate.low < alone["high"] - alone["low"]
    assert "which is no proof" in rate.sentence
    noted = people_figures(_answers(80, 2000), "review", 0.5, note="queue: random")[-1]
    assert "noted 'queue: random'" in noted.sentence
    assert exit_code(list(figures.values()), strict=True) == 0


def test_labels_that_chance_did_not_choose_are_told() -> None:
    """People rated the answers that the judge suspects more than the others."""
    answers = _answers(80, 2000, lean=0.2)
    found = selection(answers)
    assert found is not None
    assert found.labelled > found.others
    sentence = people_figures(answers, "feedback", 0.5)[-1].sentence
    assert "people choose what they rate" in sentence
    assert "the labelled ones are no random part, the judge holds them for worse" in sentence


def test_too_few_labels_are_said_in_a_sentence() -> None:
    """No figure is invented, and labels of one verdict alone give no agreement."""
    for figure in people_figures(_answers(7, 100), "helpful", 0.5):
        assert (figure.state, figure.value) == (State.TOO_FEW, None)
        assert "7 of 107 judged answers have a label of 'helpful'" in figure.sentence
    answers = JudgedAnswers(np.zeros(30, bool), np.full(30, 0.1), np.ones(30), np.full(10, 0.1), np.ones(10))
    states = {figure.name: figure.state for figure in people_figures(answers, "feedback", 0.5)}
    assert states == {"kappa": State.TOO_FEW, "auroc": State.TOO_FEW, "ppi_rate": State.MEASURED}


def test_help_says_what_is_measured_and_the_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is all that a person in CI has."""
    with pytest.raises(SystemExit, match="0"):
        main(["health", "--help"])
    out = capsys.readouterr().out
    for told in ("exit codes:", "examples:", "kappa", "auroc", "ppi_rate", "--pin", "judge/health"):
        assert told in out
