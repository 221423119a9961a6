"""`sightline-evals dataset`: make, look at, compare and hand on evaluation datasets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from sightline_evals.cli.dataset import add, dedupe, diff, export, show, split, synthesize, version
from sightline_evals.datasets import schema

_ACTIONS = (add, show, diff, dedupe, split, version, synthesize, export)
_EXAMPLES = """\
examples:
  sightline-evals dataset add cases.jsonl --since 7d --feedback down
                                        answers that users disliked
  sightline-evals dataset add cases.jsonl --since 1d --below faithfulness=0.5 --limit 20 --must-pass
                                        the lowest scores of a day
  sightline-evals dataset add cases.jsonl --results report.json --below faithfulness=0.5
                                        the same out of a report of `sightline-evals run --json report.json`
  sightline-evals dataset dedupe cases.jsonl --output unique.jsonl
  sightline-evals dataset split cases.jsonl train=0.8 test=0.2
  sightline-evals dataset version cases.jsonl
  sightline-evals dataset diff old.jsonl cases.jsonl
  sightline-evals dataset export cases.jsonl --format huggingface exported/

"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "dataset",
        help="make, compare and hand on datasets of cases",
        description="Make, look at, compare and hand on evaluation datasets (JSONL, CSV, TSV, Parquet).",
        epilog=_EXAMPLES + (schema.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action in _ACTIONS:
        action.add_parser(actions).set_defaults(act=action.run)
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments, env))
