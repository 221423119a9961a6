"""`sightline-evals gate`: one run against those before it, a verdict as the exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.gating.baselines import LAST, is_folder, keep, read_baselines
from sightline_evals.gating.junit import junit, junit_refusal
from sightline_evals.gating.markdown import markdown, markdown_refusal
from sightline_evals.gating.policy import COVERAGE, MARGIN, RELATIVE_MARGIN, Policy
from sightline_evals.gating.result_json import as_json
from sightline_evals.gating.run_report import MEASURES, read_report
from sightline_evals.gating.table import table
from sightline_evals.gating.verdict import gate
from sightline_evals.settings import GateSettings

_EPILOG = f"""\
examples:
  sightline-evals gate report.json --baseline main.json
  sightline-evals gate report.json --baseline baselines/ --keep --junit gate.xml --floor faithfulness=0.8
                                              against the newest {LAST} that passed; joins them if it passes
  sightline-evals gate report.json --baseline main.json --margin faithfulness=0.05 ttft_ms=0.2 --strict

reports are those of `sightline-evals run --json FILE`. Cases are matched by id. Two runs compare only if the dataset
has the same SHA-256 and each metric the same judge, version, prompts and threshold.

verdict of a metric:
  regression     the drop is significant (one-sided 5%, Holm over all gated metrics) and exceeds the margin
  pass           the lower 95% bound of the change, with every missing case taken for the worst, is within the margin
  inconclusive   neither: too few or too noisy cases; "detectable" is the true drop that 80% of such runs would report
  not measured   fewer cases were compared than --min-coverage asks for

tests: exact McNemar for pass/fail scores; else a bootstrap by conversation, or, where fewer than 20 conversations have
changed, all assignments of signs. A floor is a bound on the mean over the cases of this run, as in `run --fail-under`;
with missing scores it must hold in the worst case. A case that must pass may not fail in any gated score.

times, costs and tokens are gated where they have a margin or are named by --metrics; their changes are relative:
{", ".join(MEASURES)}

exit codes: 0 pass, or inconclusive without --strict; 1 regression; 2 usage, or runs that do not compare; 3 not measured
(judge failed, missing cases); 4 inconclusive with --strict. A regression outranks what was not measured.

