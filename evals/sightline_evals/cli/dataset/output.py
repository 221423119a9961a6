"""What the actions on datasets share: values of flags, and where the output goes."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from sightline_evals import report_file
from sightline_evals.errors import UsageError


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--json`."""
    parser.add_argument("--json", metavar="PATH", help="write it as JSON too; - is standard output")


def named_value(text: str, form: str, example: str) -> tuple[str, float]:
    """Name and number of `name=number`.

    Args:
        text: what was given.
        form: how it is written, for the message.
        example: one, for the message.

    Raises:
        UsageError: it is something else.
    """
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name or math.isnan(number):
        raise UsageError(f"{text!r}: needs {form} with a number, such as {example}")
    return name, number


def positive(flag: str, value: float) -> None:
    """Refuse a number that is not above 0."""
    if not value > 0:
        raise UsageError(f"{flag} is {value:g}; needs more than 0")


def refuse_existing(path: Path | None) -> None:
    """Refuse to write where something is."""
    if path is not None and path.exists():
        raise UsageError(f"{path} is there already; name another file, or remove it")


def counted(number: int, noun: str) -> str:
    """The number and its noun, as in 1 case, 2 cases."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(*sentences: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write("; ".join(sentences) + "\n")


def write(path: str | None, text: str, as_json: object) -> None:
    """Text to standard output, or to standard error where the JSON goes there."""
    stream = sys.stderr if path == "-" else sys.stdout
    stream.write(text)
    if path is not None:
        encoded = json.dumps(as_json, ensure_ascii=False, indent=None if path == "-" else 2, allow_nan=False)
        with report_file.stream(path) as out:
            out.write(f"{encoded}\n")
