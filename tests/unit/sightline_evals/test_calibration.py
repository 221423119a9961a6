"""Calibration: maps, the file that keeps one, labels, and the command."""

import itertools
import json
import random
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_evals.__main__ import main
from sightline_evals.calibration.fitting import Judged, brier, fit, fit_isotonic, fit_platt, soft
from sightline_evals.calibration.labels import read_labels
from sightline_evals.calibration.maps import SCHEMA, Isotonic, Platt, read_calibration
from sightline_evals.calibration.reliability import (
    bins,
    diagram,
    expected_calibration_error,
    threshold_for,
    wilson,
)
from sightline_evals.errors import DatasetError, UsageError
from sightline_evals.judges.lexical.sentences import sentences
from sightline_evals.judges.offline import VERSION, OfflineJudge, groundedness

CONTEXT = "The warranty covers screens for two years. The warranty does not cover batteries or water damage."
GOOD = ["The warranty covers screens.", "Screens are covered for two years.", "The warranty does not cover batteries."]
BAD = ["The warranty covers batteries.", "Shipping to Norway costs nine euros.", "Support answers on Sundays."]


def judged(seed: int, count: int, bias: float) -> list[Judged]:
    """Answers whose judge is too sure: the real probability is the given one drawn to `bias`."""
    generator = random.Random(seed)
    found = []
    for group in range(count):
        p = generator.random()
        found.append(Judged((p,), generator.random() < 0.5 * p + 0.5 * bias, group))
    return found


