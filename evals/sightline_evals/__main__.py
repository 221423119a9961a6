"""`sightline-evals`: judge answers, compare runs, watch retrieval; the exit code is the verdict."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from sightline_evals.cli import calibrate, canaries, dataset, drift, gate, health, run, watch
from sightline_evals.errors import EvalsError, UsageError
from sightline_evals.gate import ExitCode
from sightline_store.errors import StoreError

_COMMANDS = (run, dataset, drift, canaries, gate, calibrate, health, watch)


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Run a subcommand and return its exit code; `argv` without the program's name."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    parser = argparse.ArgumentParser(prog="sightline-evals", description="Score answers of an AI backend.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands).set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments, env))
    except (UsageError, ValueError) as exc:
        print(f"sightline-evals: {exc}", file=sys.stderr)  # noqa: T201
        return ExitCode.USAGE
    except (EvalsError, StoreError) as exc:
        print(f"sightline-evals: {exc}", file=sys.stderr)  # noqa: T201
        return ExitCode.INFRASTRUCTURE
    except KeyboardInterrupt:
        print("sightline-evals: interrupted", file=sys.stderr)  # noqa: T201
        return 130


if __name__ == "__main__":
    sys.exit(main())
