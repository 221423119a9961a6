"""The console script `sightline`: `sightline up` and `sightline demo`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline_supervisor.demo import DemoOptions, demo
from sightline_supervisor.errors import SettingInvalid, SupervisorError
from sightline_supervisor.harms import check_harm
from sightline_supervisor.screen import Screen
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.supervise import Stopped
from sightline_supervisor.up import UpOptions, up

_UP_PORTS = ("store", "collector", "collector_grpc", "dashboards")
_DEMO_PORTS = (*_UP_PORTS, "app", "model", "weaviate", "weaviate_grpc", "redis")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _add_common(parser: argparse.ArgumentParser, ports: Sequence[str]) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder for everything that is kept (.sightline)")
    parser.add_argument("--open", action="store_true", help="open the dashboards in the browser")
    for name in ports:
        default = SupervisorSettings.__dataclass_fields__[f"{name}_port"].default
        variable = SupervisorSettings.variable(f"{name}_port")
        flag = f"--port-{name.replace('_', '-')}"
        parser.add_argument(flag, type=int, metavar="N", dest=f"{name}_port", help=f"{default} ({variable})")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="sightline", description="Where the answers of an AI backend spend time, tokens and truth."
    )
    commands = top.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="store, collector and dashboards for your own application")
    _add_common(up_parser, _UP_PORTS)
    demo_parser = commands.add_parser("demo", help="the same, with a reference RAG application and real questions")
    _add_common(demo_parser, _DEMO_PORTS)
    demo_parser.add_argument(
        "--docs", type=Path, metavar="PATH", help="Markdown, text or HTML to answer from (the Python standard library)"
    )
    demo_parser.add_argument("--once", action="store_true", help="print the numbers as JSON and end")
    demo_parser.add_argument(
        "--questions", type=_positive, metavar="N", default=30, help="how many to ask, follow-ups not counted (30)"
    )
    demo_parser.add_argument(
        "--model",
        choices=("smollm2", "extractive"),
        help="local model: a small language model (smollm2), or none that picks sentences (extractive)",
    )
    demo_parser.add_argument("--scored", type=_positive, metavar="N", default=20, help="how many answers to score (20)")
    demo_parser.add_argument(
        "--break",
        dest="harm",
        metavar="NAME",
        help="break something for two minutes after the summary, to see where the pages show it; "
        "`sightline-app chaos list` has the names",
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 when something failed, 130 when it was stopped early."""
    options = parser().parse_args(arguments)
    screen = Screen()
    chosen = {name: getattr(options, f"{name}_port", None) for name in _DEMO_PORTS}
    try:
        settings = SupervisorSettings.from_env(
            os.environ,
            data_dir=options.data,
            model=getattr(options, "model", None),
            **{f"{name}_port": port for name, port in chosen.items()},
        )
        if options.command == "up":
            asyncio.run(up(settings, os.environ, UpOptions(options.open), screen))
            return 0
        if options.docs is not None and not options.docs.exists():
            raise SettingInvalid("--docs", str(options.docs), "a file or folder that exists")
        if options.harm is not None:
            if options.once:
                raise SettingInvalid("--break", options.harm, "a demo that goes on: leave out --once")
            check_harm(options.harm, os.environ)
        demo_options = DemoOptions(
            options.docs, options.once, options.questions, options.scored, options.open, options.harm
        )
        return asyncio.run(demo(settings, os.environ, demo_options, screen))
    except Stopped as stopped:
        screen.event("·", f"Stopped ({stopped}); no process is left.")
        return 0 if options.command == "up" or not options.once else 130
    except KeyboardInterrupt:  # before the supervisor listens to signals itself: nothing was started yet
        return 130
    except SupervisorError as error:
        screen.fail(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