def write_labels(path: Path, *rows: Any) -> Path:
    """A labels file."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def labels(path: Path, good: int, bad: int) -> Path:
    """A labels file of whole answers."""
    texts = [(GOOD[n % 3], True) for n in range(good)] + [(BAD[n % 3], False) for n in range(bad)]
    return write_labels(path, *({"answer": text, "contexts": [CONTEXT], "supported": ok} for text, ok in texts))


def test_both_maps_mend_a_judge_that_is_too_sure() -> None:
    """On new answers the calibrated probabilities are closer to the truth."""
    fitted_to, new = judged(1, 400, 0.9), judged(2, 2000, 0.9)
    truth = [answer.unsupported for answer in new]
    raw = [soft(answer.probabilities) for answer in new]
    for map_ in (fit_platt(fitted_to), fit_isotonic(fitted_to)):
        calibrated = [map_(p) for p in raw]
        assert brier(calibrated, truth) < brier(raw, truth) - 0.03
        assert expected_calibration_error(calibrated, truth) < expected_calibration_error(raw, truth) / 2


def test_platt_fits_through_the_answer_s_score() -> None:
    """Answers of several statements: the soft score of the calibrated probabilities has the mean of the labels."""
    generator = random.Random(3)
    answers = []
    for group in range(400):
        probabilities = tuple(generator.random() for _ in range(4))
        answers.append(Judged(probabilities, generator.random() < 0.3 * soft(probabilities), group))
    map_ = fit_platt(answers)
    predicted = sum(soft([map_(p) for p in answer.probabilities]) for answer in answers) / len(answers)
    assert predicted == pytest.approx(sum(answer.unsupported for answer in answers) / len(answers), abs=0.02)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60))
def test_maps_rise_and_stay_probabilities(pairs: list[tuple[float, bool]]) -> None:
    """Whatever the labels, a higher probability never becomes a lower one."""
    answers = [Judged((p,), truth, group) for group, (p, truth) in enumerate(pairs)]
    for map_ in (fit_platt(answers), fit_isotonic(answers)):
        values = [map_(step / 50) for step in range(51)]
        assert all(left <= right + 1e-12 for left, right in itertools.pairwise(values))
        assert all(0 <= value <= 1 for value in values)


def test_fitting_is_the_same_every_time_and_measures_on_other_answers() -> None:
    """The folds are fixed, and what is measured was not fitted."""
    answers = judged(4, 120, 0.8)
    steps: list[None] = []
    first, second = fit(answers, lambda: steps.append(None)), fit(answers)
    assert first == second
    assert len(steps) == 20
    assert set(first.brier_by_method) == {"none", "platt", "isotonic"}
    fitted_to_all = [soft([first.map(p) for p in answer.probabilities]) for answer in answers]
    assert first.held_out != fitted_to_all


def test_bins_and_errors_of_known_values() -> None:
    """Ten answers of probability 0.25, five of them unsupported."""
    predicted, truth = [0.25] * 10, [True] * 5 + [False] * 5
    found = bins(predicted, truth)
    assert (found[2].answers, found[2].predicted, found[2].observed) == (10, 0.25, 0.5)
    assert expected_calibration_error(predicted, truth) == pytest.approx(0.25)
    assert brier(predicted, truth) == pytest.approx((0.75**2 + 0.25**2) / 2)
    lines = diagram(found).splitlines()
    assert len(lines) == 11
    assert lines[3].startswith("0.2-0.3         10  0.50 (0.24-0.76)  ##########|#########")
    assert bins([1.0], [True])[9].answers == 1


def test_wilson_intervals() -> None:
    """Known values; no observation says nothing."""
    assert wilson(0, 0) == (0, 1)
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_a_threshold_is_the_lowest_that_has_the_precision_and_never_below_a_half() -> None:
    """Above it lie four answers, three of them bad; a higher precision needs a higher threshold."""
    predicted = [0.95, 0.9, 0.8, 0.7, 0.6, 0.4]
    truth = [True, True, False, True, False, True]
    found = threshold_for(0.75, predicted, truth)
    assert found is not None
    assert (found.value, found.flagged, found.precision, found.recall) == (0.65, 4, 0.75, 0.75)
    strict = threshold_for(0.9, predicted, truth)
    assert strict is not None
    assert (strict.value, strict.flagged) == (0.85, 2)
    assert threshold_for(0.9, [0.8, 0.7], [False, True]) is None
    all_bad = threshold_for(0.5, [0.9, 0.45], [True, True])
    assert all_bad is not None
    assert (all_bad.value, all_bad.flagged) == (0.675, 1)


def test_labels_are_answers_or_statements(tmp_path: Path) -> None:
    """A labelled statement counts like an answer of one; what claims nothing is counted and left out."""
    path = write_labels(
        tmp_path / "labels.jsonl",
        {"answer": "A. B.", "contexts": ["x", "y"], "supported": False, "id": 7},
        "",
        {
            "answer": "C. D. E.",
            "contexts": ["x"],
            "statements": [
                {"text": "C.", "label": "supported"},
                {"text": "D.", "label": "unsupported"},
                {"text": "E.", "label": "no claim"},
            ],
        },
    )
    found = read_labels(path)
    assert [(each.text, each.is_statement, each.unsupported, each.line) for each in found.labelled] == [
        ("A. B.", False, True, 1),
        ("C.", True, False, 3),
        ("D.", True, True, 3),
    ]
    assert found.labelled[0].context == "x\ny"
    assert (found.lines, found.without_claim) == (2, 1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "needs a JSON object"),
        ({"contexts": ["x"], "supported": True}, "answer is missing or empty"),
        ({"answer": "a", "contexts": "x", "supported": True}, "contexts needs a list of texts"),
        ({"answer": "a", "contexts": ["x"]}, "needs supported"),
        ({"answer": "a", "contexts": ["x"], "supported": 1}, "needs supported"),
        ({"answer": "a", "contexts": ["x"], "statements": ["s"]}, "list of objects"),
        ({"answer": "a", "contexts": ["x"], "statements": [{"label": "supported"}]}, "no text"),
        ({"answer": "a", "contexts": ["x"], "statements": [{"text": "t", "label": "yes"}]}, "label 'yes' is none of"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(tmp_path: Path, row: Any, reason: str) -> None:
    """The first wrong line stands in front, further ones behind."""
    good = {"answer": "a", "contexts": ["x"], "supported": True}
    path = write_labels(tmp_path / "labels.jsonl", good, row, good, row)
    with pytest.raises(DatasetError, match=reason) as caught:
        read_labels(path)
    assert caught.value.line == 2
    assert "line 4: " in str(caught.value)


def test_the_command_writes_a_calibration_that_the_judge_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Report, file, JSON; the calibrated judge differs, says so in its version, and has the file's threshold."""
    out, report = tmp_path / "c.json", tmp_path / "figures.json"
    path = labels(tmp_path / "labels.jsonl", 30, 30)
    assert main(["calibrate", str(path), "--out", str(out), "--json", str(report)], {}) == 0
    printed = capsys.readouterr().out
    for part in ("60 labels, 30 unsupported", "Brier score", "calibration error", "threshold for a precision of 0.8"):
        assert part in printed
    figures = json.loads(report.read_text())
    assert figures["labels"] == 60
    assert figures["ece"]["after"] < figures["ece"]["before"]
    assert figures["threshold"]["precision"] >= 0.8
    calibration = read_calibration(out, VERSION)
    plain, calibrated = OfflineJudge(), OfflineJudge(calibration=calibration)
    before = [plain.evidence(text, CONTEXT).p_unsupported for text in BAD]
    after = [calibrated.evidence(text, CONTEXT).p_unsupported for text in BAD]
    assert after == [calibration.map(p) for p in before]
    assert groundedness(after) != groundedness(before)
    assert calibrated.threshold == figures["threshold"]["value"]
    assert calibrated.version == f"{VERSION}+{calibration.digest}"
    assert OfflineJudge(0.9, calibration).version == f"{VERSION}+{calibration.digest}@0.9"


