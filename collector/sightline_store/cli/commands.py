"""The commands of `sightline-store` for any ClickHouse: what each takes, and what runs."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from sightline_store import export
from sightline_store.cli import shell
from sightline_store.client import Client
from sightline_store.conventions import report
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.prices import model_prices
from sightline_store.questions import catalog
from sightline_store.schema import cluster, kafka, migrate, rebuild, retention
from sightline_store.settings import KafkaSettings, RetentionSettings, StoreSettings

_FORMATS = {"json": "JSONEachRow", "csv": "CSVWithNames", "parquet": "Parquet", "table": "PrettyCompactNoEscapes"}
_WATCH_INTERVAL_S = 5.0
_AGES = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every subcommand; each sets `run` to what takes the arguments."""
    _add_migrate(commands)
    _add_upkeep(commands)
    _add_query(commands)
    _add_shell(commands)
    _add_export(commands)
    _add_prices(commands)
    _add_kafka(commands)
    _add_cluster(commands)


def _client() -> Client:
    return Client(StoreSettings.from_env())


def _add_migrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    migrate = commands.add_parser("migrate", help="bring the tables at SIGHTLINE_STORE_URL up to date")
    migrate.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    migrate.set_defaults(run=_migrate)


def _migrate(args: argparse.Namespace) -> None:
    client, keep = _client(), RetentionSettings.from_env()
    if args.dry_run:
        lines = migrate.plan(client, keep).lines()
    else:
        lines = [f"-- {migration.version:03} {migration.name}" for migration in migrate.apply(client)]
        lines += [f"-- {dropped}" for dropped in retention.enforce(client, keep)]
    sys.stdout.writelines(f"{line}\n" for line in lines or ["-- nothing to do: the tables are up to date"])


def _add_upkeep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    retain = commands.add_parser(
        "retention", help="drop what SIGHTLINE_STORE_RETENTION_* says is too old or too much, now"
    )
    retain.add_argument(
        "--dry-run", action="store_true", help="print what would be dropped or changed, and change nothing"
    )
    retain.set_defaults(run=_retention)
    again = commands.add_parser("rebuild", help="make a typed table anew from the raw spans, while spans keep coming")
    again.add_argument("table", choices=sorted(rebuild.TABLES))
    again.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first day; default: all of them")
    again.set_defaults(run=_rebuild)
    spoken = commands.add_parser(
        "conventions", help="which conventions the spans speak, and which keys nobody understands"
    )
    spoken.add_argument("--since-s", type=int, default=86_400, help="how far to look back, in seconds (default: a day)")
    spoken.add_argument("--limit", type=int, default=50, help="the most keys to list (default: 50)")
    spoken.set_defaults(run=_conventions)


def _retention(args: argparse.Namespace) -> None:
    client, keep = _client(), RetentionSettings.from_env()
    if args.dry_run:
        found: Sequence[object] = [*retention.plan(client, keep), *retention.over_cap(client, keep)]
    else:
        found = retention.enforce(client, keep)
    sys.stdout.writelines(f"{one}\n" for one in found or ["nothing to drop"])


def _rebuild(args: argparse.Namespace) -> None:
    client = Client(replace(StoreSettings.from_env(), timeout_s=3600))
    done = rebuild.rebuild(client, args.table, args.since)
    _tell(
        f"{args.table}: {done.rows_before:,} rows before, {done.rows_after:,} after, "
        f"{done.rows_kept:,} kept whose raw spans are gone"
    )


