"""`sightline-evals watch`: a sample of live traffic, judged for as long as the command runs."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping

from sightline_evals.emit import Emitter
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.judges.choosing import NEEDED, have_no_model, judge_of, named_judges
from sightline_evals.runs.folder import RunFolder
from sightline_evals.runs.watching import Watch, Watcher, watch_until_signal
from sightline_evals.runs.wishes import Limits
from sightline_evals.scoring.metrics import GROUNDEDNESS, default_metrics, metric_of
from sightline_evals.settings import JudgeSettings, RunSettings
from sightline_store.client import Client
from sightline_store.moments import duration_s
from sightline_store.settings import StoreSettings

_EPILOG = """\
examples:
  sightline-evals watch                                 120 traces an hour, by the offline judge
  sightline-evals watch --per-hour 600 --judge remote --budget-usd 0.5
                                                        by a model, for at most half a dollar an hour

Each trace is judged once, also when the command is started again: --name says which memory it has. A store, collector
or judge that is away is waited for. SIGTERM and Ctrl-C end it: what is judged is sent, and the exit code is 0.

exit codes: 0 ended by a signal, 2 usage, 3 the memory cannot be written

environment: SIGHTLINE_STORE_URL, OTEL_EXPORTER_OTLP_ENDPOINT, SIGHTLINE_JUDGE_*, SIGHTLINE_EVALS_CACHE_DIR
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "watch",
        help="judge a sample of live traffic, within a budget an hour",
        description="Judge a sample of live traffic for as long as this runs, within a budget an hour.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--per-hour", type=int, default=120, metavar="N", help="traces judged in an hour, spread over it (default: 120)"
    )
    parser.add_argument("--metrics", nargs="+", metavar="NAME", help="see `sightline-evals run --help`")
    parser.add_argument(
        "--judge",
        metavar="NAME",
        help=f"the judge: {NEEDED} (default: remote if SIGHTLINE_JUDGE_MODEL is set)",
    )
    parser.add_argument("--budget-usd", type=float, metavar="USD", help="most that the judge may cost in an hour")
    parser.add_argument("--budget-tokens", type=int, metavar="N", help="most tokens of the judge in an hour")
    parser.add_argument("--window", default="15m", metavar="TIME", help="age of the oldest trace (default: 15m)")
    parser.add_argument("--interval", default="30s", metavar="TIME", help="between two rounds (default: 30s)")
    parser.add_argument(
        "--concurrency", type=int, default=2, metavar="N", help="traces judged at the same time, at most (default: 2)"
    )
    parser.add_argument("--name", default="watch", help="run id of the scores, and name of the memory (default: watch)")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Watch until a signal comes."""
    settings, places = JudgeSettings.from_env(env), RunSettings.from_env(env)
    for name in ("per_hour", "concurrency", "budget_tokens"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {value}; needs 1 or more")
    judges = named_judges([arguments.judge] if arguments.judge else None, settings)
    metrics = tuple(part for text in arguments.metrics or () for part in text.split(",") if part)
    metrics = metrics or default_metrics((), is_offline=have_no_model(judges))
    for name in metrics:
        if "reference" in metric_of(name).needs:
            raise UsageError(f"{name} needs reference answers, which stored traces do not have")
    watch = Watch(
        metrics=metrics,
        per_hour=arguments.per_hour,
        window_s=duration_s(arguments.window),
        interval_s=float(duration_s(arguments.interval)),
        concurrency=arguments.concurrency,
        run_id=arguments.name,
    )
    limits = Limits(usd=arguments.budget_usd, tokens=arguments.budget_tokens)
    judge = judge_of(judges, settings, places, limits=limits, concurrency=arguments.concurrency)
    with contextlib.ExitStack() as stack:
        folder = RunFolder(places.folder / "watches", watch.run_id)
        stack.callback(folder.close)
        client = Client(StoreSettings.from_env(env))
        stack.callback(client.close)
        emitter = Emitter(watch.run_id, env)
        stack.callback(emitter.close)
        watcher = Watcher(watch, client, judge, settings, emitter, folder)
        if set(metrics) != {GROUNDEDNESS}:
            judge.llm()  # imports RAGAS, which takes seconds
        watch_until_signal(watcher)
    return ExitCode.PASS
