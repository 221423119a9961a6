# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The SQL of the views that fill the typed tables, written out of the alias table (`aliases.py`).

`python -m sightline_store.conventions.canonical` writes `sql/ddl/009_canonical.sql`; a unit test fails when the file is stale. One
view turns a span into canonical values once (`spans_canonical`, which stores nothing); the views of the typed tables
hang off that. Spans that are sampled out pass the same way, so nothing can differ between the two.

How it stays cheap: attribute keys are a dictionary-encoded column, so each key is translated into a number once a block
and not once a span; the rest is looking small numbers up. A statement is analysed once an INSERT, so it is made in
layers: a name stands for its whole expression wherever it is used in the same layer.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sightline_store.conventions import aliases, dialects, first_tokens, typed_tables
from sightline_store.conventions.first_tokens import Definition, Unit
from sightline_store.conventions.sql_expressions import has, listed, named, text, told

FILE = Path(__file__).parents[1] / "sql" / "ddl" / "009_canonical.sql"

_HEADER = """\
-- Written by `python -m sightline_store.conventions.canonical` out of the alias table (aliases.py): change that, not this.
-- A span into canonical values, once; nothing is stored here. The views of the typed tables hang off it.
"""

_CANONICAL_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    ScopeName LowCardinality(String),
    numbered Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    StatusCode LowCardinality(String),
    told Map(UInt8, String),
    Convention LowCardinality(String),
    ToldStage LowCardinality(String),
    Kind LowCardinality(String),
    IsRequest Bool,
    Tenant String,
    UserId String,
    SessionId String,
    ErrorType String,
    ErrorMessage String,
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String)
"""


_TTFT_FIRST = min(aliases.number(column) for column in first_tokens.TTFT)


_ANY_TTFT = (
    f"found[-1].1 >= {_TTFT_FIRST * aliases.SPELLINGS_MAX} OR length(told_all) > length(found) OR notEmpty(Events.Name)"
)
"""Whether a span can tell one: `found` is sorted by number, and what stands in JSON objects comes on top of it."""

_EVENT_CHUNK, _EVENT_TOKEN = 254, 255  # stand for an event where else a column's number stands


def _ttft() -> tuple[str, str, str]:
    """A name, milliseconds from the start of the span to its first token, and whose definition that is.

    The first plausible spelling counts, and else an event. Nearly all spans tell none: then the arrays are empty and
    nothing is computed for them. The clocks of a span and of a library differ by what a call costs: a millisecond more
    than the span is let pass.
    """
    (moment,) = (aliases.number(name) for name, ttft in first_tokens.TTFT.items() if ttft.unit is Unit.MOMENT)
    (either,) = (aliases.number(name) for name, ttft in first_tokens.TTFT.items() if ttft.unit is Unit.S_OR_NS)
    millis = [str(aliases.number(name)) for name, ttft in first_tokens.TTFT.items() if ttft.unit is Unit.MS]
    codes = [
        str(_EVENT_CHUNK if what is Definition.FIRST_CHUNK else _EVENT_TOKEN)
        for what in first_tokens.TTFT_EVENTS.values()
    ]
    definitions = {str(aliases.number(column)): str(ttft.definition) for column, ttft in first_tokens.TTFT.items()}
    definitions |= {str(_EVENT_CHUNK): "first_chunk", str(_EVENT_TOKEN): "first_token"}
    name = f"""\
            if({_ANY_TTFT}, arrayFirst(one -> one.2 > 0 AND one.2 <= multiIf(one.1 >= {_EVENT_CHUNK}, {first_tokens.EVENT_TTFT_MAX_S}e3, one.1 = 0, 0, Duration / 1e6 + (Duration > 0)),
            arrayConcat(
                arrayMap(one -> (one.1, if(one.1 = {moment},
                        dateDiff('nanosecond', Timestamp, parseDateTime64BestEffortOrZero(trim(BOTH '"' FROM one.2), 9, 'UTC')) / 1e6,
                        toFloat64OrZero(one.2) * multiIf(one.1 IN ({", ".join(millis)}), 1, one.1 = {either} AND toFloat64OrZero(one.2) * 1e9 > Duration + 1e6, 1e-6, 1e3))),
                    arrayFilter(one -> one.1 >= {_TTFT_FIRST}, told_all)),
                arrayMap((name, moment) -> (transform(name, [{listed(first_tokens.TTFT_EVENTS)}], [{", ".join(codes)}], toUInt8(0)),
                    dateDiff('nanosecond', Timestamp, moment) / 1e6), Events.Name, Events.Timestamp))), (0, 0.)) AS ttft"""
    value = f"nullIf(least(ttft.2, if(ttft.1 >= {_EVENT_CHUNK}, ttft.2, Duration / 1e6)), 0)"
    return name, value, f"transform(ttft.1, [{', '.join(definitions)}], [{listed(definitions.values())}], '')"


_SEEN_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ScopeName LowCardinality(String),
    StatusCode LowCardinality(String),
    StatusMessage String,
    Duration UInt64,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)),
    stamped String,
    speaks_otel Bool,
    numbered Map(LowCardinality(String), String),
    found Array(Tuple(UInt16, String))
"""

