"""`sightline-evals dataset add`: cases out of stored traces, or out of a report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tqdm import tqdm

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import Sample, append_to_dataset, read_dataset, results, stored
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.runs import samples
from sightline_store.client import Client
from sightline_store.moments import duration_s
from sightline_store.questions.asking import Filters
from sightline_store.settings import StoreSettings


@dataclass(frozen=True, slots=True)
class _Found:
    """Cases that are to be added, and how many were left out."""

    samples: Sequence[Sample]
    present: int
    lost: int = 0


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "add",
        help="add cases from stored traces or from a report",
        description="Add cases to FILE, in its format, or begin it. Cases that it has already, by id, are left out.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the dataset")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--trace", nargs="+", metavar="ID", help="these traces")
    source.add_argument(
        "--since", metavar="TIME", help="traces of the last 90s, 30m, 1h, 7d …; flags below narrow them"
    )
    source.add_argument(
        "--results", metavar="REPORT", type=Path, help="a report of `sightline-evals run --json REPORT`"
    )
    parser.add_argument("--below", metavar="METRIC=VALUE", help="only answers that scored below this")
    parser.add_argument(
        "--feedback", choices=[kind.value for kind in stored.Feedback], help="with --since: only with this feedback"
    )
    parser.add_argument(
        "--reviewed",
        action="store_true",
        help="with --since: only what people have reviewed; a corrected answer becomes the reference",
    )
    parser.add_argument(
        "--feedback-name", default="feedback", metavar="NAME", help="name that it was sent with (default: feedback)"
    )
    parser.add_argument(
        "--tenant", default="", metavar="NAME", help="with --below, --feedback or --reviewed: only this tenant's"
    )
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="with --since or --results: most cases (default: 50)"
    )
    parser.add_argument("--must-pass", action="store_true", help="mark them: each fails a gate by itself")
    parser.add_argument("--weight", type=float, default=1.0, metavar="W", help="their weight in means (default: 1)")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Add cases and tell how many."""
    output.positive("--limit", arguments.limit)
    output.positive("--weight", arguments.weight)
    below = _below(arguments.below)
    narrowing = [
        name
        for name, given in (
            ("--below", below),
            ("--feedback", arguments.feedback),
            ("--reviewed", arguments.reviewed),
        )
        if given
    ]
    if arguments.trace and narrowing:
        raise UsageError(f"--trace names its traces; {narrowing[0]} narrows --since")
    if not arguments.since and (wrong := [name for name in narrowing if name != "--below"]):
        raise UsageError(f"{wrong[0]} needs --since")
    if len(narrowing) > 1:
        raise UsageError(f"{' and '.join(narrowing)} exclude each other; add twice")
    if arguments.tenant and not (arguments.since and narrowing):
        raise UsageError("--tenant needs --since with --below, --feedback or --reviewed")
    present = (
        frozenset(sample.id for sample in read_dataset(arguments.file)) if arguments.file.exists() else frozenset()
    )
    if arguments.results is not None:
        found = _from_results(arguments.results, below, arguments.limit, present)
    else:
        found = _from_traces(arguments, env, below, present)
    new = [
        replace(sample, must_pass=sample.must_pass or arguments.must_pass, weight=_weight(sample, arguments.weight))
        for sample in found.samples
    ]
    if new:
        append_to_dataset(arguments.file, new)
    told = [f"{output.counted(len(new), 'case')} added to {arguments.file}, which has {len(present) + len(new)}"]
    if found.present:
        told.append(f"already there: {found.present}")
    if found.lost:
        told.append(f"without a question or an answer: {output.counted(found.lost, 'trace')}")
    output.say(*told)
    return ExitCode.PASS


def _from_results(path: Path, below: tuple[str, float] | None, limit: int, present: frozenset[str]) -> _Found:
    read = results.read_results(path)
    if below is not None:
        metric, value = below
        names = sorted({name for result in read for name in result.scores})
        if metric not in names:
            raise UsageError(f"{path} has no score of {metric!r}; it has {', '.join(names) or 'none'}")
        scored = [result for result in read if metric in result.scores]
        read = sorted((one for one in scored if one.scores[metric] < value), key=lambda one: one.scores[metric])
    new = [result for result in read if result.sample.id not in present]
    samples = [replace(one.sample, metadata={**one.sample.metadata, **_judged(one)}) for one in new[:limit]]
    return _Found(samples, present=len(read) - len(new))


def _judged(result: results.Result) -> dict[str, dict[str, float]]:
    return {"scores": dict(result.scores)} if result.scores else {}


def _from_traces(
    arguments: argparse.Namespace, env: Mapping[str, str], below: tuple[str, float] | None, present: frozenset[str]
) -> _Found:
    trace_ids = list(dict.fromkeys(_trace_id(text) for text in arguments.trace or ()))
    since_s = duration_s(arguments.since) if arguments.since else 0
    most = arguments.limit + len(present)  # so that traces that are there already do not use up the limit
    client = Client(StoreSettings.from_env(env))
    try:
        if arguments.trace:
            wanted = [stored.Wanted(trace_id) for trace_id in trace_ids]
        elif below or arguments.feedback or arguments.reviewed:
            now = datetime.now(UTC)
            window = Filters(start=now - timedelta(seconds=since_s), end=now, tenant=arguments.tenant)
            if below:
                wanted = stored.scored_below(client, window, *below, limit=most)
            elif arguments.reviewed:
                wanted = stored.reviewed(client, window, limit=most)
            else:
                kind = stored.Feedback(arguments.feedback)
                wanted = stored.with_feedback(client, window, kind, arguments.feedback_name, limit=most)
        else:
            drawn = samples.draw(client, since_s=since_s, limit=most, rescore=True)
            wanted = [stored.Wanted(str(row["trace_id"]), int(row["started_ms"])) for row in drawn.rows]
        new = [trace for trace in wanted if trace.trace_id not in present]
        asked = new if arguments.trace else new[: arguments.limit]
        with tqdm(total=len(asked), desc="reading", unit="trace", disable=None, file=sys.stderr) as bar:
            found = stored.cases_of(client, asked, bar.update)
    finally:
        client.close()
    if arguments.trace and (found.unknown or found.not_captured):
        lacking = [f"{trace_id} is not in the store" for trace_id in found.unknown]
        lacking += [
            f"{trace_id} has no question or no answer: was content captured?" for trace_id in found.not_captured
        ]
        raise UsageError("nothing added: " + "; ".join(lacking))
    lost = len(found.unknown) + len(found.not_captured)
    return _Found(found.samples, present=len(wanted) - len(new), lost=lost)


def _below(text: str | None) -> tuple[str, float] | None:
    return None if text is None else output.named_value(text, "METRIC=VALUE", "faithfulness=0.5")


def _trace_id(text: str) -> str:
    if len(text) != 32 or not set(text.lower()) <= set("0123456789abcdef"):
        raise UsageError(f"--trace {text!r}: a trace's id has 32 hexadecimal digits")
    return text.lower()


def _weight(sample: Sample, weight: float) -> float:
    return sample.weight if weight == 1 else weight
