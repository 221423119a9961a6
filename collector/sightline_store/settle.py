# ruff: noqa: E501, S608 - names of tables and columns are this package's and the schema's own; values are numbers and quoted.
"""Brings together the spans of a trace that came in several INSERTs: the typed tables are right after it.

The views that fill the typed tables see one INSERT. What they cannot know is put right here, from the typed rows
themselves, since spans that were sampled out are nowhere else:

- a span that came twice (two exporters to one collector, a batch that was sent again) keeps its last rows;
- what one span of a trace knows of tenant, user and session holds for its other rows;
- a model call, an embedding or a search that several spans record keeps the best of them (`conventions.calls`);
- a trace keeps the spans that are its requests (`conventions.requests`), and gets one where a generative trace has none:
  the topmost span below a parent that was never exported.

A trace is looked at when rows of it are stored, whole, within an hour of time before and after them. `slices` works in
slices of the time of storing, and each is complete before the next one begins.

Where a row changes, the new one is stored later than the old one and is inserted before the old one is deleted. Killed
between, the next run finds two rows of one span and deletes the earlier one. A row is deleted only because of a later
one or a better one, so two processes that do this at one moment lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_store.client import Client
from sightline_store.conventions import calls, request_ranks, requests
from sightline_store.quoting import quote_string
from sightline_store.schema import declared, definitions, inserts
from sightline_store.schema.state import require_one_server
from sightline_store.settle_rows import Rows, Traces, moment
from sightline_store.settle_topmost import add_missing_requests, oldest

_QUIET = timedelta(minutes=1)
"""A trace without a request is looked at when no row of it has come for so long."""

_OVERLAP = timedelta(seconds=10)
"""A run looks again at the rows of the last seconds before its beginning: of INSERTs that no list of queries names."""

_SLICE_ROWS = 100_000
"""A slice ends with the second in which it has so many rows."""

_CHUNK_TRACES = 2_000
"""Traces that one statement names, up to five times: each is about 42 of the 256 kB that it may have."""

_IDENTITY = ("Tenant", "UserId", "SessionId")

_ON_A_CLUSTER = (
    "bringing traces together works on one server only. Set SIGHTLINE_JANITOR_SETTLE_INTERVAL_S=0 for the janitors"
)


@dataclass
class Settled:
    """What a slice, or a run, did.

    Attributes:
        until: the moment up to which stored rows were looked at; the next run begins there.
        removed: rows that were removed, by table: copies of spans, duplicates of calls, spans that are no request.
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


def mark(client: Client) -> datetime | None:
    """The moment up to which any process has looked at stored rows; None before the first run."""
    (row,) = client.query_rows(
        "SELECT count() AS n, toUnixTimestamp64Micro(argMax(Until, WrittenAt)) AS until FROM settle_marks"
    )
    return _from_us(row["until"]) if row["n"] else None


def settle(client: Client, since: datetime, *, quiet: timedelta = _QUIET) -> Settled:
    """Do all of `slices`; what they did together."""
    whole = Settled(since)
    for done in slices(client, since, quiet=quiet):
        whole.until = done.until
        whole.added += done.added
        for sums, parts in ((whole.removed, done.removed), (whole.changed, done.changed)):
            for table, rows in parts.items():
                sums[table] = sums.get(table, 0) + rows
    return whole


