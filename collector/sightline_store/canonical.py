# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The SQL of the views that fill the typed tables, written out of the alias table (`aliases.py`).

`python -m sightline_store.canonical` writes `sql/ddl/009_canonical.sql`; a unit test fails when the file is stale. One
view turns a span into canonical values once (`spans_canonical`, which stores nothing); the views of the typed tables
hang off that. Spans that are sampled out pass the same way, so nothing can differ between the two.

How it stays cheap: attribute keys are a dictionary-encoded column, so each key is translated into a number once a block
and not once a span; the rest is looking small numbers up. A statement is analysed once an INSERT, so it is made in
layers: a name stands for its whole expression wherever it is used in the same layer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from sightline_store import aliases
from sightline_store.aliases import Unit

FILE = Path(__file__).parent / "sql" / "ddl" / "009_canonical.sql"

_MAX_TOKENS = 100_000_000
_FAR = 16  # spans of one trace that are looked at, before and after one, for the same call told twice

_HEADER = """\
-- Written by `python -m sightline_store.canonical` out of the alias table (aliases.py): change that, not this.
-- A span into canonical values, once; nothing is stored here. The views of the typed tables hang off it.
"""

_CANONICAL_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Name LowCardinality(String),
    ScopeName String,
    SpanAttributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    StatusCode LowCardinality(String),
    told Map(UInt8, String),
    Convention LowCardinality(String),
    Kind LowCardinality(String),
    Stage LowCardinality(String),
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


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _list(values: Iterable[str]) -> str:
    return ", ".join(_text(value) for value in values)


def _told(column: str) -> str:
    """The value that a span tells for a column, '' where it tells none."""
    return f"told[{aliases.number(column)}]"


def _has(column: str) -> str:
    return f"mapContains(told, {aliases.number(column)})"


def _named(table: dict[str, tuple[str, ...]], value: str, default: str) -> str:
    """`value` by a table of names to other names of them."""
    pairs = [(other, name) for name, others in table.items() for other in others]
    return (
        f"transform({value}, [{_list(other for other, _ in pairs)}], [{_list(name for _, name in pairs)}], {default})"
    )


_TTFT_FIRST = min(aliases.number(column) for column in aliases.TTFT)


_EVENT_CHUNK, _EVENT_TOKEN = 254, 255  # stand for an event where else a column's number stands


def _ttft_told() -> str:
    """Each time to first token that is told: who tells it, and what it says in ms; those of events last.

    Nearly all spans tell none: then the arrays are empty and nothing is computed for them.
    """
    (moment,) = (aliases.number(name) for name, ttft in aliases.TTFT.items() if ttft.unit is Unit.MOMENT)
    (either,) = (aliases.number(name) for name, ttft in aliases.TTFT.items() if ttft.unit is Unit.S_OR_NS)
    millis = [str(aliases.number(name)) for name, ttft in aliases.TTFT.items() if ttft.unit is Unit.MS]
    events = _list(aliases.TTFT_EVENTS)
    chunks = _list(name for name, what in aliases.TTFT_EVENTS.items() if what is aliases.Definition.FIRST_CHUNK)
    return f"""\
            arrayConcat(
                arrayMap((number, text) -> (number, multiIf(
                        number = {moment}, ifNull(toUnixTimestamp64Nano(parseDateTime64BestEffortOrNull(trim(BOTH '"' FROM text), 9, 'UTC'))
                            - toUnixTimestamp64Nano(Timestamp), 0) / 1e6,
                        has([{", ".join(millis)}], number), toFloat64OrZero(text),
                        number = {either} AND toFloat64OrZero(text) * 1e9 > Duration + 1e6, toFloat64OrZero(text) / 1e6,
                        toFloat64OrZero(text) * 1e3)),
                    arrayFilter(number -> number >= {_TTFT_FIRST}, mapKeys(told)),
                    arrayFilter((text, number) -> number >= {_TTFT_FIRST}, mapValues(told), mapKeys(told))),
                arrayMap((name, moment) -> (if(has([{chunks}], name), {_EVENT_CHUNK}, {_EVENT_TOKEN}),
                        (toUnixTimestamp64Nano(moment) - toUnixTimestamp64Nano(Timestamp)) / 1e6),
                    arrayFilter(name -> has([{events}], name), Events.Name),
                    arrayFilter((moment, name) -> has([{events}], name), Events.Timestamp, Events.Name))) AS ttft_told"""


