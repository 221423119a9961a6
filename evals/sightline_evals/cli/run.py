"""`sightline-evals run`: samples in, scores out, a verdict as the exit code."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from sightline_evals.dataset import Sample, read_dataset
from sightline_evals.emit import Emitter
from sightline_evals.errors import ScoresNotSent, UsageError
from sightline_evals.gate import ExitCode, Verdict, gate_verdict
from sightline_evals.judges import Judge
from sightline_evals.judges.offline import OfflineJudge
from sightline_evals.judges.remote import RemoteJudge
from sightline_evals.report import Run, as_json, table
from sightline_evals.samples import stored_samples
from sightline_evals.scorers import GROUNDEDNESS, METRICS, SampleScore, Scorer, default_metrics
from sightline_evals.settings import JudgeSettings
from sightline_evals.summary import summarize
from sightline_store.client import Client
from sightline_store.moments import duration_s
from sightline_store.settings import StoreSettings

_EPILOG = """\
examples:
  sightline-evals run --since 1h                      score an hour of traces with the offline judge, send the scores
  sightline-evals run --since 1d --limit 200 --judge remote --concurrency 8
                                                      the same with a model (SIGHTLINE_JUDGE_MODEL) as judge
  sightline-evals run --dataset cases.jsonl --fail-under faithfulness=0.8 context_precision=0.6 --json report.json
                                                      a gate in CI: needs no collector and no store

dataset: one JSON object a line: question, contexts (list of texts), answer and/or reference, id (optional)

metrics:
  faithfulness        share of the answer's statements that the passages support (RAGAS)
  context_precision   how far useful passages rank above useless ones (RAGAS; uses the reference if there is one)
  context_recall      share of the reference's statements that the passages support (RAGAS; datasets only)
  groundedness        soft faithfulness out of probabilities (offline judge only)

judges:
  offline   compares words, numbers, names and negations; no model, no network, always the same answer. For triage and
            trends: it cannot see paraphrase or inference, and its scores do not compare with those of a model.
  remote    any OpenAI-compatible endpoint: SIGHTLINE_JUDGE_MODEL, SIGHTLINE_JUDGE_BASE_URL, SIGHTLINE_JUDGE_API_KEY

NaN: a judge that fails gives NaN with the reason, never a pass. NaN is left out of means, counted, and sent.

exit codes: 0 pass, 1 a mean is below its floor, 2 usage, 3 infrastructure (judge, store or collector failed, or
nothing was measured where a floor is set), 130 interrupted

