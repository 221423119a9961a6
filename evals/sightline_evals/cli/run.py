"""`sightline-evals run`: samples in, scores out, a verdict as the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline_evals.errors import UsageError
from sightline_evals.gate import Rules
from sightline_evals.judges.choosing import add_judges, have_no_model, named_judges
from sightline_evals.runs.running import carry_out
from sightline_evals.runs.samples import STRATEGIES
from sightline_evals.runs.wishes import Limits, Wishes
from sightline_evals.scoring.metrics import METRICS, default_gated_metric, metric_of
from sightline_evals.settings import JudgeSettings
from sightline_store.moments import duration_s

_METRIC_LINES = "\n".join(
    f"  {name} ({', '.join(part for part in _parts if part)})\n      {metric_of(name).about}"
    for name in METRICS
    for _parts in [
        (
            "offline judge only" if not metric_of(name).by_model else "",
            "a model only" if not metric_of(name).by_offline else "",
            "embeddings" if metric_of(name).with_embeddings else "",
            "needs " + ", ".join(sorted(metric_of(name).needs)),
        )
    ]
)
_EPILOG = f"""\
examples:
  sightline-evals run --since 1h                      score an hour of traces with the offline judge, send the scores
  sightline-evals run --since 1d --limit 200 --judge remote --budget-usd 2
                                                      the same with a model (SIGHTLINE_JUDGE_MODEL) as judge
  sightline-evals run --dataset cases.jsonl --fail-under groundedness=0.7 faithfulness=0.8 --json report.json
                                                      a gate in CI: needs no collector and no store
  sightline-evals run --dataset cases.jsonl --ask http://127.0.0.1:8080 --fail-under 0.8
                                                      the same with what a running application answers now
  sightline-evals run --resume latest                 go on with a run that was interrupted or killed

dataset: one JSON object a line: question, contexts (list of texts), answer and/or reference, id (optional)

metrics:
{_METRIC_LINES}

judges:
  offline   compares words, numbers, names and negations; no model, no network, always the same answer. For triage and
            trends: it cannot see paraphrase or inference, and its scores do not compare with those of a model.
  remote    any OpenAI-compatible endpoint: SIGHTLINE_JUDGE_MODEL, SIGHTLINE_JUDGE_BASE_URL, SIGHTLINE_JUDGE_API_KEY.
            It is asked as fast as it allows, at most --concurrency calls at once; answers that were paid are kept.
            remote:MODEL is another model there.
  onnx      a classifier of sentence pairs (NLI, factual consistency) that you bring: SIGHTLINE_JUDGE_ONNX_FOLDER
  several   --judge remote --judge remote:other --judge offline: the first two are asked, and the others where these
            differ by more than --disagreement. The answer's score is the mean of the majority (pass or fail at 0.5), of
            groundedness the mean of all; each judge's verdicts stand in the evidence, and its name in the panel's.

NaN: a score that could not be had is NaN with the reason, never a pass. NaN is left out of means, counted, and sent.
Every kind of it counts against --min-coverage: a judge that fails, an answer that makes no statement ("I don't know"),
a sample without a reference. What failed also widens the claim: a floor must hold even if all of it were the worst.

exit codes:
  0    pass: each floor holds, in the worst case of what failed too, and its metric covers enough of the samples
  1    a mean is below its floor, even if all that failed were the best; or so many answers make no statement that
       the rest does not stand for all
  2    usage: a flag, a setting or the dataset is wrong
  3    infrastructure, the quality is unknown: the judge, store, application or collector failed, the budget or the
       deadline ended the run too early, or there was nothing to judge (--allow-empty lets that pass)
  4    inconclusive, with --strict only: the mean holds its floor, but its interval does not
  130  interrupted (143 by SIGTERM): what was scored is kept, and --resume goes on

