"""How long rows stay, and when they are packed harder: the tables' TTL; and caps in GiB that drop the oldest days.

Of the caps, those of raw spans and of typed rows come first, and that of all tables counts what they leave. All of it
acts on whole days where a table is parted by day. The small tables that hold counts are not: their rows go, or are
folded, one by one, and no cap drops them. What is dropped is returned and logged, never silent.

`apply` brings the tables' TTL to what the settings ask, and `enforce` runs both, as `sightline-store janitor` does each
hour. `sightline-store retention --dry-run` prints what that would do. `content_removal` takes the texts out of days
that stay. A cluster's tables are refused: they are its operator's.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
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

PACKED = ("otel_traces", "otel_logs")
"""Tables whose texts are packed harder after some days: the others hold ids and numbers, which get no shorter by it."""

PACKED_CODEC = "ZSTD(12)"
"""What they are packed with: a quarter fewer bytes of SpanAttributes than ZSTD(3), at five times the CPU of a merge
(docs/adr/019-what-a-stored-span-costs.md)."""

_PROCESS_DAYS = 365
_FOLDS = {
    # A process numbers its spans from 1: without its first minutes all that it sent in them would look lost. So minutes
    # that are over become one row, which goes when the process has been silent for so long that it will not come back.
    "instances": "GROUP BY ServiceName, InstanceId SET FirstSeen = min(FirstSeen), LastSeen = max(LastSeen), "
    "Spans = sum(Spans), HighestSequence = max(HighestSequence), toDateTime(LastSeen) + toIntervalDay({later})",
}
_BYTES_PER_GIB = 1024**3
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

    def __str__(self) -> str:
        return f"{self.table} {self.why}: {self.statement}"


@dataclass(frozen=True)
class _Ttl:
    """What a table's TTL says: rows stay for `days` (0: for ever), packed harder after `packed_after` (0: never)."""

    days: int
    packed_after: int

    def __str__(self) -> str:
        said = f"for {self.days} days" if self.days else "for ever"
        return f"{said}, packed harder after {self.packed_after} days" if self.packed_after else said


@dataclass(frozen=True)
class Stored:
    """What a table has of a day; `day` is '' where the table is not parted by day."""

    table: str
    day: str
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class Dropped(Stored):
    """A day of a table that is gone, or has to go; `why` names the setting."""

    why: str = ""

    def __str__(self) -> str:
        return f"{self.day} of {self.table}: {self.rows} rows, {self.size_bytes / 1024**2:.1f} MiB, {self.why}"


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
        for table, column in tables.items():
            if table not in known:
                continue
            asked = _asked(table, settings.days(signal), settings)
            have = _read(ddl.parse(known[table]).ttl, table, column)
            if have == asked or (have is None and asked.days == 0):
                continue
            ttl = _ttl(table, column, asked)
            statement = f"ALTER TABLE {table} " + (f"MODIFY TTL {ttl}" if ttl else "REMOVE TTL")
            so_far = have or "by a TTL that was set outside Sightline"
            changes.append(Change(table, statement, f"keeps rows {asked}, kept them {so_far} so far"))
    return changes


def apply(client: Client, settings: RetentionSettings) -> list[Change]:
    """Bring the tables' TTL to what the settings ask; returns what ran. Runs again without effect.

    Days that are older than a shorter TTL go with the next merges, whole parts at a time. Parts that are old enough to
    be packed are written anew in the background, one after the other.
    """
    changes = plan(client, settings)
    for change in changes:
        # Rewriting every part for a new TTL would take hours on a large table; parts of a day are dropped as wholes.
        # Those of a table that is packed are told the new TTL and not rewritten (materialize_ttl_recalculate_only), in
        # the background: a change of the table that runs comes first.
        tells_parts = int(change.table in PACKED)
        client.command(f"{change.statement} SETTINGS materialize_ttl_after_modify = {tells_parts}, alter_sync = 0")
        _log.info("%s %s", change.table, change.why)
    return changes


def stored(client: Client) -> list[Stored]:
    """What there is of each day of all tables that Sightline declares but rollups, which have a cap of their own.

    Others of the database do not count: a rebuild's clones are links to the same files, and nobody asked for a cap on
    somebody's own tables.
    """
    rows = client.query_rows(
        "SELECT table, ifNull(toString(toDate(parseDateTimeBestEffortOrNull(partition))), '') AS day, "
        "sum(rows) AS n, sum(bytes_on_disk) AS size FROM system.parts WHERE active AND database = {database:String} "
        "AND has({tables:Array(String)}, table) GROUP BY table, day",
        {"database": client.settings.database, "tables": [n for n in declared.tables() if not n.startswith("rollup_")]},
    )
    return [Stored(str(row["table"]), str(row["day"]), int(row["n"]), int(row["size"])) for row in rows]