def _conventions(args: argparse.Namespace) -> None:
    lines = report.report(_client(), since_s=args.since_s, limit=args.limit).lines()
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _add_query(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    query = commands.add_parser(
        "query",
        help="ask one of the shipped questions (sql/queries/NAME.sql)",
        description="Ask one of the shipped questions. Left out, a parameter is the last day, all of the traffic.",
        epilog="example: sightline-store query spend_by --param by=tenant --param limit=5 --format csv",
    )
    query.add_argument("name", nargs="?", help="name of the question; without one the questions are listed")
    query.add_argument(
        "--format", choices=sorted(_FORMATS), default="table", help="shape of the answer (default: table)"
    )
    query.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the question")
    query.add_argument("--sql", action="store_true", help="print the question's SQL instead of asking it")
    query.set_defaults(run=_query)


def _query(args: argparse.Namespace) -> None:
    if args.name is None:
        sys.stdout.write(catalog.listing())
        return
    if args.sql:
        sys.stdout.write(catalog.text(args.name))
        return
    sql, params = catalog.prepared(args.name, args.param)
    try:
        for piece in _client().stream(sql, params, _FORMATS[args.format]):
            sys.stdout.buffer.write(piece)
    except QueryFailed as exc:
        raise StoreError(f"{args.name}: {exc.message.strip()}") from exc


def _add_shell(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "shell",
        help="SQL, line by line, with history and completion; also reads a pipe",
        description="SQL over HTTP. A statement ends with `;`, `\\?` tells the rest.",
        epilog="example: echo 'SELECT count() FROM otel_traces' | sightline-store shell",
    )
    command.set_defaults(run=_shell)


def _shell(_: argparse.Namespace) -> None:
    base = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline")
    code = shell.run(_client(), sys.stdin, sys.stdout, base / "shell_history")
    sys.stdout.flush()
    if code:
        sys.exit(code)


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "export",
        help="a table into a file (Parquet, CSV, ...), or a trace into OTLP",
        description="Export a table or a window of it in flat memory, or one trace as OTLP that any collector takes.",
        epilog="examples: export llm_calls --since 7d --to calls.parquet; export TRACE_ID --to trace.json",
    )
    command.add_argument("what", help="a table or view, or a trace id (32 hexadecimal digits)")
    command.add_argument("--to", required=True, type=Path, metavar="FILE", help="file to write; - is standard output")
    command.add_argument(
        "--format",
        choices=[*sorted(export.FORMATS), "otlp", "otlp-json"],
        help="default: parquet for a table; for a trace otlp, or otlp-json where FILE ends in .json",
    )
    command.add_argument("--since", metavar="MOMENT", help="2026-01-31, 2026-01-31T12:00, or an age: 15m, 6h, 7d")
    command.add_argument("--until", metavar="MOMENT", help="the same; left out of the window")
    command.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> None:
    client = _client()
    fmt = args.format
    if export.is_trace_id(args.what):
        fmt = fmt or ("otlp-json" if args.to.suffix == ".json" else "otlp")
        if fmt not in {"otlp", "otlp-json"}:
            raise ValueError(f"a trace leaves as otlp or otlp-json, not as {fmt}")
        size = _written(args.to, lambda file: export.export_trace(client, args.what, file, as_json=fmt == "otlp-json"))
    else:
        fmt = fmt or "parquet"
        if fmt not in export.FORMATS:
            raise ValueError(f"{args.what} is no trace id, and only a trace leaves as {fmt}")
        since, until = moment(args.since), moment(args.until)
        size = _written(
            args.to,
            lambda file: export.export_table(
                client, args.what, file, fmt=fmt, since=since, until=until, told=_progress()
            ),
        )
    _tell(f"{size:,} bytes of {fmt} written to {args.to}")


def _written(path: Path, write: Callable[[BinaryIO], int]) -> int:
    if str(path) == "-":
        return write(sys.stdout.buffer)
    return export.write_whole(path, write)


