"""How long rows stay: days per signal as the tables' TTL, and a cap in GiB that drops the oldest days.

Both act on whole days where a table is parted by day. The small tables that hold counts are not: their rows go, or are
folded, one by one, and the cap leaves them out. What is dropped is returned and logged, never silent.

`apply` brings the tables' TTL to what the settings ask, and `enforce` runs both, as `sightline-store janitor` does each
hour. `sightline-store retention --dry-run` prints `plan`. A cluster's tables are refused: they are its operator's.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from sightline_store import ddl
from sightline_store.client import Client
from sightline_store.schema import declared
from sightline_store.schema.state import require_one_server
from sightline_store.settings import RetentionSettings

_log = logging.getLogger("sightline.store.retention")

SIGNALS: dict[str, dict[str, str]] = {
    "traces": {
        "otel_traces": "Timestamp",
        "otel_traces_trace_id_ts": "Start",
        "clamped_spans": "Hour",
        "sampled_out_spans": "Hour",
    },
    "logs": {"otel_logs": "Timestamp"},
    "metrics": dict.fromkeys(
        (f"otel_metrics_{kind}" for kind in ("gauge", "sum", "histogram", "exp_histogram", "summary")), "TimeUnix"
    ),
    "typed": {
        **dict.fromkeys(
            ("requests", "llm_calls", "retrievals", "embeddings", "stages", "errors", "duplicate_calls"), "Timestamp"
        ),
        "instances": "Minute",
    },
    "scores": {"scores": "Timestamp"},
}
"""Signal to its tables, each with the column that its days are taken from."""

_PROCESS_DAYS = 365
_FOLDS = {
    # A process numbers its spans from 1: without its first minutes all that it sent in them would look lost. So minutes
    # that are over become one row, which goes when the process has been silent for so long that it will not come back.
    "instances": "GROUP BY ServiceName, InstanceId SET FirstSeen = min(FirstSeen), LastSeen = max(LastSeen), "
    "Spans = sum(Spans), HighestSequence = max(HighestSequence), toDateTime(LastSeen) + toIntervalDay({later})",
}
_BYTES_PER_GIB = 1024**3
_FOREIGN = -1
_ON_A_CLUSTER = (
    "their retention is the operator's, by `ALTER TABLE NAME_local ON CLUSTER ... MODIFY TTL` (docs/scale.md). Set "
    "SIGHTLINE_JANITOR_RETENTION_INTERVAL_S=0 for the janitors"
)


@dataclass(frozen=True)
class Change:
    """One statement that would bring a table's TTL to what is asked; `why` in words."""

    table: str
    statement: str
    why: str


@dataclass(frozen=True)
class Dropped:
    """A day of a table that is gone."""

    table: str
    day: str
    rows: int
    size_bytes: int


