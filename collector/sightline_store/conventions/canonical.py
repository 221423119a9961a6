# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The SQL of the views that fill the typed tables, generated from the alias table (`aliases.py`).

`python -m sightline_store.conventions.canonical` writes files of `sql/views/typed` and `sql/null_tables`; a unit test fails
when one of them is stale. One view turns a span into canonical values once (`spans_canonical`, which stores nothing);
the views of the typed tables hang off that. Spans that are sampled out pass the same way, so nothing can differ between
the two.

How it stays cheap: attribute keys are a dictionary-encoded column, so each key is translated into a number once a block
and not once a span; the rest is looking small numbers up. A statement is analysed once an INSERT, so it is made in
layers: a name stands for its whole expression wherever it is used in the same layer.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sightline_store.conventions import (
    aliases,
    calls,
    contents,
    dialects,
    first_tokens,
    json_members,
    request_ranks,
    typed_tables,
)
from sightline_store.conventions.columns import SPELLINGS_MAX
from sightline_store.conventions.first_tokens import Definition, Unit
from sightline_store.conventions.sql_expressions import STORED_AT, canonical_name, has, value_of
from sightline_store.quoting import quote_string, quote_strings, string_array

FOLDER = Path(__file__).parents[1] / "sql"

_HEADER = (
    "-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.\n"
)

_RAW_SPANS = ("otel_traces", "otel_traces_sampled_out")

_CANONICAL_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    ScopeName LowCardinality(String),
    indexed_attributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    StatusCode LowCardinality(String),
    column_values Map(UInt8, String),
    Convention LowCardinality(String),
    StageAttribute LowCardinality(String),
    Kind LowCardinality(String),
    RequestRank UInt8,
    Tenant String,
    UserId String,
    SessionId String,
    ErrorType String,
    ErrorMessage String,
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StoredAt DateTime64(6)
"""


_TTFT_NUMBERS = sorted(ttft.number for ttft in first_tokens.TTFT.values())


_ANY_TTFT = f"spellings[-1].1 >= {_TTFT_NUMBERS[0] * SPELLINGS_MAX} OR length(all_values) > length(spellings) OR notEmpty(Events.Name)"
"""Whether a span may have one: `spellings` is sorted by id, and the members of JSON objects come on top of it."""

_EVENT_CHUNK, _EVENT_TOKEN = 254, 255  # in place of a column's number: the time came from an event


def _ttft() -> tuple[str, str, str]:
    """A name, milliseconds from the start of the span to its first token, and whose definition that is.

    The first plausible spelling counts, and else an event. Nearly all spans have none: then the arrays are empty and
    nothing is computed for them. The clocks of a span and of a library differ by what a call costs: a millisecond more
    than the span's duration is accepted.
    """
    (moment,) = (ttft.number for ttft in first_tokens.TTFT.values() if ttft.unit is Unit.MOMENT)
    (either,) = (ttft.number for ttft in first_tokens.TTFT.values() if ttft.unit is Unit.S_OR_NS)
    millis = [str(ttft.number) for ttft in first_tokens.TTFT.values() if ttft.unit is Unit.MS]
    codes = [
        str(_EVENT_CHUNK if definition is Definition.FIRST_CHUNK else _EVENT_TOKEN)
        for definition in first_tokens.TTFT_EVENTS.values()
    ]
    definitions = {str(ttft.number): str(ttft.definition) for ttft in first_tokens.TTFT.values()}
    definitions |= {str(_EVENT_CHUNK): "first_chunk", str(_EVENT_TOKEN): "first_token"}
    name = f"""\
            if({_ANY_TTFT}, arrayFirst(pair -> pair.2 > 0 AND pair.2 <= multiIf(pair.1 >= {_EVENT_CHUNK}, {first_tokens.EVENT_TTFT_MAX_S}e3, pair.1 = 0, 0, Duration / 1e6 + (Duration > 0)),
            arrayConcat(
                arrayMap(pair -> (pair.1, if(pair.1 = {moment},
                        dateDiff('nanosecond', Timestamp, parseDateTime64BestEffortOrZero(trim(BOTH '"' FROM pair.2), 9, 'UTC')) / 1e6,
                        toFloat64OrZero(pair.2) * multiIf(pair.1 IN ({", ".join(millis)}), 1, pair.1 = {either} AND toFloat64OrZero(pair.2) * 1e9 > Duration + 1e6, 1e-6, 1e3))),
                    arrayFilter(pair -> pair.1 IN ({", ".join(map(str, _TTFT_NUMBERS))}), all_values)),
                arrayMap((name, moment) -> (transform(name, [{quote_strings(first_tokens.TTFT_EVENTS)}], [{", ".join(codes)}], toUInt8(0)),
                    dateDiff('nanosecond', Timestamp, moment) / 1e6), Events.Name, Events.Timestamp))), (0, 0.)) AS ttft"""
    value = f"nullIf(least(ttft.2, if(ttft.1 >= {_EVENT_CHUNK}, ttft.2, Duration / 1e6)), 0)"
    return name, value, f"transform(ttft.1, [{', '.join(definitions)}], [{quote_strings(definitions.values())}], '')"


_SPELLINGS_COLUMNS = """\
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
    tenant_stamp String,
    has_gen_ai_key Bool,
    indexed_attributes Map(LowCardinality(String), String),
    spellings Array(Tuple(UInt16, String))
