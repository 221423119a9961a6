"""The commands of `sightline-store` for any ClickHouse: what each takes, and what runs."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from sightline_store import export
from sightline_store.cli import janitor, rebuild_command, rollups, shell, tenant_command
from sightline_store.cli.progress import ByteProgress, print_status
from sightline_store.client import Client
from sightline_store.conventions import report
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.moments import parse_moment
from sightline_store.prices import model_prices
from sightline_store.questions import catalog
from sightline_store.schema import cluster, content_removal, kafka, migrate, retention, snapshot
from sightline_store.schema.plan import Plan
from sightline_store.settings import KafkaSettings, RetentionSettings, StoreSettings

_FORMATS = {"json": "JSONEachRow", "csv": "CSVWithNames", "parquet": "Parquet", "table": "PrettyCompactNoEscapes"}
_WATCH_INTERVAL_S = 5.0
_CLUSTER = (
    "-- the tables are a cluster's, and migrate does not know or change their version: compare them with what "
    "`sightline-store cluster-ddl` prints now, and upgrade them as docs/adr/009-schema-evolution.md says"
)


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
    tenant_command.add(commands)
    janitor.add(commands)
    rollups.add(commands, _write_table)


def _client() -> Client:
    return Client(StoreSettings.from_env())


def _add_migrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "migrate",
        help="bring the tables and views at SIGHTLINE_STORE_URL up to date",
        description="Run the migrations that the store lacks, and replace the views that differ, while rows wait with "
        "those who send them. A store with rows is backed up first; `sightline-store restore` takes that back. Such a "
        "snapshot is a copy of the database and stays in the backup folder until you remove it.",
    )
    command.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
    command.add_argument("--no-snapshot", action="store_true", help="upgrade a store with rows without a backup")
    command.set_defaults(run=_migrate)


def _migrate(args: argparse.Namespace) -> None:
    client = _client()
    if args.dry_run:
        preview = migrate.preview(client)
        done, lines = preview.schema, preview.lines()
    else:
        done, lines = _upgrade(client, with_snapshot=not args.no_snapshot)
    nothing = _CLUSTER if done.is_cluster else "-- nothing to do: the tables are up to date"
    sys.stdout.writelines(f"{line}\n" for line in lines or [nothing])


def _upgrade(client: Client, *, with_snapshot: bool) -> tuple[Plan, list[str]]:
    def take_snapshot(plan: Plan) -> None:
        if with_snapshot and (report := snapshot.take(client, plan)) is not None:
            # At once: who needs it most is the one whose upgrade fails afterwards.
            sys.stdout.write(
                f"-- snapshot of {report.size_bytes:,} bytes in {report.path} of the store's backup folder: "
                f"`sightline-store restore --replace {report.path}` takes it back\n"
            )
            sys.stdout.flush()

    done = migrate.apply(client, before=take_snapshot)
    lines = [f"-- migration {migration.version:03} {migration.name}" for migration in done.migrations]
    counts = Counter(change.action for change in done.changes)
    lines += [f"-- {action}: {count} views, functions and Null tables" for action, count in counts.items()]
    lines += [f"-- opened {name} to INSERTs again" for name in done.reopens]
    return done, lines


def _add_upkeep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    retain = commands.add_parser(
        "retention",
        help="drop what SIGHTLINE_STORE_RETENTION_* says is too old or too much, now",
        description="Drop the days that are too old or above a cap, and remove the content of days that are too old "
        "for it, by SIGHTLINE_STORE_RETENTION_*, and wait for that. The janitor does the same by itself.",
    )
    retain.add_argument(
        "--dry-run", action="store_true", help="print what would be dropped or changed, and change nothing"
    )
    retain.set_defaults(run=_retention)
    rebuild_command.add(commands)
    conventions = commands.add_parser(
        "conventions", help="which conventions the spans use, and which keys nobody reads"
    )
    conventions.add_argument(
        "--since-s", type=int, default=86_400, help="how far to look back, in seconds (default: a day)"
    )
    conventions.add_argument("--limit", type=int, default=50, help="the most keys to list (default: 50)")
    conventions.set_defaults(run=_conventions)


def _retention(args: argparse.Namespace) -> None:
    client, keep = _client(), RetentionSettings.from_env()
    if args.dry_run:
        planned = [
            *retention.plan(client, keep),
            *retention.over_cap(client, keep),
            *content_removal.plan(client, keep),
        ]
        sys.stdout.writelines(f"{line}\n" for line in planned or ["nothing to drop"])
        return
    done = 0
    for each in itertools.chain(retention.enforce(client, keep), content_removal.remove(client, keep)):
        sys.stdout.write(f"{each}\n")
        sys.stdout.flush()
        done += 1
    if not done:
        sys.stdout.write("nothing to drop\n")


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
        description="SQL over HTTP. A statement ends with `;`, `\\?` prints the help.",
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
        since, until = (parse_moment(text) if text else None for text in (args.since, args.until))
        size = _written(
            args.to,
            lambda file: export.export_table(
                client, args.what, file, fmt=fmt, since=since, until=until, progress=ByteProgress()
            ),
        )
    print_status(f"{size:,} bytes of {fmt} written to {args.to}")


def _written(path: Path, write: Callable[[BinaryIO], int]) -> int:
    if str(path) == "-":
        return write(sys.stdout.buffer)
    return export.write_whole(path, write)


def _add_prices(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "prices", help="what tokens cost: the price of each model that was called, and the models without one"
    )
    command.add_argument("--refresh", action="store_true", help="look up the models that are new")
    command.set_defaults(run=_prices)


def _prices(args: argparse.Namespace) -> None:
    client = _client()
    if args.refresh:
        model_prices.refresh(client)
    rows = model_prices.listing(client)
    _write_table(rows, "no model was called yet")


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
    start.add_argument("--watch", action="store_true", help="stay, and start again when the store was restarted")
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
        print_status(
            f"reading {', '.join(settings.topics().values())} from {settings.brokers} as group {settings.group}"
        )
        while args.watch:
            time.sleep(_WATCH_INTERVAL_S)
            _watch_kafka(client, settings)
    elif args.action == "stop":
        kafka.stop(client)
    else:
        rows: list[dict[str, Any]] = [
            {
                "signal": consumer.signal,
                "partitions": consumer.assigned,
                "messages": consumer.messages,
                "commits": consumer.commits,
                "offsets": " ".join(f"{place}={offset}" for place, offset in sorted(consumer.offsets.items())),
                "last_error": consumer.last_error,
            }
            for consumer in kafka.status(client)
        ]
        _write_table(rows, "nothing is read: `sightline-store kafka start`")
        sys.stdout.write(f"messages that could not be read: {kafka.errors(client)}\n")


def _watch_kafka(client: Client, settings: KafkaSettings) -> None:
    try:
        if not kafka.status(client):
            kafka.start(client, settings)
            print_status("the store had been restarted: reading again")
    except StoreError as exc:
        print_status(f"waiting for the store: {exc}")


def _add_cluster(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "cluster-ddl",
        help="print the tables for a sharded, replicated ClickHouse",
        description="Print DDL made from the declared schema: Replicated tables named _local on every server, their "
        "views, and Distributed tables with the official names, sharded by trace. Pipe it into clickhouse-client.",
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