def slices(client: Client, since: datetime, *, quiet: timedelta = _QUIET) -> Iterator[Settled]:
    """Bring together the traces of which rows were stored since a moment; yields after each slice, which `mark` then has.

    Args:
        client: the store, with the right to change tables.
        since: by the store's clock; `until` of the slice before.
        quiet: a trace without a request is looked at when no row of it has come for so long.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again, from the last slice that was yielded.
    """
    require_one_server(client, _ON_A_CLUSTER)
    # An INSERT takes its StoredAt when it begins, and its rows are seen when it has ended.
    (row,) = client.query_rows(
        "SELECT toUnixTimestamp64Micro(now64(6)) - toInt64(1e6 * max(elapsed)) AS until FROM system.processes "
        f"WHERE {inserts.IS_INSERT} OR query_id = queryID()"
    )
    until = _from_us(row["until"])
    rebuilt = {
        str(item["name"])
        for item in client.query_rows(
            "SELECT name FROM system.tables WHERE database = {database:String}", {"database": client.settings.database}
        )
    }
    # A table that is being made anew gets its rows from whole days.
    tables = [table for table in definitions.TABLES if definitions.steps_table(table) not in rebuilt]
    first = since - _OVERLAP
    days = _changed_days(client, tables, first)
    quiet_days = _changed_days(client, tables, oldest(first - quiet))
    for last in _ends(client, days, first, until):
        done = Settled(last)
        rows = Rows(client, done.removed, done.changed)
        for traces in _unfinished(client, tables, days, first, last):
            _settle_traces(rows, tables, traces)
        if "requests" in tables:
            done.added, with_new = add_missing_requests(client, quiet_days, first - quiet, last - quiet)
            for traces in with_new:
                _spread_identity(rows, tables, traces)
                _remove_false_requests(rows, traces)
        client.insert_rows("settle_marks", ["Until"], [[last]])
        yield done
        first = last


def _changed_days(client: Client, tables: Sequence[str], since: datetime) -> dict[str, str]:
    """Table to a condition on its rows: the days that have rows that were stored since a moment."""
    rows = client.query_rows(
        "SELECT table AS name, groupUniqArray(partition) AS days FROM system.parts "
        "WHERE database = {database:String} AND active AND modification_time >= {since:DateTime('UTC')} "
        "AND has({tables:Array(String)}, table) GROUP BY table",
        {"database": client.settings.database, "since": since, "tables": [*tables, "duplicate_calls"]},
    )
    return {str(row["name"]): f"toDate(Timestamp) IN ({', '.join(map(quote_string, row['days']))})" for row in rows}


def _ends(client: Client, days: dict[str, str], since: datetime, until: datetime) -> Iterator[datetime]:
    """The moments at which slices end; the last one is `until`."""
    if days:
        stored = " UNION ALL ".join(
            f"SELECT StoredAt FROM {table} WHERE {on} AND {_stored(since, until)}" for table, on in days.items()
        )
        rows = 0
        for row in client.query_rows(
            f"SELECT toUnixTimestamp(StoredAt) AS second, count() AS n FROM ({stored}) GROUP BY second ORDER BY second"
        ):
            rows += int(row["n"])
            end = datetime.fromtimestamp(row["second"] + 1, UTC)
            if rows >= _SLICE_ROWS and end < until:
                yield end
                rows = 0
    yield until


def _settle_traces(rows: Rows, tables: Sequence[str], traces: Traces) -> None:
    # Before a copy or a root goes that alone knows it.
    _spread_identity(rows, tables, traces)
    for table in tables:
        _remove_copies(rows, table, traces)
    for table in _KINDS:
        if table in tables:
            _remove_duplicates(rows, table, traces)
    if "requests" in tables:
        _remove_false_requests(rows, traces)


