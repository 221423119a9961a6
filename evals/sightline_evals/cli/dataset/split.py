"""`sightline-evals dataset split`: parts of a dataset by a hash."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import read_dataset, splitting, tables, write_dataset
from sightline_evals.datasets.writing import make_folder
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "split",
        help="divide a dataset by a hash; conversations stay together",
        description="Divide a dataset into parts by a hash of its conversations, and of the ids of cases without one: "
        "the same case always goes to the same part.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the dataset")
    parser.add_argument("parts", nargs="+", metavar="NAME=SHARE", help="such as train=0.8 test=0.2")
    parser.add_argument("--seed", default="", help="another one divides otherwise")
    parser.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="for FILE.NAME.jsonl and so on (default: beside the dataset)"
    )
    return parser


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> ExitCode:
    """Write the parts."""
    shares: dict[str, float] = {}
    for text in arguments.parts:
        name, share = output.named_value(text, "NAME=SHARE", "train=0.8")
        if name in shares or name in (".", "..") or any(mark in name for mark in "/\\\0"):
            raise UsageError(f"{text!r}: a part's name is part of a file's name, and stands once")
        shares[name] = share
    samples = read_dataset(arguments.file)
    parts = splitting.split(samples, shares, arguments.seed)
    folder = arguments.output_dir or arguments.file.parent
    paths = {name: folder / f"{arguments.file.stem}.{name}{arguments.file.suffix}" for name in parts}
    for path in paths.values():
        output.refuse_existing(path)
    make_folder(folder)
    for name, part in parts.items():
        write_dataset(paths[name], part)
    rows = [(name, f"{shares[name]:g}", len(part), paths[name]) for name, part in parts.items()]
    sys.stdout.write(tables.aligned(("part", "share", "cases", "file"), rows))
    return ExitCode.PASS