def _ttft() -> tuple[str, str, str]:
    """A name, milliseconds from the start of the span to its first token, and whose definition that is.

    The first plausible spelling counts, and else an event. The clocks of a span and of a library differ by what a call
    costs: a millisecond more than the span is let pass.
    """
    definitions = {str(aliases.number(column)): str(ttft.definition) for column, ttft in aliases.TTFT.items()}
    definitions |= {str(_EVENT_CHUNK): "first_chunk", str(_EVENT_TOKEN): "first_token"}
    name = f"""\
        arrayFirst(one -> one.2 > 0 AND one.2 <= multiIf(one.1 >= {_EVENT_CHUNK}, {aliases.EVENT_TTFT_MAX_S}e3, Duration = 0, 0, Duration / 1e6 + 1),
            ttft_told) AS ttft"""
    value = f"multiIf(ttft.1 = 0, NULL, ttft.1 >= {_EVENT_CHUNK}, ttft.2, least(ttft.2, Duration / 1e6))"
    return name, value, f"transform(ttft.1, [{', '.join(definitions)}], [{_list(definitions.values())}], '')"


def _tokens(column: str) -> str:
    """A number of tokens, NULL where none is told or what is told cannot be one."""
    return f"counts[{aliases.number(column)}]"


_BASE = (
    "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName, SpanKind, ScopeName, ResourceAttributes, SpanAttributes, "
    "StatusCode, StatusMessage, Duration, Events.Name, Events.Timestamp, Events.Attributes"
)
"""The columns of otel_traces that are read."""


def canonical_select(source: str, where: str = "") -> str:
    """The statement that turns the spans of `source`, a table shaped as otel_traces, into the rows of spans_canonical.

    Args:
        source: the table, or a subquery in brackets.
        where: a condition on its rows.
    """
    keys = aliases.ids()
    names, ttft, definition = _ttft()
    conventions = {keys[key]: name for key, name in aliases.CONVENTIONS.items() if key in keys}
    scopes = ",\n        ".join(
        f"startsWith(ScopeName, {_text(start)}), {_text(name)}" for start, name in aliases.SCOPES.items()
    )
    members = {member: aliases.number(column) for column, found in aliases.JSON_MEMBERS.items() for member in found}
    json = ", ".join(str(aliases.number(column)) for column in aliases.JSON_COLUMNS)
    kinds = [(other, name) for name, others in aliases.KINDS.items() for other in others]
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, SpanName AS Name, ScopeName, SpanAttributes,
    Events.Name AS EventNames, Events.Attributes AS EventAttributes, StatusCode, told,
    multiIf(
        told_stage != '', 'sightline',
        convention_key > 0, transform(convention_key, [{", ".join(map(str, conventions))}], [{_list(conventions.values())}], ''),
        {scopes},
        arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)), 'otel',
        '') AS Convention,
    kind AS Kind,
    if(told_stage != '', told_stage, kind) AS Stage,
    told_stage = 'request' OR (ParentSpanId = '' AND told_stage IN ('', 'workflow', 'agent', 'model')
        AND (SpanKind NOT IN ('Client', 'Producer') OR operation != '' OR named_kind != '')) AS IsRequest,
    if(ResourceAttributes['sightline.tenant'] != '', ResourceAttributes['sightline.tenant'], {_told("tenant")}) AS Tenant,
    trim(BOTH '"' FROM {_told("user")}) AS UserId,
    trim(BOTH '"' FROM {_told("session")}) AS SessionId,
    multiIf({_has("error_type")}, {_told("error_type")}, exception > 0, Events.Attributes[exception]['exception.type'], '') AS ErrorType,
    left(if(StatusMessage != '' OR exception = 0, StatusMessage, Events.Attributes[exception]['exception.message']), 1000) AS ErrorMessage,
    Duration / 1e6 AS DurationMs,
    {ttft} AS TtftMs,
    {definition} AS TtftDefinition
