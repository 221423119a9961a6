"""How well the offline judge tells unsupported answers from supported ones, beside simpler measures and its version 1.

    python benchmarks/judge.py [--sets FOLDER]

Public sets of answers that people checked are read from FOLDER (or the environment's JUDGE_SETS; `judge_sets.py` names
the files) and skipped where they are not there. On each of them the judge is scored with weights that were fitted to
the others, so never on what it was fitted to; of WiCE only the test part is scored. The shipped labels of the demo's
answers are scored with the shipped weights, statement by statement.

AUROC is the probability that an unsupported answer gets the worse score of two; its 95% intervals, and that of the
judge's lead over overlap, come from 1,000 bootstrap samples of groups that share passages. All measures are compared on
the answers in which the judge finds a statement; `auroc_all` and `overlap_auroc_all` are of all answers, those without
one counted as supported by the judge. The calibration error is that of `sightline-evals calibrate`, cross-validated.
The last line is one JSON object; where no set is missing it is kept in benchmarks/results/judge.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import results
from judge_fit import features_of, fitted
from judge_sets import Checked, demo_set, public_sets
from numpy.typing import NDArray
from tqdm import tqdm

from sightline_evals.calibration.fitting import Judged, fit, soft
from sightline_evals.calibration.reliability import expected_calibration_error
from sightline_evals.judges.lexical.context import Context, Features, context_index
from sightline_evals.judges.lexical.weights import WEIGHTS, Weights
from sightline_evals.judges.lexical.words import words
from sightline_evals.judges.statements import statements

_ROOT: Final = Path(__file__).parent.parent
_SETS: Final = ("mtrag", "faithdial", "wice")
_REPETITIONS: Final = 1000
_MOST_CALIBRATED: Final = 500
_SEED: Final = 20

Scores = NDArray[np.float64]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=os.environ.get("JUDGE_SETS"), help="folder of the public sets")
    folder: Path | None = parser.parse_args().sets
    public = public_sets(Path(folder)) if folder else {}
    for name in _SETS:
        if name not in public:
            where = f"not under {folder}" if folder else "no folder was named: --sets FOLDER or JUDGE_SETS=FOLDER"
            print(f"!!! SKIPPED: {name}: {where}", file=sys.stderr)
    lexical_1 = _lexical_1()
    features = {name: features_of(_bar(answers, name)) for name, answers in public.items()}
    truth = {name: [checked.unsupported for checked in answers] for name, answers in public.items()}
    measured: dict[str, dict[str, Any]] = {}
    for name, answers in public.items():
        others = [other for other in public if other != name]
        if not others:
            print(f"!!! SKIPPED: {name}: no other set to fit to is there", file=sys.stderr)
            continue
        weights = fitted({other: features[other] for other in others}, {other: truth[other] for other in others})
        scored = [index for index, checked in enumerate(answers) if checked.part in {"", "test"}]
        measured[name] = _measure(
            [answers[index] for index in scored], [_p(features[name][index], weights) for index in scored], lexical_1
        )
    demo = demo_set(Path(str(files("sightline_evals.data").joinpath("demo_answers.jsonl"))))
    of_demo = [context_index(each.context).features(each.answer) for each in demo]
    measured["demo"] = _measure(demo, [(WEIGHTS.p_unsupported(found),) for found in of_demo], lexical_1)
    for name, found in measured.items():
        print(f"{name}: {json.dumps(found)}")
    result = {
        "bench": "judge",
        **{key: {name: found[key] for name, found in measured.items()} for key in _KEYS},
        "ms_per_answer": _ms_per_answer([checked for answers in public.values() for checked in answers] or demo),
    }
    if len(public) == len(_SETS):
        results.keep(result)
    else:
        print("a set is missing: benchmarks/results/judge.json stays as it was", file=sys.stderr)
        print(json.dumps(result))


_KEYS: Final = (
    "auroc",
    "auroc_95",
    "auroc_all",
    "v1_auroc",
    "overlap_auroc",
    "overlap_auroc_all",
    "length_auroc",
    "lead_over_overlap_95",
    "ece",
    "answers",
    "without_statement",
)


def _bar(answers: Sequence[Checked], what: str) -> Any:
    return tqdm(answers, desc=what, file=sys.stderr, disable=not sys.stderr.isatty())


def _p(features: NDArray[np.float64], weights: Weights) -> tuple[float, ...]:
    return tuple(weights.p_unsupported(Features(*row)) for row in features)


def _measure(
    answers: Sequence[Checked],
    probabilities: Sequence[tuple[float, ...]],
    lexical_1: Callable[[Checked], float] | None,
) -> dict[str, Any]:
    """What `_KEYS` name, for one set."""
    truth = np.array([checked.unsupported for checked in answers])
    all_scores = np.array([soft(each) if each else 0.0 for each in probabilities])
    judged = np.array([bool(each) for each in probabilities])
    kept = [checked for checked, is_judged in zip(answers, judged, strict=True) if is_judged]
    truth_of_kept, judge = truth[judged], all_scores[judged]
    overlap = np.array([1 - _overlap(checked) for checked in kept])
    length = np.array([float(len(checked.answer)) for checked in kept])
    resampled = _resampled([checked.group for checked in kept])
    leads = [
        _auroc(truth_of_kept[chosen], judge[chosen]) - _auroc(truth_of_kept[chosen], overlap[chosen])
        for chosen in resampled
    ]
    v1 = None if lexical_1 is None else np.array([lexical_1(checked) for checked in kept])
    return {
        "auroc": round(_auroc(truth_of_kept, judge), 4),
        "auroc_95": _interval([_auroc(truth_of_kept[chosen], judge[chosen]) for chosen in resampled]),
        "auroc_all": round(_auroc(truth, all_scores), 4),
        "v1_auroc": None if v1 is None else round(_auroc(truth_of_kept, v1), 4),
        "overlap_auroc": round(_auroc(truth_of_kept, overlap), 4),
        "overlap_auroc_all": round(_auroc(truth, np.array([1 - _overlap(checked) for checked in answers])), 4),
        "length_auroc": round(_auroc(truth_of_kept, length), 4),
        "lead_over_overlap_95": _interval(leads),
        "ece": _calibration_error([each for each in probabilities if each], list(truth_of_kept), kept),
        "answers": len(kept),
        "without_statement": len(answers) - len(kept),
    }


def _auroc(truth: NDArray[np.bool_], scores: Scores) -> float:
    """Area under the ROC curve by ranks; ties count a half. NaN where only one verdict occurs."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    bad = int(truth.sum())
    good = len(truth) - bad
    return float((ranks[truth].sum() - bad * (bad + 1) / 2) / (bad * good)) if bad and good else float("nan")


