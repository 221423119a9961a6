"""Evaluations from Python: score a dataset, compare the run with those before it. The pytest plugin gives it out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sightline_evals.errors import EvalsError, UsageError
from sightline_evals.gating.baselines import LAST, is_folder, keep, read_baselines
from sightline_evals.gating.policy import COVERAGE, Policy
from sightline_evals.gating.results import GateResult
from sightline_evals.gating.run_report import read_report
from sightline_evals.gating.table import table
from sightline_evals.gating.verdict import gate
from sightline_evals.settings import GateSettings

Answer = str | tuple[str, Sequence[str]]
"""An answer, or an answer and the passages that it is based on."""


class EvalSession:
    """Runs and compares.

    Args:
        folder: where reports are written.
        env: settings of the judge and of the collector, as of `sightline-evals run`.

    Attributes:
        tables: what each comparison said, as text.
    """

    def __init__(self, folder: Path, env: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._env = env
        self._runs = 0
        self.tables: list[str] = []

    def run(
        self,
        dataset: str | os.PathLike[str],
        *,
        answer: Callable[[str], Answer] | None = None,
        metrics: Sequence[str] = (),
        judge: str | None = None,
        flags: Sequence[str] = (),
    ) -> Path:
        """Score a dataset as `sightline-evals run --dataset` does, and return the path of the report.

        Args:
            dataset: file of cases.
            answer: called with each question, one after the other; its answers are judged in place of the dataset's.
            metrics: what to measure; empty for what the cases allow.
            judge: as of `--judge`; None takes what the environment says.
            flags: further flags of `sightline-evals run`.

        Raises:
            EvalsError: no report was written; the reason is on standard error.
        """
        from sightline_evals.__main__ import main  # noqa: PLC0415 - the command line imports this package

        self._runs += 1
        path = Path(dataset)
        if answer is not None:
            path = self._answered(path, answer)
        report = self._folder / f"report-{self._runs}.json"
        arguments = ["run", "--dataset", str(path), "--json", str(report), *flags]
        arguments += ["--metrics", *metrics] if metrics else []
        arguments += ["--judge", judge] if judge else []
        code = main(arguments, self._env)
        if not report.exists():
            raise EvalsError(f"sightline-evals run ended with exit code {code} and wrote no report")
        return report

    def gate(
        self,
        report: str | os.PathLike[str],
        *,
        baseline: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        margins: Mapping[str, float] | None = None,
        floors: Mapping[str, float] | None = None,
        ceilings: Mapping[str, float] | None = None,
        metrics: Sequence[str] = (),
        min_coverage: float = COVERAGE,
        last: int = LAST,
        allow_dataset_change: bool = False,
        strict: bool = False,
        keep_passed: bool = False,
        policy: Policy | None = None,
    ) -> GateResult:
        """Compare a report; the result is true if the exit code of `sightline-evals gate` would be 0.

        Args:
            report: what `run` returned.
            baseline: reports, the newest first, or one folder of reports that passed.
            margins: tolerated drop by metric.
            floors: least mean by metric.
            ceilings: greatest mean by metric whose lower end is the good one.
            metrics: metrics to gate; empty for every score.
            min_coverage: least share of cases to compare.
            last: newest reports to take of a folder.
            allow_dataset_change: compare the cases that all runs have.
            strict: an inconclusive comparison is false.
            keep_passed: copy the report into the folder of `baseline` if it passes, or is the first, and delete the
                oldest that passed.
            policy: in place of all of the above but `last` and `keep_passed`.

        Raises:
            UsageError: a report cannot be read, the runs do not compare, or `keep_passed` has no folder.
        """
        paths = [Path(baseline)] if isinstance(baseline, str | os.PathLike) else [Path(path) for path in baseline]
        if keep_passed and not is_folder(paths):
            raise UsageError("keep_passed needs one folder as baseline")
        policy = policy or Policy(
            metrics=tuple(metrics),
            margins=dict(margins or {}),
            floors=dict(floors or {}),
            ceilings=dict(ceilings or {}),
            least_coverage=min_coverage,
            allow_dataset_change=allow_dataset_change,
            strict=strict,
        )
        current = read_report(Path(report))
        baselines, notes = read_baselines(paths, last=last, current=current, any_dataset=policy.allow_dataset_change)
        result = gate(current, baselines, policy, notes=notes)
        self.tables.append(table(result))
        if keep_passed:
            keep(result, paths[0], GateSettings.from_env(self._env).keep_baselines)
        return result

    def _answered(self, dataset: Path, answer: Callable[[str], Answer]) -> Path:
        """The dataset with these answers, their passages and the time that each took."""
        from sightline_evals.datasets import read_dataset, write_dataset  # noqa: PLC0415 - only where it is needed

        samples = []
        for sample in read_dataset(dataset):
            begun = time.perf_counter()
            given = answer(sample.question)
            took_ms = 1000 * (time.perf_counter() - begun)
            text, contexts = (given, sample.contexts) if isinstance(given, str) else given
            samples.append(replace(sample, answer=text, contexts=tuple(contexts), duration_ms=round(took_ms, 3)))
        path = self._folder / f"answered-{self._runs}.jsonl"
        write_dataset(path, samples)
        return path