environment: SIGHTLINE_STORE_URL for --since, OTEL_EXPORTER_OTLP_ENDPOINT for sending, SIGHTLINE_JUDGE_* for judges
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="score stored traces or a dataset",
        description="Score stored traces or a dataset with RAGAS, send the scores, and pass or fail.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--since", metavar="TIME", help="stored traces of the last 90s, 30m, 1h, 7d …")
    source.add_argument("--dataset", metavar="FILE", type=Path, help="a JSONL file of cases")
    parser.add_argument("--limit", type=int, metavar="N", help="most samples (default: 100 traces; all of a dataset)")
    parser.add_argument("--rescore", action="store_true", help="with --since: take traces that have a score too")
    parser.add_argument(
        "--metrics", nargs="+", metavar="NAME", help=f"of {', '.join(METRICS)} (default: what the samples allow)"
    )
    parser.add_argument(
        "--judge", choices=["offline", "remote"], help="the judge (default: remote if SIGHTLINE_JUDGE_MODEL is set)"
    )
    parser.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="scores computed at the same time (default: 4)"
    )
    parser.add_argument(
        "--run-id", metavar="ID", help="sent with every score (default: date, time and a random suffix)"
    )
    parser.add_argument(
        "--send",
        action=argparse.BooleanOptionalAction,
        help="send scores to the collector (default: with --since yes, with --dataset no)",
    )
    parser.add_argument("--json", metavar="PATH", help="write the report as JSON; - is standard output")
    parser.add_argument(
        "--fail-under",
        nargs="+",
        action="extend",
        default=[],
        metavar="METRIC=MEAN",
        help="exit 1 when a mean is below this",
    )
    parser.add_argument(
        "--max-error-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="exit 3 when the judge failed on more than this share of the samples of a metric (default: 0.1)",
    )
    parser.add_argument(
        "--min-scored",
        type=int,
        default=1,
        metavar="N",
        help="exit 3 when a metric of --fail-under has fewer values than this (default: 1)",
    )
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Score, send, report, and give the verdict."""
    settings = JudgeSettings.from_env(env)
    floors = _floors(_comma_separated(arguments.fail_under))
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit is {arguments.limit}; needs 1 or more")
    if not 0 <= arguments.max_error_share <= 1:
        raise UsageError(f"--max-error-share is {arguments.max_error_share:g}; needs 0 to 1")
    judge = _judge(arguments.judge, settings)
    # Before anything is read, so that a wrong name is told at once.
    requested_metrics = tuple(_comma_separated(arguments.metrics or ()))
    Scorer(judge, requested_metrics or METRICS[:2], settings, arguments.concurrency)
    if arguments.since and "context_recall" in requested_metrics:
        raise UsageError("context_recall needs reference answers, which stored traces do not have; use --dataset")

    samples, source = _samples(arguments, env)
    metrics = requested_metrics or _with_floors(default_metrics(samples), floors)
    for name in floors:
        if name not in metrics:
            raise UsageError(f"--fail-under names {name}, which is not measured; measured are {', '.join(metrics)}")
    scorer = Scorer(judge, metrics, settings, arguments.concurrency)
    run_id = arguments.run_id or f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"
    send = arguments.send if arguments.send is not None else bool(arguments.since)
    emitter = Emitter(run_id, env) if send and samples else None

    if samples and set(metrics) != {GROUNDEDNESS}:
        judge.llm()  # imports RAGAS, whose seconds do not count as scoring
    started = time.perf_counter()
    sample_scores = asyncio.run(_score_samples(scorer, judge, samples, len(metrics), emitter))
    facts = Run(
        id=run_id,
        source=source,
        judge=judge.name,
        judge_version=judge.version,
        samples=len(samples),
        duration_s=time.perf_counter() - started,
        notes=tuple(sorted({sample.note for sample in samples if sample.note})),
        sent=emitter.sent if emitter else None,
    )
    summaries = summarize(sample_score.score for sample_score in sample_scores)
    verdict = gate_verdict(
        summaries, floors, max_error_share=arguments.max_error_share, min_scored=arguments.min_scored
    )
    if emitter is not None:
        try:
            emitter.close()
        except ScoresNotSent as exc:
            facts = replace(facts, sent=None)
            verdict = Verdict(ExitCode.INFRASTRUCTURE, (str(exc), *verdict.reasons))
    _write(arguments.json, table(facts, summaries, verdict), as_json(facts, summaries, verdict, sample_scores))
    return verdict.code


def _judge(judge_name: str | None, settings: JudgeSettings) -> Judge:
    if judge_name == "remote" or (judge_name is None and settings.model):
        return RemoteJudge(settings)
    return OfflineJudge(settings.threshold)


def _comma_separated(texts: Sequence[str]) -> list[str]:
    """Values that were given apart or joined by commas."""
    return [part for text in texts for part in text.split(",") if part]


def _floors(texts: Sequence[str]) -> dict[str, float]:
    floors: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            floor = float(value)
        except ValueError:
            floor = -1.0
        if name not in METRICS or not 0 <= floor <= 1:
            raise UsageError(
                f"--fail-under {text!r}: needs METRIC=MEAN with a mean of 0 to 1, such as faithfulness=0.8"
            )
        floors[name] = floor
    return floors


def _with_floors(metrics: tuple[str, ...], floors: Mapping[str, float]) -> tuple[str, ...]:
    """The default metrics, and those that have a floor."""
    return (*metrics, *(name for name in floors if name not in metrics))


def _samples(arguments: argparse.Namespace, env: Mapping[str, str]) -> tuple[list[Sample], str]:
    if arguments.dataset is not None:
        return read_dataset(arguments.dataset, arguments.limit), str(arguments.dataset)
    since_s = duration_s(arguments.since)
    settings = StoreSettings.from_env(env)
    client = Client(settings)
    try:
        stored = stored_samples(client, since_s=since_s, limit=arguments.limit or 100, rescore=arguments.rescore)
    finally:
        client.close()
    source = f"the traces of the last {arguments.since}"
    if stored.samples:
        tenants = list(stored.by_tenant.items())
        tenant_counts = ", ".join(f"{tenant} {count}" for tenant, count in tenants[:8])
        source += f" ({tenant_counts}{', …' if len(tenants) > 8 else ''})"
    if stored.incomplete:
        source += f"; {stored.incomplete} more had no question, answer or passage captured"
    return stored.samples, source


async def _score_samples(
    scorer: Scorer, judge: Judge, samples: Sequence[Sample], metrics: int, emitter: Emitter | None
) -> list[SampleScore]:
    if not samples:
        return []
    # Shown on a terminal only.
    with tqdm(total=len(samples) * metrics, desc="scoring", unit="score", disable=None, file=sys.stderr) as bar:
        failed = 0

        def on_score(sample_score: SampleScore) -> None:
            nonlocal failed
            if emitter is not None:
                emitter.send(sample_score)
            failed += bool(sample_score.score.error)
            if failed:
                bar.set_postfix(failed=failed, refresh=False)
            bar.update()

        try:
            return await scorer.score_all(samples, on_score)
        finally:
            await judge.close()


def _write(path: str | None, text: str, report: object) -> None:
    stream: TextIO = sys.stderr if path == "-" else sys.stdout
    stream.write(text)
    if path is None:
        return
    encoded = json.dumps(report, ensure_ascii=False, indent=None if path == "-" else 2, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(encoded)
        return
    try:
        Path(path).write_text(encoded, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"--json {path}: {exc.strerror}") from exc