def test_figures_go_to_standard_output_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json -` the text goes to standard error."""
    path = labels(tmp_path / "labels.jsonl", 30, 30)
    assert main(["calibrate", str(path), "--out", str(tmp_path / "c.json"), "--json", "-"], {}) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["lines"] == 60
    assert "Brier score" in captured.err


@pytest.mark.parametrize(
    ("good", "bad", "flags", "code", "message"),
    [
        (20, 20, [], 2, "40 labels can be used; needs 50 or more"),
        (60, 0, [], 2, "0 of 60 labels are unsupported; needs 8 or more of either verdict"),
        (4, 60, [], 2, "4 of 64 labels are supported"),
        (30, 30, ["--precision", "1.5"], 2, "--precision is 1.5; needs a number between 0 and 1"),
        (30, 30, ["--out", "/nonexistent/c.json"], 2, "--out /nonexistent/c.json: there is no folder"),
        (30, 30, ["--json", "/nonexistent/c.json"], 2, "--json /nonexistent/c.json"),
    ],
)
def test_what_cannot_be_calibrated_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    good: int,
    bad: int,
    flags: list[str],
    code: int,
    message: str,
) -> None:
    """Too few labels, one verdict only, a precision that is none, files that cannot be written."""
    monkeypatch.chdir(tmp_path)
    path = labels(tmp_path / "labels.jsonl", good, bad)
    assert main(["calibrate", str(path), *flags], {}) == code
    assert message in capsys.readouterr().err


def test_a_precision_that_cannot_be_had_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for by a person it is exit code 1; by default the usual threshold stays."""
    rows = [{"answer": BAD[1], "contexts": [CONTEXT], "supported": number % 2 == 0} for number in range(60)]
    path = write_labels(tmp_path / "labels.jsonl", *rows)
    out = tmp_path / "c.json"
    assert main(["calibrate", str(path), "--out", str(out), "--precision", "0.99"], {}) == 1
    assert "not written" in capsys.readouterr().out
    assert not out.exists()
    assert main(["calibrate", str(path), "--out", str(out)], {}) == 0
    assert "threshold: 0.5, since none reaches a precision of 0.8" in capsys.readouterr().out
    assert read_calibration(out, VERSION).threshold == 0.5


def calibration_file(path: Path, **changes: Any) -> Path:
    """A calibration file with some fields changed; None takes one away."""
    data = {
        "schema": SCHEMA,
        "judge_version": VERSION,
        "method": "platt",
        "slope": 1.5,
        "intercept": 0.5,
        "threshold": 0.6,
    }
    data.update(changes)
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return path


def test_both_methods_are_read_back(tmp_path: Path) -> None:
    """The map of the file is the map that was written."""
    assert read_calibration(calibration_file(tmp_path / "a.json"), VERSION).map == Platt(1.5, 0.5)
    isotonic = Isotonic((0.2, 0.6), (0.1, 0.9))
    found = read_calibration(calibration_file(tmp_path / "b.json", **isotonic.as_json()), VERSION)
    assert found.map == isotonic
    assert [round(found.calibrated(p), 3) for p in (0, 0.2, 0.4, 0.6, 1)] == [0.1, 0.1, 0.5, 0.9, 0.9]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "other/1"}, "no file of `sightline-evals calibrate`"),
        ({"judge_version": "lexical-1"}, "is for version 'lexical-1' of the judge"),
        ({"slope": -1}, "cannot be used"),
        ({"intercept": None}, "'intercept' is missing"),
        ({"threshold": 0}, "threshold is 0"),
        ({"method": "other"}, "method 'other'"),
        ({"method": "isotonic", "raw": [0.5, 0.5], "calibrated": [0.1, 0.2]}, "do not rise"),
        ({"method": "isotonic", "raw": [0.1, 0.5], "calibrated": [0.4, 0.2]}, "do not rise"),
        ({"method": "isotonic", "raw": [0.1, 5], "calibrated": [0.1, 0.2]}, "outside 0 to 1"),
        ({"method": "isotonic", "raw": [], "calibrated": []}, "do not rise"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A judge that took a wrong calibration would give wrong scores in silence."""
    with pytest.raises(UsageError, match=message):
        read_calibration(calibration_file(tmp_path / "c.json", **changes), VERSION)


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    """Both name the file."""
    with pytest.raises(UsageError, match="No such file"):
        read_calibration(tmp_path / "none.json", VERSION)
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        read_calibration(tmp_path / "text.json", VERSION)


def test_a_run_uses_the_calibration_of_the_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report names the calibrated judge; a file that is not there ends the run before anything is read."""
    dataset = write_labels(tmp_path / "d.jsonl", {"question": "q", "answer": GOOD[0], "contexts": [CONTEXT]})
    flags = ["run", "--dataset", str(dataset), "--judge", "offline", "--metrics", "groundedness", "--no-send"]
    path = calibration_file(tmp_path / "c.json")
    environment = {"SIGHTLINE_JUDGE_CALIBRATION": str(path), "SIGHTLINE_EVALS_CACHE_DIR": str(tmp_path / "cache")}
    assert main(flags, environment) == 0
    assert f"version {VERSION}+{read_calibration(path, VERSION).digest}" in capsys.readouterr().out
    path.unlink()
    assert main(flags, environment) == 2
    assert "No such file" in capsys.readouterr().err


def test_the_shipped_labels_can_be_read() -> None:
    """200 answers, labelled sentence by sentence; the sentences are those of the answer."""
    path = Path(str(files("sightline_evals.data").joinpath("demo_answers.jsonl")))
    found = read_labels(path)
    assert (found.lines, len(found.labelled), found.without_claim) == (200, 566, 398)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert row["labelled_by"] == "reading, one annotator"
        assert [each["text"] for each in row["statements"]] == [
            " ".join(sentence.split()) for sentence in sentences(row["answer"])
        ]