def plan(client: Client, settings: RetentionSettings) -> list[Change]:
    """What `apply` would run. A TTL that was set outside Sightline stays where the settings ask for none.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    require_one_server(client, _ON_A_CLUSTER)
    known = {
        row["name"]: row["create_table_query"]
        for row in client.query_rows(
            "SELECT name, create_table_query FROM system.tables WHERE database = {database:String}",
            {"database": client.settings.database},
        )
    }
    changes = []
    for signal, tables in SIGNALS.items():
        days = settings.days(signal)
        for table, column in tables.items():
            if table not in known:
                continue
            have = _days(known[table], table, column)
            if have == days or (have == _FOREIGN and days == 0):
                continue
            statement = (
                f"ALTER TABLE {table} MODIFY TTL {_ttl(table, column, days)}"
                if days
                else f"ALTER TABLE {table} REMOVE TTL"
            )
            changes.append(Change(table, statement, f"keeps {_said(days)}, kept {_said(have)} so far"))
    return changes


def apply(client: Client, settings: RetentionSettings) -> list[Change]:
    """Bring the tables' TTL to what the settings ask; returns what ran. Runs again without effect.

    Days that are older than a shorter TTL go with the next merges, whole parts at a time.
    """
    changes = plan(client, settings)
    for change in changes:
        # Rewriting every part for a new TTL would take hours on a large table; parts of a day are dropped as wholes.
        client.command(f"{change.statement} SETTINGS materialize_ttl_after_modify = 0")
        _log.info("%s %s", change.table, change.why)
    return changes


def stored_bytes(client: Client) -> int:
    """Bytes on disk of all tables that Sightline declares but rollups, which have a cap of their own.

    Others of the database do not count: a rebuild's clones are links to the same files, and nobody asked for a cap on
    somebody's own tables.
    """
    (row,) = client.query_rows(
        "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = {database:String} "
        "AND has({tables:Array(String)}, table)",
        {"database": client.settings.database, "tables": [n for n in declared.tables() if not n.startswith("rollup_")]},
    )
    return int(row["bytes"] or 0)


def over_cap(client: Client, settings: RetentionSettings) -> list[Dropped]:
    """The days that have to go for the tables to fit under the cap, the oldest first; empty without a cap.

    A day goes of all signals' tables at once, and today always stays.
    """
    if not settings.max_gib:
        return []
    require_one_server(client, _ON_A_CLUSTER)
    excess = stored_bytes(client) - settings.max_gib * _BYTES_PER_GIB
    if excess <= 0:
        return []
    tables = [table for tables in SIGNALS.values() for table in tables]
    rows = client.query_rows(
        "SELECT table, toString(min_day) AS day, sum(rows) AS n, sum(bytes) AS size FROM ("
        "SELECT table, parseDateTimeBestEffortOrNull(partition) AS moment, toDate(moment) AS min_day, rows, "
        "bytes_on_disk AS bytes FROM system.parts WHERE active AND database = {database:String} "
        "AND has({tables:Array(String)}, table) AND moment IS NOT NULL) "
        "WHERE min_day < today() GROUP BY table, min_day ORDER BY day, table",
        {"database": client.settings.database, "tables": tables},
    )
    going: list[Dropped] = []
    freed, last_day = 0, ""
    for row in rows:
        if freed >= excess and row["day"] != last_day:
            break
        last_day = str(row["day"])
        freed += int(row["size"])
        going.append(Dropped(str(row["table"]), last_day, int(row["n"]), int(row["size"])))
    return going


def enforce(client: Client, settings: RetentionSettings) -> list[Dropped]:
    """Apply the TTLs, then drop the oldest days while the tables exceed the cap; returns what was dropped.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    apply(client, settings)
    dropped = over_cap(client, settings)
    for day in dropped:
        client.command(f"ALTER TABLE {day.table} DROP PARTITION '{day.day}'")
        _log.warning(
            "dropped %s of %s: %d rows, %.1f MiB, over SIGHTLINE_STORE_RETENTION_MAX_GIB=%g",
            day.day, day.table, day.rows, day.size_bytes / 1024**2, settings.max_gib,
        )  # fmt: skip
    return dropped


def _ttl(table: str, column: str, days: int) -> str:
    """A table's TTL, spelled as ClickHouse gives it back."""
    fold = f" {_FOLDS[table].format(later=days + _PROCESS_DAYS)}" if table in _FOLDS else ""
    return f"toDateTime({column}) + toIntervalDay({days}){fold}"


def _days(create: str, table: str, column: str) -> int:
    """The days of a table's TTL; 0 for none, _FOREIGN for one that is not of our making."""
    ttl = ddl.parse(create).ttl
    if not ttl:
        return 0
    match = re.search(r"toIntervalDay\((\d+)\)", ttl)
    days = int(match[1]) if match else _FOREIGN
    return days if ttl == _ttl(table, column, days) else _FOREIGN


def _said(days: int) -> str:
    return {0: "for ever", _FOREIGN: "by a TTL that was set outside Sightline"}.get(days, f"{days} days")