def _unfinished(
    client: Client, tables: Sequence[str], days: dict[str, str], first: datetime, last: datetime
) -> Iterator[Traces]:
    """The traces of which rows were stored in a slice, and of which there is more to do than the views did.

    Those are traces of which rows came in several INSERTs, or lack what another row of the trace knows of its identity.
    """
    stored = " UNION ALL ".join(
        f"SELECT {Traces.hash_of(table)} AS hash, Timestamp AS at FROM {table} WHERE {on} AND {_stored(first, last)}"
        for table, on in days.items()
    )
    if not stored:
        return
    (row,) = client.query_rows(
        "SELECT count() AS n, 0 AS hash, toUnixTimestamp64Micro(min(at)) AS first_us, "
        f"toUnixTimestamp64Micro(max(at)) AS last_us FROM ({stored})"
    )
    if not row["n"]:
        return
    within = Traces.of([row]).within
    parts = []
    for table in (*tables, "duplicate_calls"):
        columns = declared.tables()[table].stored_columns()
        bits = [
            f"if({name} = '', {1 << 2 * place}, {2 << 2 * place if name == 'Tenant' or table == 'requests' else 0})"
            for place, name in enumerate(_IDENTITY)
            if name in columns and table != "scores"
        ]
        parts.append(
            f"SELECT {Traces.hash_of(table)} AS hash, Timestamp AS at, StoredAt AS stored, "
            f"toUInt8({' + '.join(bits) or '0'}) AS known FROM {table} WHERE {within}"
        )
    lacking = " OR ".join(f"bitAnd(bits, {3 << 2 * place}) = {3 << 2 * place}" for place in range(len(_IDENTITY)))
    found = client.query_rows(
        "SELECT hash, groupBitOr(known) AS bits, toUnixTimestamp64Micro(min(at)) AS first_us, "
        f"toUnixTimestamp64Micro(max(at)) AS last_us FROM ({' UNION ALL '.join(parts)}) "
        f"WHERE hash != cityHash64('') AND hash IN (SELECT hash FROM ({stored})) "
        f"GROUP BY hash HAVING min(stored) != max(stored) OR {lacking} ORDER BY first_us"
    )
    for place in range(0, len(found), _CHUNK_TRACES):
        yield Traces.of(found[place : place + _CHUNK_TRACES])


def _remove_copies(rows: Rows, table: str, traces: Traces) -> None:
    """Of a span that came in several INSERTs, keep the last rows; of rows that nothing tells apart, one."""
    # A score from a log record is one of its own, and has no StoredAt; a span may have several scores.
    is_score = table == "scores"
    found = rows.find(
        table,
        "SELECT Timestamp, TraceId, SpanId, StoredAt, StoredAt = last AS is_tied FROM (SELECT Timestamp, TraceId, SpanId, StoredAt, "
        "max(StoredAt) OVER (PARTITION BY TraceId, SpanId) AS last, count() OVER (PARTITION BY TraceId, SpanId, StoredAt) AS n "
        f"FROM {table} WHERE {traces.condition(table)} AND SpanId != ''{' AND StoredAt > toDateTime64(0, 6)' if is_score else ''}) "
        f"WHERE StoredAt < last{'' if is_score else ' OR n > 1'}",
        "is_tied",
    )
    tied = [row for row in found if row["is_tied"]]
    if tied:
        rows.insert_again(table, {}, tied)
    rows.remove(table, found)


def _spread_identity(rows: Rows, tables: Sequence[str], traces: Traces) -> None:
    """Give rows without a tenant, a user or a session what the spans of their trace that may be its request say.

    Of copies of a span only the last row gets it: the others are to go.
    """
    for table in tables:
        names = [name for name in _IDENTITY if name in declared.tables()[table].stored_columns()]
        if not names or table == "scores":
            continue
        known = (
            f"SELECT TraceId AS trace_id, {', '.join(f'max(toString({name})) AS the_{name}' for name in names)} FROM requests "
            f"WHERE {traces.condition('requests')} GROUP BY TraceId"
        )
        lacking = " OR ".join(f"({name} = '' AND the_{name} != '')" for name in names)
        found = rows.find(
            table,
            f"SELECT Timestamp, TraceId, SpanId, StoredAt, {', '.join(f'the_{name}' for name in names)} "
            f"FROM {table} INNER JOIN ({known}) AS k ON k.trace_id = {table}.TraceId WHERE {traces.condition(table)} "
            f"QUALIFY StoredAt = max(StoredAt) OVER (PARTITION BY {table}.TraceId, SpanId) AND ({lacking})",
            *(f"the_{name}" for name in names),
        )
        rows.insert_again(table, {name: f"the_{name}" for name in names}, found)
        rows.remove(table, found, as_changed=True)


_KINDS = {"llm_calls": "model", "embeddings": "embed", "retrievals": "search"}