FROM
(
    SELECT
        {_BASE}, told, operation, told_stage, named_kind, convention_key, exception,
        multiIf(
            operation_kind != '' AND NOT (operation_kind = 'agent' AND named_kind = 'workflow'), operation_kind,
            named_kind != '', named_kind,
            told_stage IN ('search', 'model', 'embed'), told_stage,
            entity != '', if(endsWith(entity, 'Retriever.task') OR endsWith(entity, 'Retriever'), 'search', ''),
            {_has("vector_search")}, 'search',
            {_has("system")}, if(lower({_told("system")}) IN ({_list(aliases.VECTOR_SYSTEMS)})
                AND lower({_told("db_operation")}) IN ({_list(aliases.SEARCH_OPERATIONS)}), 'search', ''),
            '') AS kind,
        -- Of the times to first token that are told, the plausible ones: ms, definition.
{names}
    FROM
    (
        SELECT
            {_BASE}, told,
            {_told("operation")} AS operation,
            {_told("stage")} AS told_stage,
            {_told("entity")} AS entity,
            arrayMap(name -> transform(lower(trim(BOTH '"' FROM name)), [{_list(other for other, _ in kinds)}], [{_list(name for _, name in kinds)}], ''),
                [operation, {_told("kind")}]) AS both_kinds,
            both_kinds[1] AS operation_kind,
            both_kinds[2] AS named_kind,
            arrayFirst(id -> has([{", ".join(map(str, conventions))}], id), spellings) AS convention_key,
            indexOf(Events.Name, 'exception') AS exception,
            -- Each time to first token that is told, by its column's number, and each event that marks one.
{_ttft_told()}
        FROM
        (
            -- What stands in JSON objects comes last: a key's first value counts.
            SELECT
                {_BASE}, found, spellings,
                arrayFilter(member -> member.1 > 0, arrayMap(
                    member -> (transform(member.1, [{_list(members)}], [{", ".join(map(str, members.values()))}], toUInt8(0)), trim(BOTH '"' FROM member.2)),
                    arrayFlatten(arrayMap(text -> JSONExtractKeysAndValuesRaw(text),
                        arrayFilter((text, number) -> number IN ({json}), texts, numbers))))) AS members,
                mapFromArrays(arrayConcat(numbers, members.1), arrayConcat(texts, members.2)) AS told
            FROM
            (
                SELECT
                    {_BASE}, found,
                    arrayFilter(id -> id > 0, found) AS ids,
                    arraySort(ids) AS spellings,
                    arrayMap(id -> toUInt8(intDiv(id, {aliases.SPELLINGS_MAX})), spellings) AS numbers,
                    arraySort((value, id) -> id, arrayFilter((value, id) -> id > 0, mapValues(SpanAttributes), found), ids) AS texts
                FROM
                (
                    -- Which column each key tells, as column * {aliases.SPELLINGS_MAX} + place among its spellings; 0 for all others.
                    SELECT {_BASE}, arrayMap((key, value) -> if(value = '', 0, transform(key, [{_list(keys)}], [{", ".join(map(str, keys.values()))}], toUInt16(0))),
                        mapKeys(SpanAttributes), mapValues(SpanAttributes)) AS found
                    FROM {source}{f" WHERE {where}" if where else ""}
                )
                WHERE ParentSpanId = '' OR StatusCode = 'Error' OR notEmpty(Events.Name) OR arrayExists(id -> id > 0, found)
            )
        )
    )
)"""


_SHARED = "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant"


def _once(columns: str, kind: str, rank: str, *, tie: str, layers: tuple[tuple[str, str], ...] = ()) -> str:
    """One row a call, where two instrumentations told the same one.

    Spans of one trace are held against each other if one is the other's parent, or if they come from two
    instrumentations, tell the same tokens, and one lies within the other in time. Of two, the one with the higher
    `rank` stays; of equals the inner one (`tie` 'inner') or the outer one ('outer'). `layers` are names for `columns`, a layer using those before it.
    """
    beats = ">=" if tie == "inner" else ">"
    loses = ">" if tie == "inner" else ">="
    inside = (
        "OR (one.scope != me.scope AND one.tokens = me.tokens AND one.tokens != 0 AND one.parent != me.id AND one.id != me.parent AND (\n"
        f"            (one.began >= me.began AND one.ended <= me.ended AND one.rank {beats} me.rank)\n"
        f"            OR (one.began <= me.began AND one.ended >= me.ended AND one.rank {loses} me.rank)))"
        if kind == "model"
        else ""
    )
    found = f"""\
