"""`sightline-evals dataset diff`: what changed between two datasets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import fingerprint, read_dataset, schema, tables
from sightline_evals.datasets.differences import difference
from sightline_evals.gate import ExitCode


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "diff",
        help="compare two datasets case by case, by id",
        description="Compare two datasets case by case. Cases are matched by id; the exit code is 0 whatever differs.",
    )
    parser.add_argument("before", metavar="A", type=Path, help="the first dataset")
    parser.add_argument("after", metavar="B", type=Path, help="the second")
    output.add_json(parser)
    return parser


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> ExitCode:
    """Compare two datasets."""
    before, after = read_dataset(arguments.before), read_dataset(arguments.after)
    found = difference(before, after)
    counts = {
        "added": len(found.added),
        "removed": len(found.removed),
        "changed": len(found.changed),
        "unchanged": found.unchanged,
    }
    same = fingerprint(before) == fingerprint(after)
    text = tables.difference_table(found) + ", ".join(f"{count} {name}" for name, count in counts.items()) + "\n"
    text += f"the cases have {'the same fingerprint' if same else 'different fingerprints'}\n"
    as_json = {
        "before": {"path": str(arguments.before), "sha256": fingerprint(before), "rows": len(before)},
        "after": {"path": str(arguments.after), "sha256": fingerprint(after), "rows": len(after)},
        "added": [schema.row_of(sample) for sample in found.added],
        "removed": [schema.row_of(sample) for sample in found.removed],
        "changed": [
            {"case": one.after.id, "values": {name: list(pair) for name, pair in one.values.items()}}
            for one in found.changed
        ],
        "unchanged": found.unchanged,
    }
    output.write(arguments.json, text, as_json)
    return ExitCode.PASS