"""

_BASE = (
    "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, StatusCode, "
    "StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes"
)
"""The columns of otel_traces that are read."""

_INDEXED = (
    r"^((retrieval\.documents|embedding\.embeddings|evaluations|annotations)\.[0-9]"
    r"|ai\.usage\.(inputTokenDetails\.cacheRead|outputTokenDetails\.reasoning)Tokens$|duration$|logfire\.span_type$)"
)
"""Attributes that are read by their own keys: those with an index in the key, some that say how tokens are counted, and
the duration, in seconds, of what a log of Logfire is about: of a stream that has ended."""


_SEARCH_OUTPUTS = tuple(key for key in aliases.COLUMNS["entity_output"].keys if not key.startswith("traceloop."))
"""Keys of what a span gave back. Any span has one; only that of a retriever is read, also where it is empty."""


def spellings_select(source: str, where: str = "", *, extra_column: str = "") -> str:
    """The statement that selects the known attributes of the spans of `source`, a table with otel_traces' columns.

    Args:
        source: the table.
        where: a condition on its rows.
        extra_column: another column of it to pass on.
    """
    ids = aliases.spelling_ids()
    outputs = ", ".join(str(ids[key]) for key in _SEARCH_OUTPUTS)
    return f"""\
SELECT
    {_BASE},{extra_column and f" {extra_column},"}
    ResourceAttributes['sightline.tenant'] AS tenant_stamp,
    arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)) AS has_gen_ai_key,
    mapFilter((key, value) -> match(key, {quote_string(_INDEXED)}), SpanAttributes) AS indexed_attributes,
    arraySort(pair -> {_preference()}, arrayFilter(pair -> pair.1 > 0 AND (pair.2 != '' OR pair.1 IN ({outputs})), arrayMap(
        (key, value) -> (transform(key, {string_array(ids)}, [{", ".join(map(str, ids.values()))}], toUInt16(0)), value),
        mapKeys(SpanAttributes), mapValues(SpanAttributes)))) AS spellings