def _resampled(groups: Sequence[str]) -> list[NDArray[np.int64]]:
    """Indexes of bootstrap samples, drawn by group, always the same."""
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    by_group = [np.array(indexes) for indexes in members.values()]
    generator = np.random.default_rng(_SEED)
    return [
        np.concatenate([by_group[place] for place in generator.integers(0, len(by_group), len(by_group))])
        for _ in range(_REPETITIONS)
    ]


def _interval(values: Sequence[float]) -> list[float]:
    low, high = np.nanquantile(values, [0.025, 0.975])
    return [round(float(low), 4), round(float(high), 4)]


def _overlap(checked: Checked) -> float:
    """Share of the answer's words of content that its passages hold: the baseline."""
    index = context_index(checked.context)
    content = [word.stem for word in words(checked.answer, index.language) if not word.stop]
    return sum(index.holds(stem) for stem in content) / max(1, len(content))


def _calibration_error(
    probabilities: Sequence[tuple[float, ...]], truth: Sequence[bool], answers: Sequence[Checked]
) -> dict[str, float]:
    """Expected calibration error before and after `calibrate`, on at most 500 answers that are drawn at random."""
    groups = {group: number for number, group in enumerate(sorted({checked.group for checked in answers}))}
    drawn = random.Random(_SEED).sample(range(len(truth)), min(len(truth), _MOST_CALIBRATED))
    judged = [Judged(probabilities[at], bool(truth[at]), groups[answers[at].group]) for at in drawn]
    found = fit(judged)
    verdicts = [each.unsupported for each in judged]
    return {
        "before": round(expected_calibration_error(found.raw, verdicts), 4),
        "after": round(expected_calibration_error(found.held_out, verdicts), 4),
    }


def _ms_per_answer(answers: Sequence[Checked]) -> Mapping[str, float]:
    """CPU milliseconds for whole answers, with the passages indexed anew for each."""
    took: list[float] = []
    for checked in _bar(random.Random(_SEED).sample(list(answers), min(len(answers), 600)), "time"):
        begun = time.process_time()
        index = Context(checked.context)
        for statement in statements(checked.answer):
            WEIGHTS.p_unsupported(index.features(statement))
        took.append(1000 * (time.process_time() - begun))
    return {
        "mean": round(statistics.fmean(took), 2),
        "p50": round(statistics.median(took), 2),
        "p95": round(sorted(took)[int(0.95 * len(took))], 2),
    }


def _lexical_1() -> Callable[[Checked], float] | None:
    """Version 1 of the judge, out of the repository's history; None, and said so, where that is not at hand."""
    path = "evals/sightline_evals/judges"
    command = ["git", "-C", str(_ROOT)]
    try:
        found = subprocess.run(
            [*command, "log", "--format=%H", "--", f"{path}/offline.py"], check=True, capture_output=True, text=True
        )
        for commit in found.stdout.split():
            sources = [
                subprocess.run(
                    [*command, "show", f"{commit}:{path}/{name}.py"], check=True, capture_output=True, text=True
                ).stdout
                for name in ("offline", "statements")
            ]
            if 'VERSION: Final = "lexical-1"' in sources[0]:
                return _judge_of(*sources)
    except (OSError, subprocess.CalledProcessError) as exc:
        print(f"!!! SKIPPED: version 1 of the judge: {exc}", file=sys.stderr)
        return None
    print("!!! SKIPPED: version 1 of the judge is not in this history", file=sys.stderr)
    return None


def _judge_of(offline_source: str, statements_source: str) -> Callable[[Checked], float]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "lexical_1_statements.py").write_text(statements_source)
        Path(folder, "lexical_1_offline.py").write_text(
            offline_source.replace("sightline_evals.judges.statements", "lexical_1_statements")
        )
        sys.path.insert(0, folder)
        try:
            module: Any = importlib.import_module("lexical_1_offline")
        finally:
            sys.path.remove(folder)
    judge = module.OfflineJudge()

    def score(checked: Checked) -> float:
        found = [judge.evidence(each, checked.context).p_unsupported for each in judge.statements(checked.answer)]
        return soft(found) if found else 0.0

    return score


if __name__ == "__main__":
    main()