environment: GITHUB_STEP_SUMMARY, a file to which the Markdown is added; SIGHTLINE_EVALS_KEEP_BASELINES
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "gate",
        help="compare a run with those before it, and pass or fail",
        description="Compare the report of a run with those of earlier runs, case by case, and pass or fail.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("current", metavar="CURRENT", type=Path, help="report of the run to judge")
    parser.add_argument(
        "--baseline",
        nargs="+",
        type=Path,
        required=True,
        metavar="PATH",
        help="reports to compare with, the newest first, or one folder of reports that passed",
    )
    parser.add_argument(
        "--last", type=int, default=LAST, metavar="N", help=f"newest reports to take of a folder (default: {LAST})"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="copy CURRENT into the folder of --baseline if it passes, or is the first; the oldest that passed are "
        "deleted from it (SIGHTLINE_EVALS_KEEP_BASELINES, default 30)",
    )
    parser.add_argument(
        "--rerun", type=Path, metavar="PATH", help="second run of the same code: flaky cases are left out"
    )
    parser.add_argument(
        "--metrics", nargs="+", default=[], metavar="NAME", help="metrics to gate (default: all scores)"
    )
    _add_pairs(parser, "--margin", f"tolerated drop (default: {MARGIN:g}; times, costs, tokens: {RELATIVE_MARGIN:g})")
    _add_pairs(parser, "--floor", "least mean of a score")
    _add_pairs(parser, "--ceiling", "greatest mean of a time, a cost, or a score whose lower end is the good one")
    _add_pairs(parser, "--pass-at", "score from which a case passes, for must-pass cases and --rerun (default: 0.5)")
    parser.add_argument(
        "--min-coverage",
        nargs="+",
        action="extend",
        default=[],
        metavar="SHARE",
        help=f"least share of cases to compare, as SHARE or METRIC=SHARE (default: {COVERAGE:g})",
    )
    parser.add_argument(
        "--lower-is-better", nargs="+", default=[], metavar="NAME", help="scores with 0 as the good end"
    )
    parser.add_argument("--allow-dataset-change", action="store_true", help="compare the cases that all runs have")
    parser.add_argument("--strict", action="store_true", help="exit 4 if the comparison is inconclusive")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write Markdown")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Read, compare, write, and give the verdict."""
    for path in (arguments.junit, arguments.json, arguments.markdown):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}")
    if arguments.keep and not is_folder(arguments.baseline):
        raise UsageError("--keep needs one folder as --baseline")
    policy = policy_of(arguments)
    try:
        current = read_report(arguments.current)
        baselines, notes = read_baselines(
            arguments.baseline, last=arguments.last, current=current, any_dataset=policy.allow_dataset_change
        )
        rerun = read_report(arguments.rerun) if arguments.rerun else None
        result = gate(current, baselines, policy, rerun, notes)
    except UsageError as exc:
        _write(arguments.junit, junit_refusal(str(exc)))
        _write_markdown(arguments.markdown, env, markdown_refusal(str(exc)))
        raise
    sys.stdout.write(table(result))
    _write(arguments.junit, junit(result))
    _write_markdown(arguments.markdown, env, markdown(result))
    _write(arguments.json, json.dumps(as_json(result), indent=2, allow_nan=False) + "\n")
    if arguments.keep:
        path = keep(result, arguments.baseline[0], GateSettings.from_env(env).keep_baselines)
        sys.stdout.write(f"kept as {path}\n" if path else "not kept: only a run that passes is\n")
    return result.code


def policy_of(arguments: argparse.Namespace) -> Policy:
    """The policy that flags ask for.

    Raises:
        UsageError: a flag cannot be understood.
    """
    if arguments.last < 1:
        raise UsageError(f"--last is {arguments.last}; needs 1 or more")
    shares = [text for text in _comma_separated(arguments.min_coverage) if "=" not in text]
    by_metric = [text for text in _comma_separated(arguments.min_coverage) if "=" in text]
    return Policy(
        metrics=tuple(_comma_separated(arguments.metrics)),
        margins=_numbers("--margin", arguments.margin),
        floors=_numbers("--floor", arguments.floor),
        ceilings=_numbers("--ceiling", arguments.ceiling),
        pass_at=_numbers("--pass-at", arguments.pass_at),
        coverage=_numbers("--min-coverage", by_metric),
        least_coverage=_number("--min-coverage", shares[-1], shares[-1]) if shares else COVERAGE,
        lower_is_better=frozenset(_comma_separated(arguments.lower_is_better)),
        allow_dataset_change=arguments.allow_dataset_change,
        strict=arguments.strict,
    )


def _add_pairs(parser: argparse.ArgumentParser, flag: str, text: str) -> None:
    parser.add_argument(flag, nargs="+", action="extend", default=[], metavar="METRIC=VALUE", help=text)


def _comma_separated(texts: Sequence[str]) -> list[str]:
    """Values that were given apart or joined by commas."""
    return [part for text in texts for part in text.split(",") if part]


def _numbers(flag: str, texts: Sequence[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for text in _comma_separated(texts):
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"{flag} {text!r}: needs METRIC=VALUE, such as faithfulness=0.8")
        numbers[name] = _number(flag, text, value)
    return numbers


def _number(flag: str, text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"{flag} {text!r}: {value!r} is no number") from None


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc


def _write_markdown(path: Path | None, env: Mapping[str, str], text: str) -> None:
    _write(path, text)
    if summary := env.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as exc:
            raise UsageError(f"GITHUB_STEP_SUMMARY is {summary}: {exc.strerror}") from exc