_BASE = (
    "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, "
    "StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes"
)
"""The columns of otel_traces that are read."""

_NUMBERED = (
    r"^((retrieval\.documents|embedding\.embeddings|evaluations|annotations)\.[0-9]"
    r"|ai\.usage\.inputTokenDetails\.cacheReadTokens$)"
)
"""Attributes that are looked at by their own keys, not by a column's number: those that come numbered, and one."""


def seen_select(source: str, where: str = "", *, further: str = "") -> str:
    """The statement that finds the known keys of the spans of `source`, a table shaped as otel_traces.

    Args:
        source: the table.
        where: a condition on its rows.
        further: a column of it that is passed on.
    """
    keys = aliases.ids()
    return f"""\
SELECT
    {_BASE},{further and f" {further},"}
    ResourceAttributes['sightline.tenant'] AS stamped,
    arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)) AS speaks_otel,
    mapFilter((key, value) -> match(key, {text(_NUMBERED)}), SpanAttributes) AS numbered,
    arraySort(one -> one.1, arrayFilter(one -> one.1 > 0, arrayMap(
        (key, value) -> (if(value = '', 0, transform(key, [{listed(keys)}], [{", ".join(map(str, keys.values()))}], toUInt16(0))), value),
        mapKeys(SpanAttributes), mapValues(SpanAttributes)))) AS found
FROM {source}{f" WHERE {where}" if where else ""}"""


def canonical_select(source: str, where: str = "", *, further: str = "") -> str:
    """The statement that turns the spans of `source`, a table shaped as otel_traces, into the rows of spans_canonical.

    Args:
        source: the table.
        where: a condition on its rows.
        further: a column of it that is passed on.
    """
    return _canonical(f"({seen_select(source, where, further=further)})", further)


def _canonical(source: str, further: str = "") -> str:
    """The statement that turns rows of spans_seen into those of spans_canonical."""
    keys = aliases.ids()
    passed = f"numbered, {further}" if further else "numbered"
    names, ttft, definition = _ttft()
    conventions = {keys[key]: name for key, name in dialects.CONVENTIONS.items() if key in keys}
    members = {member: aliases.number(column) for column, found in aliases.JSON_MEMBERS.items() for member in found}
    json = ", ".join(str(aliases.number(column)) for column in aliases.JSON_COLUMNS)
    operation_kind, named_kind = (
        named(dialects.KINDS, f"lower(trim(BOTH '\"' FROM {told(name)}))", "''") for name in ("operation", "kind")
    )
    scope = "|".join(re.escape(start) for start in dialects.SCOPES).replace("\\", "\\\\")
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name, ScopeName, {passed},
    Events.Name AS EventNames, Events.Attributes AS EventAttributes, StatusCode, told,
    multiIf(
        told_stage != '', 'sightline',
        convention != '', convention,
        scope != '', scope,
        speaks_otel, 'otel',
        '') AS Convention,
    told_stage AS ToldStage,
    multiIf(
        operation_kind = 'agent' AND named_kind = 'workflow', named_kind,
        operation_kind != '', operation_kind,
        named_kind != '', named_kind,
        told_stage IN ('search', 'model', 'embed'), told_stage,
        {has("entity")}, if(match({told("entity")}, 'Retriever(\\\\.task)?$'), 'search', ''),
        {has("vector_search")}, 'search',
        -- A search told by our own library without a stage is one step of a retrieval that is told around it.
        lower({told("system")}) IN ({listed(dialects.VECTOR_SYSTEMS)})
            AND lower({told("db_operation")}) IN ({listed(dialects.SEARCH_OPERATIONS)}) AND ScopeName != 'sightline', 'search',
        '') AS Kind,
    told_stage = 'request' OR (ParentSpanId = '' AND told_stage IN ('', 'workflow', 'agent', 'model')
        AND (SpanKind NOT IN ('Client', 'Producer') OR {told("operation")} != '' OR named_kind != '')) AS IsRequest,
    if(stamped != '', stamped, {told("tenant")}) AS Tenant,
    trim(BOTH '"' FROM {told("user")}) AS UserId,
    trim(BOTH '"' FROM {told("session")}) AS SessionId,
    multiIf({has("error_type")}, {told("error_type")}, exception > 0, Events.Attributes[exception]['exception.type'], '') AS ErrorType,
    left(if(StatusMessage != '' OR exception = 0, StatusMessage, Events.Attributes[exception]['exception.message']), 1000) AS ErrorMessage,
    Duration / 1e6 AS DurationMs,
    {ttft} AS TtftMs,
    {definition} AS TtftDefinition
