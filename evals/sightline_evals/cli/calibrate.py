"""`sightline-evals calibrate`: labels of the user's own in, a calibration of the offline judge out."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from sightline_evals import report_file
from sightline_evals.calibration.fitting import FEWEST_LABELS, FEWEST_OF_A_VERDICT, STEPS, Fitted, Judged, fit
from sightline_evals.calibration.labels import Labels, read_labels
from sightline_evals.calibration.maps import SCHEMA
from sightline_evals.calibration.reliability import (
    Bin,
    Threshold,
    bins,
    diagram,
    expected_calibration_error,
    threshold_for,
)
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.judges.offline import NAME, VERSION, OfflineJudge
from sightline_evals.judges.statement_judge import DEFAULT_THRESHOLD
from sightline_evals.judges.statements import plain

_DEFAULT_OUT: Final = Path("judge-calibration.json")
_DEFAULT_PRECISION: Final = 0.8
_EPILOG: Final = """\
labels: one JSON object a line, 50 to 200 of them, with
  answer      the answer
  contexts    its passages, a list of texts
  supported   true or false: do the passages support everything that it says?
or, instead of supported, statements: a list of {"text": "…", "label": "supported" | "unsupported" | "no claim"}
Take them from real traffic, as it comes; label before you look at the judge's scores.

examples:
  sightline-evals calibrate labels.jsonl
  SIGHTLINE_JUDGE_CALIBRATION=judge-calibration.json sightline-evals run --since 1h --judge offline
  sightline-evals calibrate labels.jsonl --precision 0.9 --out strict.json --json -

The figures after calibration come from labels that the map was not fitted to (ten folds). The threshold is the lowest
from which flagged answers were unsupported in at least the wanted share.

