"""`sightline-store`: the embedded ClickHouse, its tables, and questions from the command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources

from sightline_store import schema
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.settings import NodeSettings, StoreSettings

_FORMATS = {"json": "JSONEachRow", "csv": "CSVWithNames", "parquet": "Parquet", "table": "PrettyCompactNoEscapes"}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(
        prog="sightline-store",
        description="The store: a ClickHouse that installs with pip, or any ClickHouse at SIGHTLINE_STORE_URL.",
        epilog="Settings are environment variables: see docs/settings.md.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the embedded ClickHouse on SIGHTLINE_STORE_HOST:SIGHTLINE_STORE_PORT")
    migrate = commands.add_parser("migrate", help="bring the tables at SIGHTLINE_STORE_URL up to date")
    migrate.add_argument("--dry-run", action="store_true", help="print the statements that would run, and run none")
    query = commands.add_parser("query", help="ask one of the shipped questions (sql/queries/NAME.sql)")
    query.add_argument("name", nargs="?", help="name of the question; without one the questions are listed")
    query.add_argument(
        "--format", choices=sorted(_FORMATS), default="table", help="shape of the answer (default: table)"
    )
    query.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the question")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        if args.command == "serve":
            _serve(NodeSettings.from_env())
        elif args.command == "migrate":
            _migrate(args.dry_run)
        else:
            _query(args.name, args.format, args.param)
    except (StoreError, ValueError) as exc:
        sys.exit(f"sightline-store: {exc}")


def _serve(settings: NodeSettings) -> None:
    try:
        import uvicorn  # noqa: PLC0415
        import uvloop  # noqa: PLC0415

        from sightline_store.node.engine import Engine  # noqa: PLC0415
        from sightline_store.node.heartbeat import watch  # noqa: PLC0415
        from sightline_store.node.server import Node  # noqa: PLC0415

        # The engine keeps schemas that come inside statements in the current folder: that shall be its own.
        settings = replace(settings, data_dir=settings.data_dir.resolve())
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        os.chdir(settings.data_dir)
        engine = Engine(settings)
    except ImportError as exc:
        raise StoreError(f'{exc.name} is not installed: pip install "sightline-platform[embedded]"') from exc
    log = logging.getLogger("sightline.store")
    log.info(
        "ClickHouse %s on http://%s:%d, data in %s", engine.version, settings.host, settings.port, settings.data_dir
    )

    async def run() -> None:
        server = uvicorn.Server(
            uvicorn.Config(
                Node(engine, settings),
                host=settings.host,
                port=settings.port,
                lifespan="off",
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=4,
            )
        )
        await server.serve()

    # uvicorn stops on a signal and then raises it again: closing the engine is ours to do.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    stop = watch(engine, settings.heartbeat_timeout_s)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    stop()
    engine.close()
    log.info("stopped")
    # The engine's own threads must not hold up the end: every acknowledged part is fsynced.
    sys.stderr.flush()
    os._exit(0)


def _migrate(dry_run: bool) -> None:
    client = Client(StoreSettings.from_env())
    missing = schema.pending(client) if dry_run else schema.apply(client)
    for migration in missing:
        sys.stdout.write(f"-- {migration.version:03} {migration.name}\n")
        if dry_run:
            sys.stdout.writelines(f"{statement};\n\n" for statement in migration.statements)
    if not missing:
        sys.stdout.write("-- nothing to do: the tables are up to date\n")


def _query(name: str | None, fmt: str, pairs: Sequence[str]) -> None:
    folder = resources.files("sightline_store.sql").joinpath("queries")
    if name is None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            first = entry.read_text(encoding="utf-8").splitlines()[0]
            sys.stdout.write(f"{entry.name.removesuffix('.sql'):28} {first.removeprefix('--').strip()}\n")
        return
    entry = folder.joinpath(f"{name}.sql")
    if not name.replace("_", "").isalnum() or not entry.is_file():
        raise ValueError(f"there is no question {name!r}: `sightline-store query` lists them")
    params = {}
    for pair in pairs:
        key, sep, value = pair.partition("=")
        if not sep:
            raise ValueError(f"--param {pair!r}: write NAME=VALUE")
        params[key] = value
    client = Client(StoreSettings.from_env())
    try:
        sys.stdout.buffer.write(client.query_bytes(entry.read_text(encoding="utf-8"), params, _FORMATS[fmt]))
    except QueryFailed as exc:
        raise StoreError(f"{name}: {exc.message.strip()}") from exc


if __name__ == "__main__":
    main()
