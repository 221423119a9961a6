"""`sightline-collector`: receives OTLP and ships it to the store."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import fcntl
import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
import uvloop

from sightline_collector import doctor
from sightline_collector.allocator import keep_freed_memory
from sightline_collector.errors import CollectorError, NotNow
from sightline_collector.receiver import keys
from sightline_collector.receiver.access import Access, Sites, tls_context
from sightline_collector.receiver.connection import ExportConnection
from sightline_collector.receiver.http import HttpReceiver
from sightline_collector.receiver.intake import Intake
from sightline_collector.request import otlp
from sightline_collector.request.redaction import Redactor
from sightline_collector.self_metrics import SelfMetrics
from sightline_collector.settings import CollectorSettings
from sightline_collector.shipping import dead_letter
from sightline_collector.shipping.shipper import Shipper
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_roles.doctor import report
from sightline_store.client import Client
from sightline_store.errors import SchemaError, StoreError
from sightline_store.ingest import Signal
from sightline_store.settings import StoreSettings

_log = logging.getLogger("sightline.collector")
_DRAIN_S = 3.0
_OWN_METRICS_S = 10.0


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(
        prog="sightline-collector",
        description="Receives OTLP, keeps it on disk, and ships it to the ClickHouse at SIGHTLINE_STORE_URL.",
        epilog="Settings are environment variables: see docs/settings.md.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="listen on SIGHTLINE_COLLECTOR_HOST:SIGHTLINE_COLLECTOR_HTTP_PORT")
    checks = commands.add_parser(
        "doctor", help="check collector, spool, store, schema, clock and keys, and send a span through"
    )
    checks.add_argument("--key", help="API key to send it with; SIGHTLINE_COLLECTOR_DOCTOR_KEY by default")
    keys.add_parser(commands)
    dead_letter.add_parser(commands)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("urllib3", "clickhouse_connect"):
        logging.getLogger(noisy).setLevel(logging.ERROR)  # The shipper says the same, once.
    try:
        settings, store = CollectorSettings.from_env(), StoreSettings.from_env()
        if args.command == "doctor":
            sys.exit(_doctor(dataclasses.replace(settings, doctor_key=args.key or settings.doctor_key), store))
        if args.command == "keys":
            keys.run(args, settings.keys_file)
        elif args.command == "dead-letter":
            dead_letter.run(args, settings, store)
        else:
            serve(settings, store)
    except SchemaError as exc:
        sys.stderr.write(f"sightline-collector: {exc}\n")
        sys.exit(2)  # a restart changes nothing
    except (CollectorError, StoreError, ValueError, OSError) as exc:
        sys.exit(f"sightline-collector: {exc}")


def _doctor(settings: CollectorSettings, store: StoreSettings) -> int:
    """Print the result of each check; 1 where one failed."""
    logging.disable(logging.WARNING)
    return report(doctor.examine(settings, store))


def serve(settings: CollectorSettings, store: StoreSettings) -> None:
    """Run until SIGTERM or SIGINT, then drain: refuse new requests, write out what is queued, ship what is quick."""
    keep_freed_memory()
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    with (settings.spool_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CollectorError(
                f"another collector owns SIGHTLINE_COLLECTOR_SPOOL_DIR={settings.spool_dir}: "
                "stop it, or choose another folder"
            ) from None
        access, redactor = Access(settings), Redactor.from_settings(settings.redaction)
        tls_context(settings)  # Files that cannot be used are refused before anything listens.
        client = Client(store)
        metrics = SelfMetrics(settings.metrics_interval_s)
        counts = Counts(metrics.meter)
        shipper = Shipper(client, counts, settings.sampling)
        spool = Spool(settings, shipper.take, on_synced=counts.synced)
        counts.observe(lambda: spool.waiting_bytes)
        metrics.send_to(lambda request: _spool_own(request, spool, counts))
        shipper.start(spool)
        intake = Intake(spool, counts, access, Sites(settings), redactor)
        http = HttpReceiver(settings, intake, lambda: counts.as_dict(spool.waiting_bytes), metrics.page)
        _log.info(
            "OTLP/HTTP on http://%s:%d, spool in %s, store at %s",
            settings.host,
            settings.http_port,
            settings.spool_dir,
            store.url,
        )
        # uvicorn stops on a signal and then raises it again: draining is ours to do.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        with asyncio.Runner(loop_factory=lambda: _Loop(settings.header_timeout_s)) as runner:
            runner.run(_listen(settings, http, intake, shipper))
        metrics.stop()
        spool.close()
        shipper.stop(_DRAIN_S)
        _log.info("stopped: %s", counts.as_dict(spool.waiting_bytes))
        if shipper.failure is not None:
            raise shipper.failure


def _spool_own(request: bytes, spool: Spool, counts: Counts) -> None:
    """Spool a request of the collector's own metrics, as if it had come over the network."""
    checked = otlp.check(Signal.METRICS, request)
    with contextlib.suppress(NotNow):  # The next ones come soon, and counters go on.
        promise, is_new = spool.append(Signal.METRICS, checked.payload, checked.services)
        promise.result(_OWN_METRICS_S)
        counts.received(Signal.METRICS, checked.services, len(request), is_new=is_new)


class _Loop(uvloop.Loop):
    """An event loop whose servers close connections that do not finish the TLS handshake; uvicorn has no option."""

    def __init__(self, handshake_timeout_s: float) -> None:
        super().__init__()
        self._handshake_timeout_s = handshake_timeout_s

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("ssl") is not None:
            kwargs.setdefault("ssl_handshake_timeout", self._handshake_timeout_s)
        return await super().create_server(*args, **kwargs)


async def _listen(settings: CollectorSettings, http: HttpReceiver, intake: Intake, shipper: Shipper) -> None:
    """Both receivers in one loop, until a signal, or until it is known that nothing can ever be shipped."""
    server = uvicorn.Server(
        uvicorn.Config(
            http,
            host=settings.host,
            port=settings.http_port,
            lifespan="off",
            access_log=False,
            proxy_headers=False,  # nothing here asks for the client's address
            http=ExportConnection.under(settings),
            ws="none",
            log_level="warning",
            server_header=False,
            ssl_certfile=settings.tls_cert_file,
            ssl_keyfile=settings.tls_key_file,
            timeout_graceful_shutdown=2,
        )
    )
    grpc_server = None
    if settings.grpc_port >= 0:
        from sightline_collector.receiver import grpc  # noqa: PLC0415  (25 MB that a port of -1 saves)

        grpc_server = await grpc.start(settings, intake)
        _log.info("OTLP/gRPC on %s:%d", settings.host, settings.grpc_port)

    def stop() -> None:
        server.should_exit = True

    shipper.call_on_failure(stop)
    await server.serve()
    if grpc_server is not None:
        await grpc_server.stop(2)


if __name__ == "__main__":
    main()