exit codes: 0 written, 1 no threshold reaches the precision that was asked for (nothing is written), 2 usage
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate",
        help="fit the offline judge to labels of your own",
        description="Fit the offline judge's probabilities and its threshold to answers that you labelled.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("labels", metavar="LABELS.jsonl", type=Path, help="labelled answers, one JSON object a line")
    parser.add_argument(
        "--precision",
        type=float,
        metavar="SHARE",
        help=f"wanted share of unsupported among the flagged (default: {_DEFAULT_PRECISION:g}, where it can be had)",
    )
    parser.add_argument(
        "--out", type=Path, default=_DEFAULT_OUT, metavar="FILE", help=f"calibration file (default: {_DEFAULT_OUT})"
    )
    parser.add_argument("--json", metavar="PATH", help="write the figures as JSON; - is standard output")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Fit, report, write."""
    del env
    precision = _DEFAULT_PRECISION if arguments.precision is None else arguments.precision
    if not 0 < precision < 1:
        raise UsageError(f"--precision is {precision:g}; needs a number between 0 and 1, such as 0.8")
    report_file.check(arguments.json)
    if not arguments.out.parent.is_dir():
        raise UsageError(f"--out {arguments.out}: there is no folder {arguments.out.parent}")
    labels = read_labels(arguments.labels)
    answers, not_judged = _judged(labels)
    _check_enough(answers, labels, not_judged)
    with tqdm(total=STEPS, desc="fitting", unit="fit", disable=None, file=sys.stderr) as bar:
        fitted = fit(answers, on_step=bar.update)
    truth = [answer.unsupported for answer in answers]
    threshold = threshold_for(precision, fitted.held_out, truth)
    figures = _figures(
        fitted,
        truth,
        precision,
        threshold,
        {"without_statement": not_judged, "without_claim": labels.without_claim, "lines": labels.lines},
    )
    text = _text(fitted, truth, figures, threshold)
    missed = threshold is None and arguments.precision is not None
    if missed:
        text += f"\nnot written: no threshold reaches a precision of {precision:g} on these labels\n"
    else:
        _write_calibration(arguments.out, fitted, threshold, figures)
        text += f"\nwritten: {arguments.out}. Use it with SIGHTLINE_JUDGE_CALIBRATION={arguments.out}\n"
    (sys.stderr if arguments.json == "-" else sys.stdout).write(text)
    if arguments.json is not None:
        with report_file.stream(arguments.json) as out:
            out.write(json.dumps(figures, indent=None if arguments.json == "-" else 2, allow_nan=False) + "\n")
    return ExitCode.BELOW if missed else ExitCode.PASS


def _judged(labels: Labels) -> tuple[list[Judged], int]:
    """(labels with the judge's probabilities, number of answers in which the judge finds no statement)."""
    judge = OfflineJudge()
    found: list[Judged] = []
    for labelled in tqdm(labels.labelled, desc="judging", unit="label", disable=None, file=sys.stderr):
        texts = [plain(labelled.text)] if labelled.is_statement else judge.statements(labelled.text)
        probabilities = tuple(judge.evidence(text, labelled.context).p_unsupported for text in texts)
        if probabilities:
            found.append(Judged(probabilities, labelled.unsupported, labelled.line))
    return found, len(labels.labelled) - len(found)


def _check_enough(answers: Sequence[Judged], labels: Labels, not_judged: int) -> None:
    left_out = [f"{not_judged} answers without a statement" if not_judged else ""]
    left_out += [f"{labels.without_claim} statements labelled as no claim" if labels.without_claim else ""]
    without = f" (left out: {', '.join(filter(None, left_out))})" if any(left_out) else ""
    if len(answers) < FEWEST_LABELS:
        raise UsageError(f"{len(answers)} labels can be used{without}; needs {FEWEST_LABELS} or more, 100 are better")
    unsupported = sum(answer.unsupported for answer in answers)
    for name, count in (("unsupported", unsupported), ("supported", len(answers) - unsupported)):
        if count < FEWEST_OF_A_VERDICT:
            raise UsageError(
                f"{count} of {len(answers)} labels are {name}{without}; "
                f"needs {FEWEST_OF_A_VERDICT} or more of either verdict"
            )


def _figures(
    fitted: Fitted,
    truth: Sequence[bool],
    precision: float,
    threshold: Threshold | None,
    counts: Mapping[str, int],
) -> dict[str, Any]:
    return {
        "labels": len(truth),
        "unsupported": sum(truth),
        **counts,
        **fitted.map.as_json(),
        "brier": {method: round(value, 4) for method, value in fitted.brier_by_method.items()},
        "ece": {
            "before": round(expected_calibration_error(fitted.raw, truth), 4),
            "after": round(expected_calibration_error(fitted.held_out, truth), 4),
        },
        "wanted_precision": precision,
        "threshold": None
        if threshold is None
        else {
            "value": threshold.value,
            "flagged": threshold.flagged,
            "precision": round(threshold.precision, 4),
            "precision_95": [round(edge, 4) for edge in threshold.precision_interval],
            "recall": round(threshold.recall, 4),
            "recall_95": [round(edge, 4) for edge in threshold.recall_interval],
        },
        "bins": {
            "before": [_bin_as_json(each) for each in bins(fitted.raw, truth)],
            "after": [_bin_as_json(each) for each in bins(fitted.held_out, truth)],
        },
    }


def _bin_as_json(each: Bin) -> dict[str, Any]:
    def rounded(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    return {
        "low": each.low,
        "high": each.high,
        "answers": each.answers,
        "predicted": rounded(each.predicted),
        "observed": rounded(each.observed),
        "observed_95": [round(edge, 4) for edge in each.interval],
    }


def _text(fitted: Fitted, truth: Sequence[bool], figures: Mapping[str, Any], threshold: Threshold | None) -> str:
    brier, ece, method = figures["brier"], figures["ece"], figures["method"]
    lines = [
        f"{figures['labels']} labels, {figures['unsupported']} unsupported; judge: {NAME}, version {VERSION}",
        "",
        "before",
        diagram(bins(fitted.raw, truth)),
        "",
        f"after ({method}, on labels that it was not fitted to)",
        diagram(bins(fitted.held_out, truth)),
        "",
        f"Brier score: {brier['none']:.3f} before, {brier['platt']:.3f} by platt, {brier['isotonic']:.3f} by isotonic",
        f"calibration error: {ece['before']:.3f} before, {ece['after']:.3f} after",
    ]
    if brier[method] >= brier["none"]:
        lines.append("The calibrated scores are no better than the uncalibrated ones on these labels.")
    wanted = figures["wanted_precision"]
    if threshold is None:
        lines.append(f"threshold: {DEFAULT_THRESHOLD:g}, since none reaches a precision of {wanted:g}")
    else:
        (low, high), (recall_low, recall_high) = threshold.precision_interval, threshold.recall_interval
        lines.append(
            f"threshold for a precision of {wanted:g}: {threshold.value:.3f}, which flags {threshold.flagged}: "
            f"precision {threshold.precision:.2f} ({low:.2f}-{high:.2f}), "
            f"recall {threshold.recall:.2f} ({recall_low:.2f}-{recall_high:.2f})"
        )
    return "\n".join(lines) + "\n"


def _write_calibration(path: Path, fitted: Fitted, threshold: Threshold | None, figures: Mapping[str, Any]) -> None:
    data = {
        "schema": SCHEMA,
        "judge": NAME,
        "judge_version": VERSION,
        **fitted.map.as_json(),
        "threshold": DEFAULT_THRESHOLD if threshold is None else threshold.value,
        "measured": {key: figures[key] for key in ("labels", "unsupported", "brier", "ece", "wanted_precision")},
    }
    try:
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"--out {path}: {exc.strerror}") from exc
