# ruff: noqa: E501, S608 - names of tables and columns are this module's and the schema's own; values are quoted.
"""Brings together the spans of a trace that came in several INSERTs: the typed tables are right after it.

The views that fill the typed tables see one INSERT. What they cannot know is put right here, from the typed rows
themselves, since spans that were sampled out are nowhere else:

- a span that came twice (two exporters to one collector, a batch that was sent again) keeps its first rows;
- a model call, an embedding or a search that spans of two INSERTs tell keeps the better telling (`conventions.calls`);
- a trace keeps the spans that are its requests (`conventions.requests`), and gets one where a generative trace has none:
  the topmost span below a parent that was never exported;
- what one span of a trace knows of tenant, user and session holds for its other rows.

A trace is looked at when rows of it are stored, whole, within an hour of time before and after them. Rows are removed
by lightweight deletes. Where a row changes, the new one is inserted before the old one is deleted: killed between, the
next run removes the new one as a copy and begins again. Each run does nothing where nothing is left to do, so running it twice, or
in two processes, does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_store.client import Client
from sightline_store.conventions import calls, canonical, requests
from sightline_store.quoting import quote_string
from sightline_store.schema import declared, definitions
from sightline_store.schema.state import require_one_server

_HOUR = timedelta(hours=1)
_QUIET = timedelta(minutes=1)
"""A trace without a request is looked at when no row of it has come for so long."""

_NAMED_ROWS = 500
"""Rows that one DELETE names."""

_MANY_HOURS = 24 * 14

_ON_A_CLUSTER = (
    "bringing traces together works on one server only. Set SIGHTLINE_JANITOR_SETTLE_INTERVAL_S=0 for the janitors"
)

_IDENTITY = ("Tenant", "UserId", "SessionId")
_NOTHING = "''"


@dataclass
class Settled:
    """What a run did.

    Attributes:
        until: the moment up to which stored rows were looked at; the next run begins there.
        removed: rows that were removed, by table: copies of spans, other tellings of calls, spans that are no request.
        changed: rows that got a tenant, user or session of their trace, by table.
        added: requests of traces that had none.
    """

    until: datetime
    removed: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    added: int = 0

    def __bool__(self) -> bool:
        """Whether anything was changed."""
        return bool(self.removed or self.changed or self.added)


def settle(client: Client, since: datetime, *, quiet: timedelta = _QUIET) -> Settled:
    """Bring together the traces of which rows were stored since a moment.

    Args:
        client: the store, with the right to change tables.
        since: by the store's clock; `until` of the run before.
        quiet: a trace without a request is looked at when no row of it has come for so long.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    require_one_server(client, _ON_A_CLUSTER)
    run = _Run(client, since, quiet)
    run.remove_copies()
    run.add_missing_requests()
    run.spread_identity()  # before a root goes that alone knows it
    for table in ("llm_calls", "embeddings", "retrievals"):
        run.remove_other_tellings(table)
    run.remove_false_requests()
    return run.settled