_FACTS = {
    "llm_calls": {
        "tokens": "ifNull(toInt64(InputTokens), -1), ifNull(toInt64(OutputTokens), -1), "
        "ifNull(CacheReadTokens, 0) + ifNull(CacheWriteTokens, 0), ifNull(ReasoningTokens, 0)",
        "rank": "4 * (InputTokens IS NOT NULL OR OutputTokens IS NOT NULL) + 2 * isNotNull(TtftMs)",
        "ms": calls.MS_OF_STREAM,
    },
    "embeddings": {
        "tokens": "ifNull(toInt64(InputTokens), -1), -1, 0, 0",
        "rank": "4 * (InputTokens IS NOT NULL) + 2 * (Provider != '')",
    },
    "retrievals": {"tokens": "-1, -1, 0, 0", "rank": "CallRank - (Convention = 'sightline')"},
}
"""What `calls.facts` needs of a row that is not computed as in the view."""


def _facts(table: str) -> str:
    model = "toLowCardinality('')" if table == "retrievals" else "RequestModel"
    answered = model if table == "retrievals" else "if(ResponseModel != '', ResponseModel, RequestModel)"
    return calls.facts(asked=calls.name_of_model(model), answered=calls.name_of_model(answered), **_FACTS[table])


def _remove_duplicates(rows: Rows, table: str, traces: Traces) -> None:
    """Of a call that spans of several INSERTs record, keep the best; `duplicate_calls` keeps what is known of the others."""
    kind = _KINDS[table]
    columns = "Timestamp, TraceId, SpanId, StoredAt, Kind, facts"
    found = rows.find(
        table,
        f"""\
WITH {calls.RIVALS}
SELECT Timestamp, TraceId, SpanId, StoredAt FROM
(
    SELECT *, {calls.RELATIVES}
    FROM
    (
        SELECT {columns}, is_row, {calls.NEIGHBOURS}
        FROM
        (
            SELECT {columns}, is_row, {calls.COUNT}
            FROM
            (
                SELECT Timestamp, TraceId, SpanId, StoredAt, '{kind}' AS Kind, {_facts(table)} AS facts, true AS is_row
                FROM {table} WHERE {traces.condition(table)}
                UNION ALL
                SELECT Timestamp, TraceId, '', StoredAt, '{kind}', Facts, false
                FROM duplicate_calls WHERE {traces.condition("duplicate_calls")} AND Kind = '{kind}'
            )
            ORDER BY NOT is_row LIMIT 1 BY TraceId, facts.id
        )
    )
)
WHERE is_row AND {calls.has_better(f"'{kind}'")}""",
    )
    rows.copy(
        table, f"Timestamp, TraceId, '{kind}' AS Kind, {_facts(table)} AS Facts, StoredAt", "duplicate_calls", found
    )
    rows.remove(table, found)


def _remove_false_requests(rows: Rows, traces: Traces) -> None:
    """Of the spans of a trace that may be its request, keep those that are."""
    columns = "Timestamp, TraceId, SpanId, StoredAt, ServiceName, DurationMs"
    found = rows.find(
        "requests",
        f"""\
SELECT Timestamp, TraceId, SpanId, StoredAt FROM
(
    SELECT Timestamp, TraceId, SpanId, StoredAt, ServiceName, RequestRank, is_row, {requests.ENDED} AS ended, {requests.OF_THE_TRACE}
    FROM
    (
        SELECT {columns}, if(RequestRank = 0, {request_ranks.ROOT}, RequestRank) AS RequestRank, true AS is_row
        FROM requests WHERE {traces.condition("requests")}
        UNION ALL
        SELECT {columns}, {request_ranks.BACKGROUND}, false
        FROM stages WHERE {traces.condition("stages")} AND {requests.BACKGROUND_STAGES}
    )
)
WHERE is_row AND NOT ({requests.IS_TOP})""",
    )
    rows.remove("requests", found)


def _stored(first: datetime, last: datetime) -> str:
    return f"StoredAt > {moment(first)} AND StoredAt <= {moment(last)}"


def _from_us(micros: Any) -> datetime:
    return datetime.fromtimestamp(int(micros) / 1e6, UTC)
