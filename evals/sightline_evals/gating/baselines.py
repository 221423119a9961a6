"""A folder of reports that passed: the newest are the baseline, and a run that passes is added."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sightline_evals.datasets.writing import write_bytes
from sightline_evals.errors import ReportError, UsageError
from sightline_evals.gating.results import NO_BASELINE, GateResult, Outcome
from sightline_evals.gating.run_report import RunReport, read_report

LAST = 7
"""Reports that are taken, unless another number is named."""


def read_baselines(
    paths: Sequence[Path], *, last: int, current: RunReport, any_dataset: bool
) -> tuple[list[RunReport], list[str]]:
    """Reports as they are named, or the newest of one folder; and remarks.

    Args:
        paths: reports, the newest first, or one folder, which need not exist yet.
        last: most reports to take of a folder.
        current: the run that is compared.
        any_dataset: the dataset may be another.

    Raises:
        ReportError: see `newest_passed`.
    """
    if is_folder(paths):
        return newest_passed(paths[0], last=last, current=current, any_dataset=any_dataset)
    return [read_report(path) for path in paths], []


def is_folder(paths: Sequence[Path]) -> bool:
    """Whether a baseline is a folder; what is not there yet is one unless its name ends with .json."""
    return len(paths) == 1 and (paths[0].is_dir() or (not paths[0].exists() and paths[0].suffix != ".json"))


def newest_passed(
    folder: Path, *, last: int, current: RunReport, any_dataset: bool
) -> tuple[list[RunReport], list[str]]:
    """The newest reports of a folder that passed, newest first, and remarks on those that were passed over.

    Args:
        folder: holds ``*.json``; one that is not there holds none.
        last: most reports to take.
        current: reports of another dataset than this run's are passed over, and so is the run itself.
        any_dataset: the dataset may be another.

    Raises:
        ReportError: a file cannot be used, or all that passed are of other datasets.
    """
    reports = [read_report(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    passed = [report for report in reports if report.passed and report.run_id != current.run_id]
    passed.sort(key=_age, reverse=True)
    alike = [report for report in passed if any_dataset or _dataset_sha256(report) == _dataset_sha256(current)]
    if passed and not alike:
        newest = passed[0]
        raise ReportError(
            newest.path,
            f"is, as all that passed in {folder}, of another state of the dataset than {current.path}; "
            "--allow-dataset-change compares the cases that both have",
        )
    notes = []
    if len(alike) < len(passed):
        notes.append(f"{len(passed) - len(alike)} reports of {folder} are of other datasets and were not used")
    if failed := sum(not report.passed for report in reports):
        notes.append(f"{failed} reports of {folder} did not pass and were not used")
    return alike[:last], notes


def keep(result: GateResult, folder: Path, most: int) -> Path | None:
    """Copy the report of a run that passed into a folder, whole or not at all, and delete the oldest that passed.

    The first run is copied too, if nothing but the missing baseline speaks against it. One that is inconclusive is not:
    by many of them a baseline would sink step by step.

    Args:
        result: the comparison of the run.
        folder: where it goes.
        most: reports that passed to leave there, the newest, of whatever dataset; what did not pass is never deleted.

    Returns:
        Where it is now; None where it did not pass.

    Raises:
        UsageError: the folder cannot be written.
    """
    first = not result.baselines and all(
        check.outcome is Outcome.PASS or check.name == NO_BASELINE for check in result.checks
    )
    report = result.current
    if not report.passed or not (first or result.outcome is Outcome.PASS):
        return None
    name = re.sub(r"[^0-9A-Za-z._-]", "-", f"{report.started_at}-{report.run_id}")[:150].lstrip(".-") or "run"
    target = folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        content = report.path.read_bytes()
    except OSError as exc:
        raise UsageError(f"--keep {folder}: {exc.strerror}") from exc
    write_bytes(target, content)
    for path in _passed(folder)[most:]:
        path.unlink(missing_ok=True)
    return target


def _passed(folder: Path) -> list[Path]:
    """The reports of a folder that passed, newest first."""
    reports = [report for path in folder.glob("*.json") if (report := read_report(path)).passed]
    reports.sort(key=_age, reverse=True)
    return [report.path for report in reports]


def _age(report: RunReport) -> tuple[str, str]:
    return report.started_at, report.path.name


def _dataset_sha256(report: RunReport) -> str:
    return report.dataset[1] if report.dataset else ""