FROM {source}{f" WHERE {where}" if where else ""}"""


def _preference() -> str:
    """By what a span's pairs of spelling id and value are sorted: of a column's spellings the preferred one comes first."""
    ranks = {id_: rank for column in aliases.columns().values() for id_, rank in column.ranks().items()}
    if not ranks:
        return "pair.1"
    return f"transform(pair.1, [{', '.join(map(str, ranks))}], [{', '.join(map(str, ranks.values()))}], pair.1)"


def canonical_select(source: str, where: str = "", *, extra_column: str = "") -> str:
    """The statement that turns the spans of `source`, a table with otel_traces' columns, into the rows of spans_canonical.

    Args:
        source: the table.
        where: a condition on its rows.
        extra_column: another column of it to pass on.
    """
    return _canonical(f"({spellings_select(source, where, extra_column=extra_column)})", extra_column)


def _canonical(source: str, extra_column: str = "") -> str:
    """The statement that turns rows of span_spellings into those of spans_canonical."""
    ids = aliases.spelling_ids()
    passed = f"indexed_attributes, {extra_column}" if extra_column else "indexed_attributes"
    names, ttft, definition = _ttft()
    conventions = {ids[key]: name for key, name in dialects.CONVENTIONS.items() if key in ids}
    members = {
        member: aliases.column_number(column)
        for column, column_members in json_members.JSON_MEMBERS.items()
        for member in column_members
    }
    json = ", ".join(str(aliases.column_number(column)) for column in json_members.JSON_COLUMNS)
    totals = ", ".join(str(ids[key]) for key in aliases.TOTAL_MARKERS)
    outputs = ", ".join(str(ids[key]) for key in _SEARCH_OUTPUTS)
    operation_kind, declared_kind = (
        canonical_name(dialects.KINDS, f"lower(trim(BOTH '\"' FROM {value_of(name)}))", "''")
        for name in ("operation", "kind")
    )
    scope = "|".join(re.escape(start) for start in dialects.SCOPES).replace("\\", "\\\\")
    return f"""\
SELECT
    if(streamed_s > 0, Timestamp - toIntervalNanosecond(toInt64(streamed_s * 1e9)), Timestamp) AS Timestamp,
    TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name, ScopeName, {passed},
    Events.Name AS EventNames, Events.Attributes AS EventAttributes, StatusCode, column_values,
    multiIf(
        stage_attribute != '', 'sightline',
        convention != '', convention,
        scope != '', scope,
        has_gen_ai_key, 'otel',
        '') AS Convention,
    stage_attribute AS StageAttribute,
    multiIf(
        -- Logfire sends a span once more when it begins, and a stream by a log when it ends, beside the span of its request.
        logfire_type = 'pending_span', '',
        logfire_type = 'span' AND operation_kind = 'model' AND StatusCode != 'Error' AND NOT {has("input_tokens", "output_tokens", "finish_reason")}, 'workflow',
        operation_kind = 'agent' AND declared_kind = 'workflow', declared_kind,
        operation_kind != '', operation_kind,
        declared_kind != '', declared_kind,
        stage_attribute IN ('search', 'model', 'embed'), stage_attribute,
        {has("entity")}, if(match({value_of("entity")}, 'Retriever(\\\\.task)?$'), 'search', ''),
        {has("vector_search")}, 'search',
        -- A search of Sightline's library without a stage is one step of a retrieval whose span is around it.
        lower({value_of("system")}) IN ({quote_strings(dialects.VECTOR_SYSTEMS)})
            AND lower({value_of("db_operation")}) IN ({quote_strings(dialects.SEARCH_OPERATIONS)}) AND ScopeName != 'sightline', 'search',
        '') AS Kind,
    {request_ranks.request_rank()} AS RequestRank,
    if(tenant_stamp != '', tenant_stamp, {value_of("tenant")}) AS Tenant,
    trim(BOTH '"' FROM {value_of("user")}) AS UserId,
    trim(BOTH '"' FROM {value_of("session")}) AS SessionId,
    multiIf({has("error_type")}, {value_of("error_type")}, exception > 0, Events.Attributes[exception]['exception.type'], finish_error != '', concat('{dialects.FINISH_REASON_ERROR}', finish_error), '') AS ErrorType,
    left(if(StatusMessage != '' OR exception = 0, StatusMessage, Events.Attributes[exception]['exception.message']), 1000) AS ErrorMessage,
    if(streamed_s > 0, streamed_s * 1e3, Duration / 1e6) AS DurationMs,
    {ttft} AS TtftMs,
    {definition} AS TtftDefinition,
    {STORED_AT}
