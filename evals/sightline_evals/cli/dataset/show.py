"""`sightline-evals dataset show`: what a dataset holds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import fingerprint, read_dataset, schema, tables, versions
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "show",
        help="tell what a dataset holds, or one of its cases",
        description="Tell what a dataset holds, or one of its cases.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the dataset")
    parser.add_argument("--case", metavar="ID", help="show this case whole")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="cases in the table (default: 20)")
    output.add_json(parser)
    return parser


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> ExitCode:
    """Tell what a dataset holds."""
    samples = read_dataset(arguments.file)
    if arguments.case is not None:
        case = next((sample for sample in samples if sample.id == arguments.case), None)
        if case is None:
            raise UsageError(f"{arguments.file} has no case {arguments.case!r}")
        output.write(arguments.json, tables.case_text(case), schema.row_of(case))
        return ExitCode.PASS
    version = versions.current(arguments.file)
    recorded = versions.recorded(arguments.file)
    facts = {
        "path": str(arguments.file),
        "sha256": fingerprint(samples),
        "version": version.version if version else None,
        "rows": len(samples),
        "with_answer": sum(bool(sample.answer) for sample in samples),
        "with_reference": sum(bool(sample.reference) for sample in samples),
        "without_passages": sum(not sample.contexts for sample in samples),
        "must_pass": sum(sample.must_pass for sample in samples),
        "synthetic": sum(sample.metadata.get("synthetic") is True for sample in samples),
        "conversations": len({sample.conversation for sample in samples if sample.conversation}),
        "tenants": len({sample.tenant for sample in samples if sample.tenant}),
    }
    changed = f"changed since {recorded[-1].version}" if recorded else "none recorded"
    lines = {**facts, "version": version.version if version else changed}
    width = max(map(len, lines))
    text = "".join(f"{name.replace('_', ' '):<{width}}  {value}\n" for name, value in lines.items())
    text += "\n" + tables.case_table(samples[: max(0, arguments.limit)])
    if len(samples) > arguments.limit:
        text += f"… and {len(samples) - arguments.limit} more; --limit shows more, --case ID one of them\n"
    output.write(arguments.json, text, facts)
    return ExitCode.PASS
