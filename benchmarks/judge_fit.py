"""Fits the weights of the offline judge to public sets of checked answers.

    python benchmarks/judge_fit.py FOLDER [--write]

FOLDER holds the sets as `judge_sets` reads them. Each set has the same weight, and so have supported and unsupported
answers in it; no weight may be negative. A label is of a whole answer, so the fit goes through the answer's soft score,
the mean of the highest and the average probability of its statements. Weights of what the sets hardly hold (a statement
turned into its opposite, a number in another's place) are set by hand. `--write` replaces the judge's `weights.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from judge_sets import Checked, public_sets
from numpy.typing import NDArray
from scipy.optimize import minimize

import sightline_evals.judges.lexical.weights
from sightline_evals.judges.lexical.context import Features, context_index
from sightline_evals.judges.lexical.weights import Weights
from sightline_evals.judges.statements import statements

BY_HAND: Final = {"turned": 4.5, "misplaced_numbers": 3.0}
"""Either makes a statement unsupported by itself, where every other word of it is in the context."""
_SHRINKAGE: Final = 0.02

Vectors = NDArray[np.float64]


def features_of(answers: Iterable[Checked]) -> list[Vectors]:
    """float64[n_statements, n_features] for each answer; no rows for an answer without a statement."""
    found = []
    for checked in answers:
        index = context_index(checked.context)
        rows = [index.features(statement) for statement in statements(checked.answer)]
        found.append(np.array(rows, dtype=float).reshape(len(rows), len(Features._fields)))
    return found


def fitted(features_by_set: Mapping[str, Sequence[Vectors]], truth_by_set: Mapping[str, Sequence[bool]]) -> Weights:
    """Weights of the least log loss over sets; always the same for the same sets."""
    rows: list[Vectors] = []
    truth: list[float] = []
    shares: list[float] = []
    for name, features in features_by_set.items():
        used = [(vectors, bad) for vectors, bad in zip(features, truth_by_set[name], strict=True) if len(vectors)]
        bad_count = sum(bad for _, bad in used)
        for vectors, bad in used:
            rows.append(vectors)
            truth.append(float(bad))
            shares.append(1 / (2 * len(features_by_set) * (bad_count if bad else len(used) - bad_count)))
    answer_of = np.repeat(np.arange(len(rows)), [len(vectors) for vectors in rows])
    stacked, labels, weights = np.vstack(rows), np.array(truth), np.array(shares)
    scale = stacked.std(axis=0) + 1e-9
    counts = np.bincount(answer_of)
    bounds = [(0.0, 0.0) if name in BY_HAND else (0.0, None) for name in Features._fields]

    def loss(parameters: Vectors) -> tuple[float, Vectors]:
        p = 1 / (1 + np.exp(-(stacked @ parameters[1:] + parameters[0])))
        highest = np.zeros(len(rows))
        np.maximum.at(highest, answer_of, p)
        soft = np.clip((highest + np.bincount(answer_of, p) / counts) / 2, 1e-6, 1 - 1e-6)
        value = -(weights * (labels * np.log(soft) + (1 - labels) * np.log(1 - soft))).sum()
        by_soft = -weights * (labels / soft - (1 - labels) / (1 - soft))
        is_highest = p >= highest[answer_of]
        share_of_highest = is_highest / np.bincount(answer_of, is_highest)[answer_of]
        by_logit = by_soft[answer_of] * (share_of_highest + 1 / counts[answer_of]) / 2 * p * (1 - p)
        shrunk = _SHRINKAGE * (parameters[1:] * scale) ** 2
        gradient = np.r_[by_logit.sum(), stacked.T @ by_logit + 2 * _SHRINKAGE * parameters[1:] * scale**2]
        return float(value + shrunk.sum()), gradient

    start = np.r_[-2.0, [0.0 if name in BY_HAND else 0.5 for name in Features._fields]]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(None, None), *bounds]).x
    by_feature = {**dict(zip(Features._fields, found[1:], strict=True)), **BY_HAND}
    return Weights(round(float(found[0]), 2), tuple(round(float(by_feature[name]), 2) for name in Features._fields))


def main() -> None:
    """Fit to all sets, print, and write if told so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the public sets")
    parser.add_argument("--write", action="store_true", help="replace the judge's weights.json")
    arguments = parser.parse_args()
    sets = public_sets(arguments.folder)
    if not sets:
        parser.error(f"{arguments.folder} holds none of the sets that judge_sets.py names")
    weights = fitted(
        {name: features_of(answers) for name, answers in sets.items()},
        {name: [checked.unsupported for checked in answers] for name, answers in sets.items()},
    )
    data = {
        "fitted_to": {name: len(answers) for name, answers in sets.items()},
        "by_hand": sorted(BY_HAND),
        "intercept": weights.intercept,
        "weights": dict(zip(Features._fields, weights.by_feature, strict=True)),
    }
    text = json.dumps(data, indent=2) + "\n"
    print(text, end="")
    if arguments.write:
        Path(sightline_evals.judges.lexical.weights.__file__).with_name("weights.json").write_text(text)


if __name__ == "__main__":
    main()
