"""`sightline-collector dead-letter`: list and show what could not be stored, and give it to the store again.

Two folders of the spool hold it: dead-letter/ has requests that ClickHouse could not read, quarantine/ has segments
that were damaged on disk. A file is removed only after the store has taken its rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.errors import CollectorError
from sightline_collector.request import otlp
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.errors import QueryFailed
from sightline_store.ingest import Signal
from sightline_store.settings import StoreSettings

_FOLDERS = {"dead-letter": ".records", "quarantine": ".seg"}
_REQUESTS = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
_SHOWN_BYTES = 256


@dataclass(frozen=True)
class DeadLetter:
    """A file of requests that are not stored, and the reason."""

    path: Path
    signal: Signal
    reason: str

    @property
    def name(self) -> str:
        """The name of the file, which the commands take."""
        return self.path.name

    def records(self) -> Iterator[record.Record]:
        """Its records, up to the first one that is damaged."""
        with self.path.open("rb") as file:
            yield from record.read_records(file)


def find(settings: CollectorSettings) -> list[DeadLetter]:
    """Every dead letter and every damaged segment, oldest first."""
    entries = []
    for folder, suffix in _FOLDERS.items():
        for path in (settings.spool_dir / folder).glob(f"*{suffix}"):
            signal, _, _ = path.name.partition("-")
            reason = path.with_suffix(".reason")
            why = reason.read_text(encoding="utf-8", errors="replace").strip() if reason.exists() else ""
            entries.append(DeadLetter(path, Signal(signal), why or "unknown"))
    return sorted(entries, key=lambda entry: entry.name)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `dead-letter` and its actions to the commands of the console script."""
    parser = commands.add_parser("dead-letter", help="requests and segments that are not stored: list, show, replay")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="what there is, and why")
    for action, text in (
        ("show", "what is in one"),
        ("replay", "give one to the store again; its file is removed when the store has taken it"),
    ):
        actions.add_parser(action, help=text).add_argument("name", help="its name, as `list` prints it")


def run(args: argparse.Namespace, settings: CollectorSettings, store: StoreSettings) -> None:
    """Do what the arguments of `dead-letter` say.

    Raises:
        CollectorError: there is no such file, or ClickHouse still cannot read it.
        StoreUnavailable: the store is away; nothing was removed.
    """
    entries = find(settings)
    if args.action == "list":
        for entry in entries:
            sys.stdout.write(
                f"{entry.name}  {entry.path.stat().st_size:,} bytes  {entry.reason.splitlines()[0][:200]}\n"
            )
        if not entries:
            sys.stdout.write("no dead letters\n")
        return
    named = [entry for entry in entries if entry.name == args.name]
    if not named:
        raise CollectorError(f"there is no dead letter {args.name!r}: see `sightline-collector dead-letter list`")
    if args.action == "show":
        _show(named[0])
    else:
        _replay(named[0], store)


def _show(entry: DeadLetter) -> None:
    sys.stdout.write(f"{entry.path}\n{entry.reason}\n")
    for number, item in enumerate(entry.records(), 1):
        sys.stdout.write(f"\n-- request {number}, {len(item.payload):,} bytes\n{_text(entry.signal, item.payload)}\n")


def _text(signal: Signal, payload: bytes) -> str:
    message: Any = _REQUESTS[signal]()
    try:
        message.ParseFromString(payload)
    except DecodeError as exc:
        shown = payload[:_SHOWN_BYTES].hex(" ", 4)
        return f"not a {message.DESCRIPTOR.name}: {exc}\n{shown}{' ...' if len(payload) > _SHOWN_BYTES else ''}"
    return text_format.MessageToString(message)


def _replay(entry: DeadLetter, store: StoreSettings) -> None:
    if entry.path.suffix != _FOLDERS["dead-letter"]:
        raise CollectorError(
            f"{entry.name} is a damaged segment: its records before the damage are in the store already, and what "
            "follows cannot be read"
        )
    data = b"".join(record.encode(otlp.rewritten(entry.signal, item.payload)) for item in entry.records())
    client = Client(store)
    try:
        # The token is the file's name: a replay that was cut short and is done again stores nothing twice.
        ingest.insert_segment(client, entry.signal, data, f"replay-{entry.name}")
    except QueryFailed as exc:
        raise CollectorError(f"ClickHouse still cannot read {entry.name}: {exc.message.splitlines()[0]}") from exc
    finally:
        client.close()
    entry.path.unlink()
    entry.path.with_suffix(".reason").unlink(missing_ok=True)
    sys.stdout.write(f"{entry.name} is stored\n")