environment: SIGHTLINE_STORE_URL for --since, OTEL_EXPORTER_OTLP_ENDPOINT for sending, SIGHTLINE_JUDGE_* for judges,
SIGHTLINE_EVALS_CACHE_DIR for what is kept
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="score stored traces or a dataset",
        description="Score stored traces or a dataset, send the scores, and pass or fail.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_samples(parser.add_argument_group("samples"))
    _add_judging(parser.add_argument_group("judging"))
    _add_limits(parser.add_argument_group("limits"))
    _add_gate(parser.add_argument_group("pass or fail"))
    _add_output(parser.add_argument_group("output"))
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Score, send, report, and give the verdict."""
    return carry_out(_wishes(arguments, JudgeSettings.from_env(env)), env)


def _add_samples(group: argparse._ArgumentGroup) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument("--since", metavar="TIME", help="stored traces of the last 90s, 30m, 1h, 7d …")
    source.add_argument("--dataset", metavar="FILE", type=Path, help="a file of cases")
    group.add_argument("--ask", metavar="URL", help="with --dataset: judge what this application answers now")
    group.add_argument(
        "--resume", metavar="RUN_ID", help="go on with a run that ended early; latest is the one that was written last"
    )
    group.add_argument("--limit", type=int, metavar="N", help="most samples (default: 100 traces; all of a dataset)")
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=STRATEGIES[0],
        help="how traces are drawn: as many of each tenant (default) or all alike, with means weighted back to all "
        "traces; the worst judged; or those of the topics of questions that grew most against the time before",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="another one draws other traces (default: 0)")
    group.add_argument("--rescore", action="store_true", help="with --since: take traces that have a score too")


def _add_judging(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--metrics", nargs="+", metavar="NAME", help="see below (default: what the samples allow)")
    add_judges(group)
    group.add_argument(
        "--concurrency",
        type=int,
        default=4,
        metavar="N",
        help="samples scored at the same time, at most (default: 4); a judge that limits its rate gets fewer calls",
    )
    group.add_argument("--no-cache", action="store_true", help="ask a model again what it has answered before")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--deadline", metavar="TIME", default="1h", help="time for all scores (default: 1h); 0 is none")
    group.add_argument("--budget-usd", type=float, metavar="USD", help="most that the judge may cost")
    group.add_argument("--budget-tokens", type=int, metavar="N", help="most tokens of the judge, in and out")


def _add_gate(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--fail-under",
        nargs="+",
        action="extend",
        default=[],
        metavar="METRIC=MEAN",
        help="exit 1 when a mean is below this; a number alone is for groundedness (offline judge) or faithfulness",
    )
    group.add_argument(
        "--fail-over",
        nargs="+",
        action="extend",
        default=[],
        metavar="METRIC=MEAN",
        help="exit 1 when a mean is above this, for metrics where lower is better",
    )
    group.add_argument(
        "--min-coverage",
        nargs="+",
        action="extend",
        default=[],
        metavar="[METRIC=]SHARE",
        help="share of the samples that a metric with a floor must have a value of (default: 0.9)",
    )
    group.add_argument(
        "--max-error-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="exit 3 when more than this share of a metric's scores failed (default: 0.1)",
    )
    group.add_argument(
        "--min-scored",
        type=int,
        default=1,
        metavar="N",
        help="exit 3 when a metric with a floor has fewer values than this (default: 1)",
    )
    group.add_argument(
        "--errors-count-as-failures",
        action="store_true",
        help="a score that failed is the worst score: the run ends with 1 and not with 3",
    )
    group.add_argument("--allow-empty", action="store_true", help="pass where there was nothing to judge")
    group.add_argument(
        "--strict", action="store_true", help="exit 4 when a mean holds its floor and its interval does not"
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--run-id", metavar="ID", help="sent with every score (default: date, time and a random suffix)")
    group.add_argument(
        "--send",
        action=argparse.BooleanOptionalAction,
        help="send scores to the collector (default: with --since and --ask yes, else no)",
    )
    group.add_argument("--json", metavar="PATH", help="write the report as JSON; - is standard output")


def _wishes(arguments: argparse.Namespace, settings: JudgeSettings) -> Wishes:
    """The flags, checked."""
    judges = named_judges(arguments.judge, settings)
    is_offline = have_no_model(judges)
    if not (arguments.since or arguments.dataset or arguments.resume):
        raise UsageError("run needs --since, --dataset or --resume")
    if arguments.ask and not (arguments.dataset or arguments.resume):
        raise UsageError("--ask needs --dataset: the questions")
    for name, least in (("limit", 1), ("concurrency", 1), ("budget_tokens", 1), ("budget_usd", 0.0)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} is {value}; needs {least:g} or more")
    if not 0 <= arguments.seed < 2**64:
        raise UsageError(f"--seed is {arguments.seed}; needs 0 or more")
    if not 0 <= arguments.max_error_share <= 1:
        raise UsageError(f"--max-error-share is {arguments.max_error_share:g}; needs 0 to 1")
    floors = _floors(_comma_separated(arguments.fail_under), "--fail-under", is_offline=is_offline)
    floors |= _floors(_comma_separated(arguments.fail_over), "--fail-over", is_offline=is_offline)
    if arguments.since:
        duration_s(arguments.since)
    return Wishes(
        since=arguments.since,
        dataset=arguments.dataset,
        ask=arguments.ask,
        resume=arguments.resume,
        limit=arguments.limit,
        strategy=arguments.strategy,
        seed=arguments.seed,
        rescore=arguments.rescore,
        metrics=tuple(_comma_separated(arguments.metrics or ())),
        judges=judges,
        disagreement=arguments.disagreement,
        concurrency=arguments.concurrency,
        run_id=arguments.run_id,
        send=arguments.send,
        json_path=arguments.json,
        floors=floors,
        rules=Rules(
            max_error_share=arguments.max_error_share,
            min_scored=arguments.min_scored,
            min_coverage=_coverage(_comma_separated(arguments.min_coverage)),
            errors_count_as_failures=arguments.errors_count_as_failures,
            allow_empty=arguments.allow_empty,
            strict=arguments.strict,
        ),
        limits=Limits(
            deadline_s=float(duration_s(arguments.deadline)) if arguments.deadline not in {"0", "none"} else None,
            usd=arguments.budget_usd,
            tokens=arguments.budget_tokens,
            use_cache=not arguments.no_cache,
        ),
    )


def _comma_separated(texts: Sequence[str]) -> list[str]:
    """Values that were given apart or joined by commas."""
    return [part for text in texts for part in text.split(",") if part]


def _floors(texts: Sequence[str], flag: str, *, is_offline: bool) -> dict[str, float]:
    floors: dict[str, float] = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        name = name or default_gated_metric(is_offline=is_offline)
        floor = _share(value)
        if name not in METRICS or floor is None:
            raise UsageError(f"{flag} {text!r}: needs METRIC=MEAN with a mean of 0 to 1, such as faithfulness=0.8")
        if metric_of(name).lower_is_better != (flag == "--fail-over"):
            way_out = "--fail-over" if flag == "--fail-under" else "--fail-under"
            better = "lower" if metric_of(name).lower_is_better else "higher"
            raise UsageError(f"{flag} {text!r}: of {name} {better} is better; use {way_out}")
        floors[name] = floor
    return floors


def _coverage(texts: Sequence[str]) -> dict[str, float]:
    found = {"": 0.9}
    for text in texts:
        name, _, value = text.rpartition("=")
        share = _share(value)
        if share is None or (name and name not in METRICS):
            raise UsageError(f"--min-coverage {text!r}: needs SHARE or METRIC=SHARE with a share of 0 to 1")
        found[name] = share
    return found


def _share(text: str) -> float | None:
    """A number of 0 to 1, None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
