"""`sightline-evals dataset version`: recorded versions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import read_dataset, tables, versions
from sightline_evals.gate import ExitCode


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "version",
        help="record a version in FILE.versions.json, or list them",
        description="Record the version that a dataset is now in FILE.versions.json beside it. A recorded version is "
        "never changed.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the dataset")
    parser.add_argument("--list", action="store_true", help="list the recorded versions instead")
    parser.add_argument("--version", metavar="VERSION", help="its name (default: the next whole number)")
    parser.add_argument("--name", help="the dataset's name (default: as before, or the file's)")
    parser.add_argument("--parent", metavar="VERSION", help="what it was made from (default: the newest version)")
    return parser


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> ExitCode:
    """Record a version, or list them."""
    if arguments.list:
        listed = versions.recorded(arguments.file)
        if not listed:
            output.say(f"{arguments.file} has no recorded version")
            return ExitCode.PASS
        rows = [(one.version, one.rows, one.created, one.parent or "-", one.sha256[:12]) for one in listed]
        sys.stdout.write(tables.aligned(("version", "rows", "created", "parent", "sha256"), rows))
        return ExitCode.PASS
    made, is_new = versions.record(
        arguments.file,
        read_dataset(arguments.file),
        version=arguments.version,
        name=arguments.name,
        parent=arguments.parent,
    )
    if is_new:
        output.say(f"version {made.version} of {made.name} recorded in {versions.manifest_path(arguments.file)}")
    else:
        output.say(f"{arguments.file} is version {made.version} of {made.name}, recorded {made.created}")
    return ExitCode.PASS
