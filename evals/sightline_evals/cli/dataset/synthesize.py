"""`sightline-evals dataset synthesize`: questions and answers out of passages, by a model."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import append_to_dataset, passages, read_dataset, synthesis
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.judges.budget import Budget
from sightline_evals.judges.remote import price_of
from sightline_evals.settings import JudgeSettings

_DESCRIPTION = """\
Make questions with their answers out of passages, by the model of SIGHTLINE_JUDGE_MODEL at SIGHTLINE_JUDGE_BASE_URL,
one call a passage. Cases are written as they come and marked with metadata.synthetic; the same command again goes on
where it was interrupted. `sightline-evals run --dataset FILE --ask URL` has your application answer them.
"""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "synthesize",
        help="make questions with their answers out of passages, by a model",
        description=_DESCRIPTION,
        epilog=passages.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("passages", metavar="PASSAGES", type=Path, help="where the passages come from")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="a .jsonl file, new or to add to")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="most passages asked about (default: 50)")
    parser.add_argument("--budget-tokens", type=int, metavar="N", help="stop before more tokens than this are used")
    parser.add_argument("--concurrency", type=int, default=4, metavar="N", help="calls at the same time (default: 4)")
    parser.add_argument("--seed", default="", help="another one chooses other passages")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Ask for cases and write them as they come."""
    settings = JudgeSettings.from_env(env)
    _check(arguments, settings)
    present = read_dataset(arguments.output) if arguments.output.exists() else []
    known = frozenset(str(sample.metadata.get("passage_sha256")) for sample in present)
    texts = synthesis.chosen(passages.read_passages(arguments.passages), arguments.limit, arguments.seed, known)
    budget = Budget(price_of(settings), tokens=arguments.budget_tokens)
    progress = synthesis.Progress()
    with tqdm(total=len(texts), desc="asking", unit="passage", disable=None, file=sys.stderr) as bar:

        async def ask() -> None:
            from sightline_evals.judges.endpoint import Endpoint  # noqa: PLC0415 - imports the openai client

            endpoint = Endpoint(settings, budget, concurrency=arguments.concurrency)
            try:
                await synthesis.synthesize(
                    texts,
                    endpoint,
                    settings.model,
                    progress,
                    taken={sample.id for sample in present},
                    concurrency=arguments.concurrency,
                    give_up_after=settings.give_up_after,
                    on_sample=lambda sample: append_to_dataset(arguments.output, [sample]),
                    on_passage=bar.update,
                )
            finally:
                await endpoint.close()

        try:
            asyncio.run(ask())
        except KeyboardInterrupt:
            output.say(
                *_told(arguments.output, len(present), progress, budget), "interrupted, the same command goes on"
            )
            return 130
    output.say(*_told(arguments.output, len(present), progress, budget))
    has_failed = progress.has_given_up or (bool(progress.failures) and not progress.made)
    return ExitCode.INFRASTRUCTURE if has_failed else ExitCode.PASS


def _check(arguments: argparse.Namespace, settings: JudgeSettings) -> None:
    output.positive("--limit", arguments.limit)
    output.positive("--concurrency", arguments.concurrency)
    if arguments.budget_tokens is not None:
        output.positive("--budget-tokens", arguments.budget_tokens)
    if arguments.output.suffix.lower() != ".jsonl":
        raise UsageError(f"--output {arguments.output}: needs a name that ends in .jsonl")
    if not settings.model or not (settings.base_url or settings.api_key):
        raise UsageError(
            "needs a model: set SIGHTLINE_JUDGE_MODEL, and SIGHTLINE_JUDGE_BASE_URL (such as http://127.0.0.1:8081/v1) "
            "or SIGHTLINE_JUDGE_API_KEY for the hosted OpenAI API"
        )


def _told(path: Path, present: int, progress: synthesis.Progress, budget: Budget) -> list[str]:
    """What came of it, a sentence each."""
    told = [f"{output.counted(progress.made, 'case')} added to {path}, which has {present + progress.made}"]
    if progress.nothing_to_ask:
        told.append(f"nothing worth asking in {output.counted(progress.nothing_to_ask, 'passage')}")
    if progress.repeated:
        told.append(f"already there: {output.counted(progress.repeated, 'question')}")
    if progress.failures:
        kinds = ", ".join(f"{count} x {name}" for name, count in progress.failures.most_common())
        failed = output.counted(progress.failures.total(), "passage")
        told.append(f"{failed} failed ({kinds}), last: {progress.last_failure}")
    if progress.stopped:
        told.append(f"stopped: {progress.stopped}")
    cost = "" if budget.cost_usd is None else f", ${budget.cost_usd:.4f}"
    spent = f"{budget.input_tokens} input and {budget.output_tokens} output tokens{cost}"
    told.append(f"{output.counted(budget.calls, 'call')}, {spent}")
    return told