FROM
(
    SELECT
        {_BASE}, column_values, tenant_stamp, has_gen_ai_key, {passed},
        {value_of("stage")} AS stage_attribute,
        {operation_kind} AS operation_kind,
        {declared_kind} AS declared_kind,
        transform(arrayFirst(id -> has([{", ".join(map(str, conventions))}], id), spellings.1), [{", ".join(map(str, conventions))}], {string_array(conventions.values())}, '') AS convention,
        transform(extract(ScopeName, '^({scope})'), [{quote_strings(dialects.SCOPES)}], [{quote_strings(dialects.SCOPES.values())}], '') AS scope,
        if(scope = 'logfire', indexed_attributes['logfire.span_type'], '') AS logfire_type,
        if(logfire_type = 'log', toFloat64OrZero(indexed_attributes['duration']), 0) AS streamed_s,
        indexOf(Events.Name, 'exception') AS exception,
        if({has("finish_reason")}, extract(lower({value_of("finish_reason")}), '(?:^|["[, ])({"|".join(dialects.ERROR_FINISH_REASONS)})(?:$|[]", ])'), '') AS finish_error,
        -- The first plausible time to first token: its column's number (or an event's) and milliseconds.
{names}
    FROM
    (
        -- The members of JSON objects come last: a key's first value counts.
        SELECT
            {_BASE}, tenant_stamp, has_gen_ai_key, {passed}, spellings,
            arrayExists(kind -> intDiv(kind.1, {SPELLINGS_MAX}) IN ({aliases.column_number("operation")}, {aliases.column_number("kind")}) AND positionCaseInsensitive(kind.2, 'retriev') > 0, spellings) AS is_retriever,
            arrayConcat(
                arrayMap(pair -> (toUInt8(if(pair.1 IN ({totals}), {aliases.column_number("total_tokens")}, intDiv(pair.1, {SPELLINGS_MAX}))), pair.2), arrayFilter(
                    -- What a span gave back is a list of passages only where it is a retriever's.
                    pair -> pair.1 NOT IN ({outputs}) OR is_retriever, spellings)),
                -- Few spans have such an object: of the others nothing is computed.
                if(arrayExists(id -> intDiv(id, {SPELLINGS_MAX}) IN ({json}) OR id = {ids[json_members.OUTPUT_KEY]}, spellings.1), arrayFilter(member -> member.1 > 0 AND member.2 NOT IN ('', 'null') AND NOT startsWith(member.2, '{{'), arrayMap(
                    -- Of a list of numbers by modality, as Gemini has them, the number of audio tokens.
                    member -> (transform(member.1, {string_array(members)}, [{", ".join(map(str, members.values()))}], toUInt8(0)),
                        if(startsWith(member.2, '['), extract(member.2, '(?i)"AUDIO"[^}}]*?([0-9]+)'), trim(BOTH '"' FROM member.2))),
                    arrayFlatten(arrayMap(
                        member -> arrayPushFront(arrayMap(inner -> (concat(member.1, '.', inner.1), inner.2), JSONExtractKeysAndValuesRaw(member.2)), member),
                        arrayFlatten(arrayMap(pair -> JSONExtractKeysAndValuesRaw({_json_object("pair")}),
                            arrayFilter(pair -> intDiv(pair.1, {SPELLINGS_MAX}) IN ({json}) OR pair.1 = {ids[json_members.OUTPUT_KEY]}, spellings))))))), [])) AS all_values,
            CAST(all_values, 'Map(UInt8, String)') AS column_values
        FROM {source}
        WHERE ParentSpanId = '' OR SpanKind = 'Server' OR StatusCode = 'Error' OR notEmpty(Events.Name) OR notEmpty(spellings)
        -- A span that came twice in one INSERT counts once.
        LIMIT 1 BY cityHash64(TraceId, SpanId, if(TraceId = '' OR SpanId = '', rowNumberInAllBlocks(), 0))
    )
)"""


def _json_object(pair: str) -> str:
    """The SQL of the JSON object of a pair of spelling id and value.

    Of MLflow's answer it is the usage object, else that of an event: only LangChain's is whole there, other providers
    count as a stream goes on.
    """
    usage = quote_string(json_members.USAGE_IN_OUTPUT)
    return (
        f"multiIf({pair}.1 = {aliases.spelling_ids()[json_members.OUTPUT_KEY]}, "
        f"extract(concat({pair}.2, replaceAll(toString(Events.Attributes), '\"usage\"', '')), {usage}), "
        f"startsWith({pair}.2, '{{\\''), replaceRegexpAll(replaceAll({pair}.2, '\\'', '\"'), 'None|True|False', 'null'), {pair}.2)"
    )


def typed_selects() -> dict[str, str]:
    """Table to the single statement that fills it from spans_canonical, without calls_canonical between."""
    calls_source = f"FROM ({calls.calls_select()})"
    return {
        table: select.replace("FROM calls_canonical", calls_source)
        for table, select in typed_tables.typed_selects().items()
    }


def contents_select(source: str) -> str:
    """What people and models wrote, across conventions, from the raw spans."""
    columns = []
    for name, keys in contents.CONTENT.items():
        tries = ", ".join(
            f"SpanAttributes[{quote_string(key)}] != '', SpanAttributes[{quote_string(key)}]" for key in keys
        )
        columns.append(f"multiIf({tries}, '') AS {name}")
    texts = ",\n    ".join(columns)
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name,
    {texts}
FROM {source}"""