(
    SELECT
        {_CALL}, Convention, SpanAttributes, EventNames, EventAttributes, told,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ScopeName), toUnixTimestamp64Nano(Timestamp),
            toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6),
            if({_has("input_tokens")}, cityHash64({_told("input_tokens")}, {_told("output_tokens")}), 0), {rank}),
            'Tuple(id UInt64, parent UInt64, scope UInt64, began Int64, ended Int64, tokens UInt64, rank UInt8)') AS me,
        groupArray(me) OVER (PARTITION BY TraceId ORDER BY Timestamp ROWS BETWEEN {_FAR} PRECEDING AND {_FAR} FOLLOWING) AS around
    FROM spans_canonical
    WHERE Kind = '{kind}'
)
WHERE TraceId = '' OR length(around) = 1 OR NOT arrayExists(
    one -> one.id != me.id AND (
        (one.parent = me.id AND one.rank {beats} me.rank)
        OR (one.id = me.parent AND one.rank {loses} me.rank)
        {inside}),
    around)"""
    for kept, layer in layers:
        found = f"(\n    SELECT\n        {_CALL}, {kept}\n{layer}\n    FROM {found}\n)"
    return f"SELECT\n    {columns}\nFROM {found}"


_CALL = (
    "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, DurationMs, TtftMs, TtftDefinition, "
    "StatusCode, ErrorType"
)


def _provider() -> str:
    name = f"lower({_told('provider')})"
    return _named(aliases.PROVIDERS, name, name)


_REQUEST_MODEL = (
    f"trim(BOTH '\"' FROM if({_has('request_model')}, {_told('request_model')}, {_told('response_model')}))"
)

_COST = f"""multiIf(
        toFloat64OrNull({_told("told_cost")}) >= 0, toFloat64OrNull({_told("told_cost")}),
        {_has("cost_json")}, JSONExtract({_told("cost_json")}, 'total', 'Nullable(Float64)'),
        NULL)"""


_COUNTS = f"mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= {_MAX_TOKENS}, toUInt64OrNull(text), NULL)), told) AS counts"

_USAGE = (
    ("Convention, SpanAttributes, told,", f"    {_COUNTS},\n    {_provider()} AS provider"),
    (
        "Convention, SpanAttributes, told, counts, provider,",
        f"""\
    {_tokens("input_tokens")} AS told_input,
    {_tokens("output_tokens")} AS told_output,
    {_tokens("cache_read_tokens")} AS cache_read,
    {_tokens("cache_write_tokens")} AS cache_write,
    {_tokens("reasoning_tokens")} AS reasoning,
    ifNull(cache_read, 0) + ifNull(cache_write, 0) AS cached,
    -- Langfuse's usage details do not hold each other.
    Convention = 'langfuse' AND {_has("usage_json")} AS is_apart""",
    ),
    (
        "Convention, told, counts, provider, told_input, told_output, cache_read, cache_write, reasoning, cached,",
        f"""\
    ifNull(cached > 0 AND (cached > told_input OR is_apart OR (Convention IN ({_list(aliases.CACHE_APART_CONVENTIONS)})
        AND provider IN ({_list(aliases.CACHE_APART_PROVIDERS)}) AND NOT mapContains(SpanAttributes, 'ai.usage.inputTokenDetails.cacheReadTokens'))), false) AS cache_apart,
    ifNull(reasoning > 0 AND (reasoning > told_output OR is_apart), false) AS reasoning_apart""",
    ),
)
"""Layers of names for what a call used, by its provider's and its convention's rule."""


_LLM_CALLS = f"""\
Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    {_told("operation")} AS Operation,
    provider AS Provider,
    {_REQUEST_MODEL} AS RequestModel,
    {_told("response_model")} AS ResponseModel,
    {_told("priced_as")} AS PricedAs,
    {_told("note")} AS Note,
    {_told("service_tier")} AS ServiceTier,
    multiIf(
        {_has("streaming")}, lower({_told("streaming")}) IN ('true', '1'),
        startsWith({_told("kind")}, 'ai.stream'), true,
        NULL) AS Streaming,
    if(startsWith({_told("finish_reason")}, '['), JSONExtractString({_told("finish_reason")}, 1), {_told("finish_reason")}) AS FinishReason,
    if(cache_apart, told_input + cached, told_input) AS InputTokens,
    if(reasoning_apart, told_output + reasoning, told_output) AS OutputTokens,
    cache_read AS CacheReadTokens,
    cache_write AS CacheWriteTokens,
    {_tokens("cache_write_1h_tokens")} AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    {_tokens("input_audio_tokens")} AS InputAudioTokens,
    {_tokens("output_audio_tokens")} AS OutputAudioTokens,
    cache_apart AS CacheAdded,
    {_COST} AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull({_told("stall")}) * 1e3 AS LongestStallMs,
    toUInt32OrNull({_told("chunks")}) AS Chunks,
    {_told("outcome")} AS Outcome,
    StatusCode, ErrorType"""

_RETRIEVALS = f"""\
Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention,
    {_told("system")} AS System,
    {_told("collection")} AS Collection,
    {_told("db_operation")} AS Operation,
    {_told("embedding")} AS Embedding,
    {_told("embedding_version")} AS EmbeddingVersion,
    {_told("index_version")} AS IndexVersion,
    {_told("sketch")} AS QuerySketch,
    {_told("sketch_version")} AS QuerySketchVersion,
    {_told("score_kind")} AS ScoreKind,
    toUInt32OrNull(if({_has("top_k")}, {_told("top_k")}, {_told("vector_search")})) AS TopK,
    multiIf(
        toUInt32OrNull({_told("returned")}) IS NOT NULL, toUInt32OrNull({_told("returned")}),
        {_has("documents")} OR {_has("indexed_documents")} OR notEmpty(documents), toUInt32(length(documents)),
        NULL) AS Returned,
    if({_has("empty")}, {_told("empty")} = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if({_has("index_stale")}, {_told("index_stale")} IN ('true', '1'), NULL) AS IsStale,
    documents.id AS DocumentIds,
    documents.score AS Scores,
    multiIf(empty(Scores), toFloat64OrNull({_told("top_score")}), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType"""

_DOCUMENTS = (
    (
        "Convention, SpanAttributes, EventNames, EventAttributes, told,",
        f"""\
    -- The numbers N of retrieval.documents.N.document.*, in order.
    arrayMap(place -> concat('retrieval.documents.', toString(place), '.document.'), arraySort(arrayDistinct(arrayMap(
        key -> toUInt32OrZero(splitByChar('.', toString(key))[3]),
        if({_has("indexed_documents")}, arrayFilter(key -> startsWith(key, 'retrieval.documents.'), mapKeys(SpanAttributes)), []))))) AS places,
    {_told("entity_output")} AS entity_output""",
    ),
    (
        "Convention, told,",
        f"""\
    CAST(multiIf(
        {_has("documents")}, JSONExtract({_told("documents")}, 'Array(Tuple(id String, score Nullable(Float64)))'),
        {_has("indexed_documents")}, arrayMap(place -> (
            if(SpanAttributes[concat(place, 'id')] != '', SpanAttributes[concat(place, 'id')],
                JSONExtractString(SpanAttributes[concat(place, 'metadata')], 'id')),
            toFloat64OrNull(SpanAttributes[concat(place, 'score')])), places),
        has(EventNames, 'db.query.result'), arrayMap(a -> (a['db.query.result.id'],
            toFloat64OrNull(if(a['db.query.result.score'] != '', a['db.query.result.score'], a['db.query.result.distance']))),
            arrayFilter((a, name) -> name = 'db.query.result', EventAttributes, EventNames)),
        startsWith(entity_output, '{{'), arrayMap(d -> (if(d.id != '', d.id, d.metadata.id), CAST(NULL, 'Nullable(Float64)')),
            JSONExtract(entity_output, 'documents', 'Array(Tuple(id String, metadata Tuple(id String)))')),
        arrayMap(node -> (JSONExtractString(node, 'node', 'id_'), JSONExtract(node, 'score', 'Nullable(Float64)')),
            JSONExtract(entity_output, 'Array(String)'))), 'Array(Tuple(id String, score Nullable(Float64)))') AS documents""",
    ),
)

_EMBEDDINGS = f"""\
Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    {_provider()} AS Provider,
    {_REQUEST_MODEL} AS RequestModel,
    {_told("response_model")} AS ResponseModel,
    {_told("priced_as")} AS PricedAs,
    {_told("embedding")} AS Embedding,
    {_told("embedding_version")} AS EmbeddingVersion,
    toUInt32OrNull({_told("dimensions")}) AS Dimensions,
    if({_has("indexed_texts")}, toUInt32(length(arrayDistinct(arrayMap(key -> splitByChar('.', toString(key))[3],
        arrayFilter(key -> startsWith(key, 'embedding.embeddings.'), mapKeys(SpanAttributes)))))), NULL) AS Texts,
    {_tokens("input_tokens")} AS InputTokens,
    {_COST} AS ToldCostUsd,
    DurationMs, StatusCode, ErrorType"""


def typed_selects() -> dict[str, str]:
    """Table to the statement that fills it from spans_canonical."""
    own = "toUInt8(Convention = 'sightline')"
    documents = f"{_has('documents')} OR {_has('indexed_documents')} OR has(EventNames, 'db.query.result') OR {_has('entity_output')}"
    tokens = " OR ".join(_has(name) for name in ("input_tokens", "output_tokens"))
    return {
        "requests": f"""\
SELECT
    {_SHARED}, Name, {_told("route")} AS Route, UserId, SessionId, Convention, StatusCode,
    toUInt16OrZero({_told("http_status")}) AS HttpStatus,
    ErrorType, {_told("outcome")} AS Outcome, DurationMs, TtftMs, TtftDefinition
FROM spans_canonical
WHERE IsRequest""",
        "llm_calls": _once(_LLM_CALLS, "model", f"2 * toUInt8({tokens}) + {own}", tie="inner", layers=_USAGE),
        "retrievals": _once(
            _RETRIEVALS,
            "search",
            f"4 * toUInt8({documents}) + 2 * toUInt8({_has('returned')}) + {own}",
            tie="outer",
            layers=_DOCUMENTS,
        ),
        "embeddings": _once(
            _EMBEDDINGS,
            "embed",
            f"2 * toUInt8({_has('input_tokens')}) + {own}",
            tie="outer",
            layers=(("Convention, SpanAttributes, told,", f"    {_COUNTS}"),),
        ),
        "stages": f"""\
SELECT {_SHARED}, Stage, Name, Convention, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, {_told("flagged")} = 'true' AS Flagged
FROM spans_canonical
WHERE Stage NOT IN ('', 'request', 'workflow', 'evaluator')""",
        "errors": f"""\
SELECT {_SHARED}, Stage, Name, ErrorType, ErrorMessage AS Message, DurationMs
FROM spans_canonical
WHERE StatusCode = 'Error' OR ErrorType != ''""",
        "scores": _scores(),
    }


def _scores() -> str:
    """Scores told by spans: an event, or OpenInference's numbered evaluations and annotations."""
    has = _has("indexed_scores")
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ServiceName, one.1 AS Name,
    if(isFinite(toFloat64OrNull(one.2)), toFloat64OrNull(one.2), NULL) AS Value,
    one.3 AS Label, one.4 AS Explanation, one.5 AS Judge, one.6 AS JudgeVersion, one.7 AS RunId, one.8 AS Source, one.9 AS Note, one.10 AS ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName,
        arrayConcat(
            arrayMap(a -> (a['gen_ai.evaluation.name'], a['gen_ai.evaluation.score.value'], a['gen_ai.evaluation.score.label'],
                a['gen_ai.evaluation.explanation'], a['sightline.evaluation.judge'], a['sightline.evaluation.judge_version'],
                a['sightline.evaluation.run.id'], a['sightline.evaluation.source'], a['sightline.evaluation.note'], a['error.type']),
                arrayFilter((attributes, name) -> name = 'gen_ai.evaluation.result', EventAttributes, EventNames)),
            arrayMap(start -> (SpanAttributes[concat(start, 'name')], SpanAttributes[concat(start, 'score')], SpanAttributes[concat(start, 'label')],
                SpanAttributes[concat(start, 'explanation')], SpanAttributes[concat(start, 'identifier')], '', '',
                lower(SpanAttributes[concat(start, 'annotator_kind')]), '', ''), numbered)) AS told
    FROM
    (
        SELECT *, arrayFilter(start -> SpanAttributes[concat(start, 'name')] != '', arrayConcat(
            arrayMap(n -> concat('evaluations.', toString(n), '.evaluation.'), range({has} * 32)),
            arrayMap(n -> concat('annotations.', toString(n), '.annotation.'), range({has} * 32)))) AS numbered
        FROM spans_canonical
        WHERE {has} OR has(EventNames, 'gen_ai.evaluation.result')
    )
)
ARRAY JOIN told AS one"""


def contents_select(source: str) -> str:
    """What people and models wrote, across conventions, from the raw spans."""
    columns = []
    for name, keys in aliases.CONTENT.items():
        tries = ", ".join(f"SpanAttributes[{_text(key)}] != '', SpanAttributes[{_text(key)}]" for key in keys)
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
    parts = [f"{_HEADER}CREATE TABLE IF NOT EXISTS spans_canonical\n(\n{_CANONICAL_COLUMNS})\nENGINE = Null;"]
    for source in ("otel_traces", "otel_traces_sampled_out"):
        parts.append(
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source}_to_spans_canonical TO spans_canonical AS\n{canonical_select(source)};"
        )
    for table, select in typed_selects().items():
        parts.append(f"CREATE MATERIALIZED VIEW IF NOT EXISTS spans_canonical_to_{table} TO {table} AS\n{select};")
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