class _Run:
    """One run: the traces that it looks at, and what it did."""

    def __init__(self, client: Client, since: datetime, quiet: timedelta) -> None:
        self._client, self._since, self._quiet = client, since, quiet
        # An INSERT takes its StoredAt when it begins, and its rows are seen when it has ended.
        (row,) = client.query_rows(
            "SELECT toUnixTimestamp64Micro(now64(6)) - toInt64(1e6 * max(elapsed)) AS until FROM system.processes "
            "WHERE query_kind = 'Insert' OR query_id = queryID()"
        )
        self.settled = Settled(_from_us(row["until"]))
        rebuilt = {
            str(item["name"])
            for item in client.query_rows(
                "SELECT name FROM system.tables WHERE database = {database:String}",
                {"database": client.settings.database},
            )
        }
        # A table that is being made anew gets its rows from whole days.
        self._tables = [table for table in definitions.TABLES if definitions.steps_table(table) not in rebuilt]
        self._hours = self._touched_hours(since)

    def remove_copies(self) -> None:
        """Of a span that came in several INSERTs, keep the rows of the first."""
        for table in self._tables:
            # Feedback about a span is a score of its own, from a log record, and has no StoredAt.
            if where := self._touched(table, more="StoredAt > toDateTime64(0, 6)"):
                self._remove(
                    table,
                    "SELECT Timestamp, TraceId, SpanId, StoredAt FROM (SELECT Timestamp, TraceId, SpanId, StoredAt, "
                    "min(StoredAt) OVER (PARTITION BY TraceId, SpanId) AS first "
                    f"FROM {table} WHERE {where} AND SpanId != '') WHERE StoredAt > first",
                )

    def remove_other_tellings(self, table: str) -> None:
        """Of a call that spans of several INSERTs tell, keep the better telling."""
        where = self._touched(table, several=True)
        if not where or table not in self._tables:
            return
        kind = {"llm_calls": "'model'", "embeddings": "'embed'", "retrievals": "'search'"}[table]
        names = (
            "'', ''" if table == "retrievals" else "RequestModel, if(ResponseModel != '', ResponseModel, RequestModel)"
        )
        tokens = {
            "llm_calls": "ifNull(toInt64(InputTokens), -1), ifNull(toInt64(OutputTokens), -1), "
            "ifNull(CacheReadTokens, 0) + ifNull(CacheWriteTokens, 0), ifNull(ReasoningTokens, 0)",
        }.get(table, "-1, -1, 0, 0")
        rank = {
            "llm_calls": "2 * (InputTokens IS NOT NULL OR OutputTokens IS NOT NULL)",
            "embeddings": "2 * (InputTokens IS NOT NULL)",
            "retrievals": "4 * notEmpty(DocumentIds) + 2 * (Returned IS NOT NULL)",
        }[table]
        self._remove(
            table,
            f"""\
SELECT Timestamp, TraceId, SpanId, StoredAt FROM
(
    SELECT
        Timestamp, TraceId, SpanId, StoredAt,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(toString(ServiceName)), cityHash64(toString(ScopeName)),
            toUnixTimestamp64Nano(Timestamp), toInt64(DurationMs * 1e6), {names}, {tokens}, {rank} + (Convention = 'sightline')), '{calls.CALL_TYPE}') AS call,
        groupArray(call) OVER (PARTITION BY TraceId ORDER BY Timestamp ROWS BETWEEN {calls.NEIGHBOUR_ROWS} PRECEDING AND {calls.NEIGHBOUR_ROWS} FOLLOWING) AS neighbours
    FROM {table}
    WHERE {where}
)
WHERE {calls.has_better_telling(kind, "neighbours")}""",
        )

    def remove_false_requests(self) -> None:
        """Of the spans of a trace that may be its request, keep those that are."""
        where = self._touched("requests", several=True)
        if not where or "requests" not in self._tables:
            return
        self._remove(
            "requests",
            f"""\
SELECT Timestamp, TraceId, SpanId, StoredAt FROM
(
    SELECT
        Timestamp, TraceId, SpanId, StoredAt, toUnixTimestamp64Nano(Timestamp) AS began,
        CAST((if(RequestRank = 0, {requests.ROOT}, RequestRank), cityHash64(toString(ServiceName)), began, began + toInt64(DurationMs * 1e6),
            cityHash64(SpanId)), '{requests.SPAN_TYPE}') AS span,
        groupArray(span) OVER (PARTITION BY TraceId ORDER BY Timestamp ROWS BETWEEN {calls.NEIGHBOUR_ROWS} PRECEDING AND {calls.NEIGHBOUR_ROWS} FOLLOWING) AS spans
    FROM requests
    WHERE {where}
)
WHERE NOT ({requests.is_top("span", "spans")})""",
        )

    def add_missing_requests(self) -> None:
        """Give a generative trace without a request one: its topmost span, if it has no span without a parent."""
        settled_until = self.settled.until - self._quiet
        hours = self._touched_hours(self._since - self._quiet)
        if not hours or "requests" not in self._tables:
            return
        within = _within(hours)
        rows = self._client.query_rows(
            f"""\
SELECT TraceId AS id, toUnixTimestamp64Micro(min(Timestamp)) AS first_us, toUnixTimestamp64Micro(max(Timestamp)) AS last_us
FROM
(
    SELECT TraceId, Timestamp, StoredAt FROM llm_calls WHERE {within} AND TraceId != ''
    UNION ALL SELECT TraceId, Timestamp, StoredAt FROM retrievals WHERE {within} AND TraceId != ''
    UNION ALL SELECT TraceId, Timestamp, StoredAt FROM stages WHERE {within} AND TraceId != '' AND Stage IN ('agent', 'tool', 'rerank')
)
GROUP BY TraceId
HAVING max(StoredAt) > {_moment(self._since - self._quiet)} AND max(StoredAt) <= {_moment(settled_until)}
    AND TraceId NOT IN (SELECT TraceId FROM requests WHERE {within})
LIMIT {_NAMED_ROWS}"""
        )
        if not rows:
            return
        ids = ", ".join(quote_string(str(row["id"])) for row in rows)
        raw = (
            f"TraceId IN ({ids}) AND Timestamp >= {_moment(_from_us(min(row['first_us'] for row in rows)) - _HOUR)} "
            f"AND Timestamp < {_moment(_from_us(max(row['last_us'] for row in rows)) + _HOUR)}"
        )
        tops = self._client.query_rows(
            f"""\
SELECT TraceId AS trace, argMin(SpanId, Timestamp) AS span
FROM otel_traces
WHERE {raw} AND (TraceId, ParentSpanId) NOT IN (SELECT TraceId, SpanId FROM otel_traces WHERE {raw})
    AND SpanKind NOT IN ('Client', 'Producer', 'Consumer') AND SpanAttributes['sightline.stage'] IN ('', 'workflow', 'agent', 'model')
    AND TraceId NOT IN (SELECT TraceId FROM otel_traces WHERE {raw} AND ParentSpanId = '')
GROUP BY TraceId"""
        )
        if not tops:
            return
        pairs = ", ".join(f"({quote_string(str(row['trace']))}, {quote_string(str(row['span']))})" for row in tops)
        source = canonical.canonical_select("otel_traces", f"{raw} AND (TraceId, SpanId) IN ({pairs})")
        columns = ", ".join(_columns("requests"))
        select = requests.select().replace(
            "FROM spans_canonical", f"FROM (SELECT * REPLACE({requests.BELOW_UNKNOWN} AS RequestRank) FROM ({source}))"
        )
        self._client.command(f"INSERT INTO requests ({columns}) SELECT {columns} FROM ({select})")
        self.settled.added += len(tops)

    def spread_identity(self) -> None:
        """Give rows without a tenant, a user or a session what the request of their trace says."""
        if not self._hours:
            return
        within = f"{_within(self._hours)} AND TraceId != ''"
        touched = self._touched_traces(_within(self._hours))
        for table in self._tables:
            columns = _columns(table)
            names = [name for name in _IDENTITY if name in columns]
            if not names or table == "scores":
                continue
            lacking = f"TraceHash IN (SELECT {_hash(table)} FROM {table} WHERE {within} AND ({' OR '.join(f'{name} = {_NOTHING}' for name in names)}))"
            telling = " OR ".join(f"{name} != {_NOTHING}" for name in names)
            firsts = ", ".join(
                f"argMinIf(toString({name}), (ParentSpanId != {_NOTHING}, Timestamp), {name} != {_NOTHING}) AS the_{name}"
                for name in names
            )
            known = (
                f"SELECT TraceId AS trace_id, {firsts} FROM requests "
                f"WHERE {within} AND ({telling}) AND TraceHash IN ({touched}) AND {lacking} GROUP BY TraceId"
            )
            wanting = " OR ".join(f"({name} = {_NOTHING} AND the_{name} != {_NOTHING})" for name in names)
            rows = self._client.query_rows(
                f"SELECT toUnixTimestamp64Nano(Timestamp) AS at_ns, TraceId AS trace, SpanId AS span, "
                f"toUnixTimestamp64Micro(StoredAt) AS stored_us, {', '.join(f'the_{name} AS new_{name}' for name in names)} "
                f"FROM {table} INNER JOIN ({known}) AS k ON k.trace_id = {table}.TraceId "
                f"WHERE {within} AND ({wanting})"
            )
            for part in _parts(rows):
                self._replace(table, columns, names, part)

    def _replace(self, table: str, columns: list[str], names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        # Later than the row that it replaces, so that of the two that one is the copy; not the same for a whole trace.
        values = {"StoredAt": "StoredAt + toIntervalMicrosecond(1)"}
        for name in names:
            pairs = {str(row["trace"]): str(row[f"new_{name}"]) for row in rows}
            keys = ", ".join(map(quote_string, pairs))
            words = ", ".join(map(quote_string, pairs.values()))
            values[name] = f"if({name} != '', toString({name}), transform(TraceId, [{keys}], [{words}], ''))"
        selected = ", ".join(f"{values[name]} AS new_{name}" if name in values else name for name in columns)
        self._client.command(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {selected} FROM {table} WHERE {_named(rows)}"
        )
        self._client.command(f"DELETE FROM {table} WHERE {_named(rows)}")
        self.settled.changed[table] = self.settled.changed.get(table, 0) + len(rows)

    def _remove(self, table: str, select: str) -> None:
        rows = self._client.query_rows(
            "SELECT toUnixTimestamp64Nano(Timestamp) AS at_ns, TraceId AS trace, SpanId AS span, "
            f"toUnixTimestamp64Micro(StoredAt) AS stored_us FROM ({select})"
        )
        for part in _parts(rows):
            self._client.command(f"DELETE FROM {table} WHERE {_named(part)}")
        if rows:
            self.settled.removed[table] = self.settled.removed.get(table, 0) + len(rows)

    def _touched_hours(self, since: datetime) -> list[datetime]:
        """The hours in which rows lie that were stored since a moment."""
        changed = self._client.query_rows(
            "SELECT table AS name, groupUniqArray(partition) AS days FROM system.parts "
            "WHERE database = {database:String} AND active AND modification_time >= {since:DateTime('UTC')} "
            "AND has({tables:Array(String)}, table) GROUP BY table",
            {"database": self._client.settings.database, "since": since, "tables": self._tables},
        )
        if not changed:
            return []
        parts = " UNION ALL ".join(
            f"SELECT DISTINCT toStartOfHour(Timestamp) AS hour FROM {row['name']} "
            f"WHERE toDate(Timestamp) IN ({', '.join(map(quote_string, row['days']))}) AND StoredAt > {_moment(since)}"
            for row in changed
        )
        rows = self._client.query_rows(f"SELECT DISTINCT toUnixTimestamp(hour) AS at FROM ({parts}) ORDER BY at")
        return [datetime.fromtimestamp(row["at"], UTC) for row in rows]

    def _touched_traces(self, within: str) -> str:
        return " UNION ALL ".join(
            f"SELECT TraceHash FROM {table} WHERE {within} AND StoredAt > {_moment(self._since)}"
            for table in ("requests", "llm_calls", "embeddings", "retrievals", "stages")
        )

    def _touched(self, table: str, *, several: bool = False, more: str = "1") -> str:
        """A condition on rows of a table: those of the traces to look at; '' where there are none.

        Args:
            table: its rows.
            several: whether only traces count of which rows of this table came in several INSERTs.
            more: another condition.
        """
        if not self._hours:
            return ""
        within = _within(self._hours)
        hash_ = _hash(table)
        traces = f"SELECT {hash_} FROM {table} WHERE {within} AND TraceId != '' AND StoredAt > {_moment(self._since)}"
        if several:
            traces = (
                f"SELECT {hash_} FROM {table} WHERE {within} AND {hash_} IN ({traces}) "
                f"GROUP BY {hash_} HAVING min(StoredAt) != max(StoredAt)"
            )
        return f"{within} AND {more} AND {hash_} IN ({traces})"


def _hash(table: str) -> str:
    return "TraceHash" if "TraceHash" in declared.tables()[table].stored_columns() else "cityHash64(TraceId)"


def _columns(table: str) -> list[str]:
    """The columns that an INSERT fills."""
    return [column.name for column in declared.tables()[table].columns if not column.default.startswith("MATERIALIZED")]


def _parts(rows: Sequence[dict[str, Any]]) -> Iterable[Sequence[dict[str, Any]]]:
    return (rows[first : first + _NAMED_ROWS] for first in range(0, len(rows), _NAMED_ROWS))


def _named(rows: Sequence[dict[str, Any]]) -> str:
    """A condition that names rows one by one; the range of their time keeps it from reading other parts."""
    first, last = min(row["at_ns"] for row in rows), max(row["at_ns"] for row in rows)
    names = ", ".join(
        f"({quote_string(str(row['trace']))}, {quote_string(str(row['span']))}, {row['stored_us']})" for row in rows
    )
    return (
        f"Timestamp >= fromUnixTimestamp64Nano({first}) AND Timestamp <= fromUnixTimestamp64Nano({last}) "
        f"AND (TraceId, SpanId, toUnixTimestamp64Micro(StoredAt)) IN ({names})"
    )


def _within(hours: Sequence[datetime]) -> str:
    """A condition on Timestamp: the hours, each with the one before and the one after."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        first, last = hour - _HOUR, hour + 2 * _HOUR
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    if len(spans) > _MANY_HOURS:
        spans = [(spans[0][0], spans[-1][1])]
    return "(" + " OR ".join(f"(Timestamp >= {_moment(a)} AND Timestamp < {_moment(b)})" for a, b in spans) + ")"


def _moment(at: datetime) -> str:
    return f"fromUnixTimestamp64Micro({round(at.timestamp() * 1e6)})"


def _from_us(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