def moment(text: str | None, now: datetime | None = None) -> datetime | None:
    """A moment that somebody wrote: an ISO date or time (UTC where it names no zone), or an age such as 7d.

    Raises:
        ValueError: it is neither.
    """
    if not text:
        return None
    if text[:-1].isdigit() and text[-1] in _AGES:
        return (now or datetime.now(UTC)) - timedelta(**{_AGES[text[-1]]: int(text[:-1])})
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment: write 2026-01-31, 2026-01-31T12:00, or an age such as 15m, 6h, 7d"
        ) from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _add_prices(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("prices", help="what tokens cost: what is known of each model seen, and what is not")
    command.add_argument("--refresh", action="store_true", help="look up the models that are new")
    command.set_defaults(run=_prices)


def _prices(args: argparse.Namespace) -> None:
    client = _client()
    if args.refresh:
        model_prices.refresh(client)
    rows = model_prices.listing(client)
    _write_table(rows, "no model has been seen yet")


def _add_kafka(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "kafka",
        help="let the store itself read OTLP from Kafka",
        description="Let ClickHouse read otlp_proto messages from SIGHTLINE_KAFKA_BROKERS into the official tables, "
        "with no consumer of ours. Messages that it cannot read go to the table kafka_errors.",
    )
    actions = command.add_subparsers(dest="action", required=True)
    sql = actions.add_parser("sql", help="print the statements, for a ClickHouse that others look after")
    sql.add_argument("--in-memory", action="store_true", help="as for the embedded node, which forgets them at its end")
    start = actions.add_parser("start", help="make the store read")
    start.add_argument("--watch", action="store_true", help="stay, tell how far it is, and start again after a restart")
    actions.add_parser("stop", help="stop reading; the group's offsets and kafka_errors stay")
    actions.add_parser("status", help="how far each consumer is")
    command.set_defaults(run=_kafka)


def _kafka(args: argparse.Namespace) -> None:
    settings, store = KafkaSettings.from_env(), StoreSettings.from_env()
    if args.action == "sql":
        for statement in kafka.statements(settings, store.database, in_memory=args.in_memory):
            sys.stdout.write(f"{statement};\n\n")
        return
    client = Client(store)
    if args.action == "start":
        kafka.start(client, settings)
        _tell(f"reading {', '.join(settings.topics().values())} from {settings.brokers} as group {settings.group}")
        while args.watch:
            time.sleep(_WATCH_INTERVAL_S)
            _watch_kafka(client, settings)
    elif args.action == "stop":
        kafka.stop(client)
    else:
        rows: list[dict[str, Any]] = [
            {
                "signal": one.signal,
                "partitions": one.assigned,
                "messages": one.messages,
                "commits": one.commits,
                "offsets": " ".join(f"{place}={offset}" for place, offset in sorted(one.offsets.items())),
                "last_error": one.last_error,
            }
            for one in kafka.status(client)
        ]
        _write_table(rows, "nothing is read: `sightline-store kafka start`")
        sys.stdout.write(f"messages that could not be read: {kafka.errors(client)}\n")


def _watch_kafka(client: Client, settings: KafkaSettings) -> None:
    try:
        if not kafka.status(client):
            kafka.start(client, settings)
            _tell("the store had been restarted: reading again")
    except StoreError as exc:
        _tell(f"waiting for the store: {exc}")


def _add_cluster(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "cluster-ddl",
        help="print the tables for a sharded, replicated ClickHouse",
        description="Print DDL made from sql/ddl: Replicated tables named _local on every server, their views, and "
        "Distributed tables with the official names, sharded by trace. Pipe it into clickhouse-client.",
    )
    command.add_argument("--cluster", required=True, help="name of the cluster in remote_servers")
    command.set_defaults(run=_cluster_ddl)


def _cluster_ddl(args: argparse.Namespace) -> None:
    for statement in cluster.statements(args.cluster, StoreSettings.from_env().database):
        sys.stdout.write(f"{statement};\n\n")


def _write_table(rows: Sequence[dict[str, Any]], nothing: str) -> None:
    if not rows:
        sys.stdout.write(f"{nothing}\n")
        return
    texts = [[str(name) for name in rows[0]], *(["" if v is None else str(v) for v in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in texts) for column in range(len(texts[0]))]
    for line in texts:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _progress() -> Callable[[int], None]:
    """Tell on a terminal how much has been written, at most four times a second."""
    last = 0.0

    def told(size: int) -> None:
        nonlocal last
        if sys.stderr.isatty() and time.monotonic() - last > 0.25:
            last = time.monotonic()
            sys.stderr.write(f"\r{size / 1e6:,.1f} MB")

    return told


def _tell(text: str) -> None:
    sys.stderr.write(("\r" if sys.stderr.isatty() else "") + f"{text}\n")
