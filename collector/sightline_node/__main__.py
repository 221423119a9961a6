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

from sightline_node.settings import NodeSettings
from sightline_store.errors import StoreError


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    serves = (sys.argv[1:] if argv is None else argv)[:1] == ["serve"]
    if serves and argv is None:
        _forget_secrets()
    parser = argparse.ArgumentParser(
        prog="sightline-store",
        description="The store: a ClickHouse that installs with pip, or any ClickHouse at SIGHTLINE_STORE_URL.",
        epilog="Settings are environment variables: see docs/settings.md.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = subparsers.add_parser(
        "serve", help="run the embedded ClickHouse on SIGHTLINE_STORE_HOST:SIGHTLINE_STORE_PORT"
    )
    serve.set_defaults(run=lambda _: _serve(NodeSettings.from_env()))
    if not serves:
        from sightline_node import commands as node_commands  # noqa: PLC0415  (the node does not need these)
        from sightline_store.cli import commands  # noqa: PLC0415

        commands.add(subparsers)
        node_commands.add(subparsers)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        args.run(args)
    except (StoreError, ValueError, OSError) as exc:
        sys.exit(f"sightline-store: {exc}")
    except KeyboardInterrupt:
        sys.exit(130)


def _forget_secrets() -> None:
    """Start this process anew without the secrets of its environment; see `environment`."""
    from sightline_node.isolation import environment  # noqa: PLC0415

    if os.environ.get("SIGHTLINE_STORE_CONFINE", "").strip() != "off":
        environment.start_anew()


def _serve(settings: NodeSettings) -> None:
    from sightline_node.isolation import confinement  # noqa: PLC0415

    settings = replace(settings, data_dir=settings.data_dir.resolve())
    listeners, code = confinement.listen(settings), confinement.code_folders(settings)
    # The engine writes schemas that come inside statements to the current folder: it must be the data folder.
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    os.chdir(settings.data_dir)
    settings = replace(settings, backup_dir=settings.backups)
    # From here on this process, and each thread that it starts, can open nothing else.
    restrictions = confinement.confine(settings, code)
    try:
        import uvicorn  # noqa: PLC0415
        import uvloop  # noqa: PLC0415

        from sightline_node.execution.engine import Engine  # noqa: PLC0415
        from sightline_node.execution.heartbeat import watch  # noqa: PLC0415
        from sightline_node.http.progress import Protocol  # noqa: PLC0415
        from sightline_node.http.server import Node  # noqa: PLC0415
        from sightline_node.readers import access  # noqa: PLC0415

        access.require_keys(settings)
        engine = Engine(settings)
    except ImportError as exc:
        if (exc.name or "").startswith("sightline"):
            raise
        raise StoreError(f'{exc.name} is not installed: pip install "sightline-platform[embedded]"') from exc
    confinement.write_state(settings, restrictions)
    log = logging.getLogger("sightline.store")
    log.info(
        "ClickHouse %s on http://%s:%d, data in %s", engine.version, settings.host, settings.port, settings.data_dir
    )

    async def run() -> None:
        server = uvicorn.Server(
            uvicorn.Config(
                Node(engine, settings),
                http=Protocol.under(settings),
                lifespan="off",
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=4,
            )
        )
        await server.serve(sockets=listeners)

    # uvicorn stops on a signal and then raises it again, before the engine is closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    stop = watch(engine, settings.heartbeat_timeout_s)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    stop()
    engine.close()
    log.info("stopped")
    # Threads of the engine must not delay the exit: every acknowledged part is fsynced.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