FROM
(
    SELECT
        {_BASE}, told, stamped, speaks_otel, {passed},
        {told("stage")} AS told_stage,
        {operation_kind} AS operation_kind,
        {named_kind} AS named_kind,
        transform(arrayFirst(id -> has([{", ".join(map(str, conventions))}], id), found.1), [{", ".join(map(str, conventions))}], [{listed(conventions.values())}], '') AS convention,
        transform(extract(ScopeName, '^({scope})'), [{listed(dialects.SCOPES)}], [{listed(dialects.SCOPES.values())}], '') AS scope,
        indexOf(Events.Name, 'exception') AS exception,
        -- Of the times to first token that are told, the first plausible one: its column's number or an event's, ms.
{names}
    FROM
    (
        -- What stands in JSON objects comes last: a key's first value counts.
        SELECT
            {_BASE}, stamped, speaks_otel, {passed}, found,
            arrayConcat(
                arrayMap(one -> (toUInt8(intDiv(one.1, {aliases.SPELLINGS_MAX})), one.2), found),
                arrayFilter(member -> member.1 > 0, arrayMap(
                    member -> (transform(member.1, [{listed(members)}], [{", ".join(map(str, members.values()))}], toUInt8(0)), trim(BOTH '"' FROM member.2)),
                    arrayFlatten(arrayMap(one -> JSONExtractKeysAndValuesRaw(one.2),
                        arrayFilter(one -> intDiv(one.1, {aliases.SPELLINGS_MAX}) IN ({json}), found)))))) AS told_all,
            CAST(told_all, 'Map(UInt8, String)') AS told
        FROM {source}
        WHERE ParentSpanId = '' OR StatusCode = 'Error' OR notEmpty(Events.Name) OR notEmpty(found)
    )
)"""


def typed_selects() -> dict[str, str]:
    """Table to the one statement that fills it from spans_canonical, without a step between."""
    calls = f"FROM ({typed_tables.calls_select()})"
    return {
        table: select.replace("FROM calls_canonical", calls) for table, select in typed_tables.typed_selects().items()
    }


def contents_select(source: str) -> str:
    """What people and models wrote, across conventions, from the raw spans."""
    columns = []
    for name, keys in aliases.CONTENT.items():
        tries = ", ".join(f"SpanAttributes[{text(key)}] != '', SpanAttributes[{text(key)}]" for key in keys)
        columns.append(f"multiIf({tries}, '') AS {name}")
    listed = ",\n    ".join(columns)
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name,
    {listed},
    SpanAttributes['gen_ai.retrieval.documents'] AS Documents
FROM {source}"""


def ddl() -> str:
    """The whole file."""
    parts = [f"{_HEADER}CREATE TABLE IF NOT EXISTS spans_seen\n(\n{_SEEN_COLUMNS})\nENGINE = Null;"]
    for source in ("otel_traces", "otel_traces_sampled_out"):
        parts.append(
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source}_to_spans_seen TO spans_seen AS\n{seen_select(source)};"
        )
    parts.append(f"CREATE TABLE IF NOT EXISTS spans_canonical\n(\n{_CANONICAL_COLUMNS})\nENGINE = Null;")
    parts.append(
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS spans_seen_to_spans_canonical TO spans_canonical AS\n{_canonical('spans_seen')};"
    )
    parts.append(f"CREATE TABLE IF NOT EXISTS calls_canonical\n(\n{typed_tables.CALLS_COLUMNS})\nENGINE = Null;")
    for table, select in {"calls_canonical": typed_tables.calls_select(), **typed_tables.typed_selects()}.items():
        source = "calls_canonical" if "FROM calls_canonical" in select else "spans_canonical"
        parts.append(f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source}_to_{table} TO {table} AS\n{select};")
    parts.append(
        "-- What people and models wrote, in whichever convention: read from the raw spans when asked, stored nowhere else.\n"
        f"CREATE VIEW IF NOT EXISTS span_contents AS\n{contents_select('otel_traces')};"
    )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the file."""
    FILE.write_text(ddl(), encoding="utf-8")
    sys.stdout.write(f"{FILE}: {len(aliases.ids())} spellings of {len(list(aliases.columns()))} values\n")


if __name__ == "__main__":
    main()