def _content_keys() -> str:
    """A part of the questions about content: which attributes and events hold it, and which say that it was captured."""
    told = {1: contents.ANSWER_KEYS, 2: contents.PASSAGE_KEYS, 3: contents.EITHER_KEYS}
    keys = {key: mark for mark, keys in told.items() for key in keys}
    events = dict.fromkeys(contents.ANSWER_EVENTS, 1) | dict.fromkeys(contents.DOCUMENT_EVENTS, 2)
    # Of embeddings the text is read, not the vector.
    prefixes = "|".join(
        [*map(re.escape, contents.content_prefixes()), r"embedding\.embeddings\.[0-9]+\.embedding\.text$"]
    )
    return f"""\
-- Keys and events that hold content, and those that tell of an answer (1), of passages (2) or of either (3).
[{quote_strings(contents.content_keys())}] AS content_keys,
{quote_string(f"^({prefixes})")} AS content_prefixes,
[{quote_strings(contents.CONTENT_EVENTS)}] AS content_events,
[{quote_strings(keys)}] AS telling_keys,
CAST([{", ".join(map(str, keys.values()))}], 'Array(UInt8)') AS telling_marks,
[{quote_strings(events)}] AS telling_events,
CAST([{", ".join(map(str, events.values()))}], 'Array(UInt8)') AS telling_event_marks,"""


def files() -> dict[str, str]:
    """Path under `sql/` to the text of each generated file, one object a file."""
    tables = {
        "span_spellings": _SPELLINGS_COLUMNS,
        "spans_canonical": _CANONICAL_COLUMNS,
        "calls_canonical": calls.CALLS_COLUMNS,
    }
    made = {
        f"null_tables/{name}.sql": f"CREATE TABLE {name}\n(\n{columns})\nENGINE = Null;"
        for name, columns in tables.items()
    }
    # Three keep the names of their first versions: insert deduplication knows rows by the names of the views on their way.
    views = {f"{source}_to_spans_seen": ("span_spellings", spellings_select(source)) for source in _RAW_SPANS}
    views["spans_seen_to_spans_canonical"] = ("spans_canonical", _canonical("span_spellings"))
    for table, select in {
        "calls_canonical": calls.calls_select(),
        "duplicate_calls": calls.DUPLICATES,
        **typed_tables.typed_selects(),
    }.items():
        source = "calls_canonical" if "FROM calls_canonical" in select else "spans_canonical"
        views[f"{source}_to_{table}"] = (table, select)
    for name, (target, select) in views.items():
        made[f"views/typed/{name}.sql"] = f"CREATE MATERIALIZED VIEW {name} TO {target} AS\n{select};"
    made["views/typed/span_contents.sql"] = (
        "-- What people and models wrote, in every convention: read from the raw spans by each query, stored nowhere else.\n"
        f"CREATE VIEW span_contents AS\n{contents_select('otel_traces')};"
    )
    made["parts/content_keys.sql"] = _content_keys()
    return {path: f"{_HEADER}{text}\n" for path, text in made.items()}


def main() -> None:
    """Write the files, and remove those of this generator that it no longer writes."""
    texts = files()
    for path in FOLDER.glob("**/*.sql"):
        if str(path.relative_to(FOLDER)) not in texts and path.read_text(encoding="utf-8").startswith(_HEADER):
            path.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    values = len(list(aliases.columns()))
    sys.stdout.write(f"{FOLDER}: {len(texts)} files, {len(aliases.spelling_ids())} spellings of {values} values\n")


if __name__ == "__main__":
    main()
