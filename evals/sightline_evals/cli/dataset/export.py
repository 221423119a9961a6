"""`sightline-evals dataset export`: the forms of other tools."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import exporting, read_dataset
from sightline_evals.gate import ExitCode


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "export",
        help="write a dataset in another form",
        description="Write a dataset in another form.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the dataset")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where to write; made where it is missing")
    parser.add_argument("--format", required=True, choices=exporting.FORMATS, help="the form")
    parser.add_argument("--name", help="the dataset's name (default: the file's)")
    return parser


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> ExitCode:
    """Write the dataset in the form."""
    samples = read_dataset(arguments.file)
    name = arguments.name or arguments.file.stem
    written = exporting.export(samples, arguments.format, arguments.folder, name)
    output.say(f"{output.counted(len(samples), 'case')} written to {written}")
    return ExitCode.PASS