def stored_bytes(client: Client) -> int:
    """Bytes on disk of all that is `stored`."""
    return sum(each.size_bytes for each in stored(client))


def over_cap(client: Client, settings: RetentionSettings) -> list[Dropped]:
    """The days that have to go for the tables to fit under the caps; empty without one."""
    if not any(gib for _, gib, _ in _caps(settings)):
        return []
    require_one_server(client, _ON_A_CLUSTER)
    (row,) = client.query_rows("SELECT toString(today()) AS today")
    return over_caps(stored(client), settings, str(row["today"]))


def over_caps(have: Iterable[Stored], settings: RetentionSettings, today: str) -> list[Dropped]:
    """Of what is `stored`, the days that have to go, those of one cap after the other, the oldest first. Pure.

    A day goes of all tables of a cap at once, and today always stays.
    """
    left = sorted(have, key=lambda each: (each.day, each.table))
    going: list[Dropped] = []
    for setting, gib, signals in _caps(settings):
        if not gib:
            continue
        own = {table for signal in signals for table in SIGNALS[signal]}
        is_of_all = len(signals) == len(SIGNALS)
        excess = sum(each.size_bytes for each in left if is_of_all or each.table in own) - gib * _BYTES_PER_GIB
        last_day = ""
        for each in [each for each in left if each.table in own and "" < each.day < today]:
            if excess <= 0 and each.day != last_day:
                break
            last_day = each.day
            excess -= each.size_bytes
            going.append(Dropped(each.table, each.day, each.rows, each.size_bytes, f"over {setting}={gib:g}"))
            left.remove(each)
    return going


def enforce(client: Client, settings: RetentionSettings) -> list[Dropped]:
    """Apply the TTLs, then drop the oldest days while the tables exceed the caps; returns what was dropped.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    apply(client, settings)
    dropped = over_cap(client, settings)
    for day in dropped:
        client.command(f"ALTER TABLE {day.table} DROP PARTITION '{day.day}'")
        _log.warning("dropped %s", day)
    return dropped


def _caps(settings: RetentionSettings) -> list[tuple[str, float, tuple[str, ...]]]:
    """Setting, GiB and signals of each cap. The one of all tables comes last, and counts tables of no signal too."""
    return [
        ("SIGHTLINE_STORE_RETENTION_TRACES_MAX_GIB", settings.traces_max_gib, ("traces",)),
        ("SIGHTLINE_STORE_RETENTION_TYPED_MAX_GIB", settings.typed_max_gib, ("typed", "scores")),
        ("SIGHTLINE_STORE_RETENTION_MAX_GIB", settings.max_gib, tuple(SIGNALS)),
    ]


def _asked(table: str, days: int, settings: RetentionSettings) -> _Ttl:
    """What the settings ask of a table. Rows that go before they would be packed are not."""
    packed_after = settings.pack_after_days if table in PACKED else 0
    return _Ttl(days, packed_after if not days or packed_after < days else 0)


def _ttl(table: str, column: str, asked: _Ttl) -> str:
    """A table's TTL, spelled as ClickHouse gives it back; '' for none."""
    parts = []
    if asked.days:
        fold = f" {_FOLDS[table].format(later=asked.days + _PROCESS_DAYS)}" if table in _FOLDS else ""
        parts.append(f"toDateTime({column}) + toIntervalDay({asked.days}){fold}")
    if asked.packed_after:
        parts.append(f"toDateTime({column}) + toIntervalDay({asked.packed_after}) RECOMPRESS CODEC({PACKED_CODEC})")
    return ", ".join(parts)


def _read(ttl: str, table: str, column: str) -> _Ttl | None:
    """What a table's TTL says; None for one that is not of our making."""
    days, packed_after = (
        int(match[1]) if (match := re.search(rf"toIntervalDay\((\d+)\){ending}", ttl)) else 0
        for ending in ("(?! RECOMPRESS)", " RECOMPRESS")
    )
    read = _Ttl(days, packed_after)
    return read if ttl == _ttl(table, column, read) else None
