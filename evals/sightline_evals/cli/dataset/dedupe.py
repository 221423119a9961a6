"""`sightline-evals dataset dedupe`: cases that ask the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from sightline_evals.cli.dataset import output
from sightline_evals.datasets import duplicates, read_dataset, similarity, tables, write_dataset
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode

_GRAMS_THRESHOLD, _EMBEDDING_THRESHOLD = 0.75, 0.9


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the action, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "dedupe",
        help="find cases that ask the same, and leave them out",
        description="Find cases whose questions ask the same, and write the others. Of cases that ask the same one "
        "stays: must_pass first, then one with a reference, then the first of the file. Questions with other numbers, "
        "or with another number of denials, never ask the same.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the dataset")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the cases that stay")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="COSINE",
        help="smallest cosine of two questions that ask the same; start from what the table shows "
        f"(default: {_GRAMS_THRESHOLD:g}; with --embedding {_EMBEDDING_THRESHOLD:g})",
    )
    parser.add_argument(
        "--embedding",
        metavar="MODEL",
        help="an ONNX file with tokenizer.json beside it, or fastembed:NAME (default: TF-IDF of character n-grams, "
        "which needs no model and does not see paraphrase)",
    )
    output.add_json(parser)
    return parser


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> ExitCode:
    """Find duplicates and write the rest."""
    threshold = arguments.threshold
    if threshold is None:
        threshold = _EMBEDDING_THRESHOLD if arguments.embedding else _GRAMS_THRESHOLD
    if not 0 < threshold <= 1:
        raise UsageError(f"--threshold is {threshold:g}; needs more than 0, at most 1")
    samples = read_dataset(arguments.file)
    output.refuse_existing(arguments.output)
    compared = duplicates.comparable(samples)
    by = similarity.similarity([sample.question for sample in compared], arguments.embedding)
    with tqdm(total=len(compared), desc="comparing", unit="case", disable=None, file=sys.stderr) as bar:
        found = duplicates.duplicates(compared, by, threshold, bar.update)
    gone = {one.sample.id for one in found}
    kept = [sample for sample in samples if sample.id not in gone]
    text = tables.duplicate_table(found) if found else ""
    text += f"{len(found)} of {output.counted(len(samples), 'case')} ask what another asks "
    text += f"({by.name}, cosine of at least {threshold:g})\n"
    if len(compared) < len(samples):
        text += f"not compared: {output.counted(len(samples) - len(compared), 'case')} of conversations with several\n"
    if arguments.output is not None:
        write_dataset(arguments.output, kept)
        text += f"{output.counted(len(kept), 'case')} written to {arguments.output}\n"
    elif found:
        text += "nothing is written without --output FILE\n"
    as_json = {
        "by": by.name,
        "threshold": threshold,
        "rows": len(samples),
        "kept": len(kept),
        "not_compared": len(samples) - len(compared),
        "duplicates": [
            {
                "case": one.sample.id,
                "kept": one.kept.id,
                "cosine": round(one.cosine, 6),
                "references_differ": one.references_differ,
            }
            for one in found
        ],
    }
    output.write(arguments.json, text, as_json)
    return ExitCode.PASS
