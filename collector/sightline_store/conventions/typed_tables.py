# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statements that fill the typed tables out of canonical spans (`canonical.py`).

Calls (of a model, of a search, of an embedding) take one step more: `calls_canonical`, which stores nothing either,
has one row a call, however many instrumentations recorded it. An INSERT pays for every expression in here, whatever
rows it brings, so what several tables need is computed there, once.
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.sql_expressions import canonical_name, has, token_count, value_of
from sightline_store.quoting import quote_strings

MAX_TOKENS = 100_000_000
"""The most tokens that a call can have; a larger number is no count."""

NEIGHBOUR_ROWS = 16
"""Calls of a trace, before and after a call, that are compared with it to find the same call recorded twice."""

CALLS_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String,
    SessionId String,
    Convention LowCardinality(String),
    Kind LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    indexed_attributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    column_values Map(UInt8, String),
    counts Map(UInt8, Nullable(UInt64)),
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String)
"""
"""What a call is, for all kinds of call."""

_SPAN = "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant"
_CALL = f"{_SPAN}, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType"


def calls_select() -> str:
    """The statement that turns spans_canonical into calls_canonical: one row a call, however many spans record it.

    Two spans of one trace and one kind record the same call if the first is the second's parent, or if they are calls
    of a model from two instrumentations with the same numbers of tokens and the first lies within the second in time.
    The span with more information stays; of equals the inner one for a model and the outer one for all else.
    """
    documents = f"{has('documents', 'indexed_documents', 'entity_output')} OR has(EventNames, 'db.query.result')"
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind,
    {canonical_name(dialects.PROVIDERS, "provider", "provider")} AS Provider,
    trim(BOTH '"' FROM if({has("request_model")}, {value_of("request_model")}, {value_of("response_model")})) AS RequestModel,
    indexed_attributes, EventNames, EventAttributes, column_values,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= {MAX_TOKENS}, toUInt64OrNull(text), NULL)), column_values) AS counts,
    if(reported_cost >= 0, reported_cost, JSONExtract({value_of("cost_json")}, 'total', 'Nullable(Float64)')) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType
FROM
(
    SELECT
        {_CALL},
        lower({value_of("provider")}) AS provider,
        toFloat64OrNull({value_of("reported_cost")}) AS reported_cost,
        Kind = 'model' AS inner_wins,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ScopeName),
            (toUnixTimestamp64Nano(Timestamp), -DurationMs, SpanId), toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6),
            if(Kind = 'model' AND {has("input_tokens")}, cityHash64({value_of("input_tokens")}, {value_of("output_tokens")}), cityHash64(SpanId)),
            4 * (Kind = 'search' AND ({documents})) + 2 * {has("returned", "input_tokens", "output_tokens")} + (Convention = 'sightline')),
            'Tuple(id UInt64, parent UInt64, scope UInt64, outermost Tuple(Int64, Float64, String), ended Int64, tokens UInt64, rank Int8)') AS call,
        groupArray(call) OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN {NEIGHBOUR_ROWS} PRECEDING AND {NEIGHBOUR_ROWS} FOLLOWING) AS neighbours
    FROM spans_canonical
    WHERE Kind IN ('model', 'search', 'embed')
)
WHERE TraceId = '' OR length(neighbours) = 1 OR NOT arrayExists(
    -- Another span of the same call wins if it has more information, or as much and is on the side that wins.
    other -> other.id != call.id AND other.rank + multiIf(
        other.parent = call.id, inner_wins,
        other.id = call.parent, 1 - inner_wins,
        other.tokens != call.tokens OR other.scope = call.scope, -99,
        other.outermost < call.outermost, if(other.ended >= call.ended, 0, -99),
        if(other.ended <= call.ended, 1, -99)) > call.rank,
    neighbours)"""


_LLM_CALLS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    {value_of("operation")} AS Operation,
    Provider, RequestModel,
    {value_of("response_model")} AS ResponseModel,
    {value_of("priced_as")} AS PricedAs,
    {value_of("note")} AS Note,
    {value_of("service_tier")} AS ServiceTier,
    multiIf(
        {has("streaming")}, lower({value_of("streaming")}) IN ('true', '1'),
        startsWith({value_of("kind")}, 'ai.stream'), true,
        NULL) AS Streaming,
    -- The first of a list.
    replaceRegexpOne({value_of("finish_reason")}, '^\\\\[("([^"]*)")?.*', '\\\\2') AS FinishReason,
    reported_input + if(cache_excluded, cached, 0) AS InputTokens,
    reported_output + if(reasoning_excluded, reasoning, 0) AS OutputTokens,
    {token_count("cache_read_tokens")} AS CacheReadTokens,
    {token_count("cache_write_tokens")} AS CacheWriteTokens,
    {token_count("cache_write_1h_tokens")} AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    {token_count("input_audio_tokens")} AS InputAudioTokens,
    {token_count("output_audio_tokens")} AS OutputAudioTokens,
    cache_excluded AS CacheAdded,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull({value_of("stall")}) * 1e3 AS LongestStallMs,
    toUInt32OrNull({value_of("chunks")}) AS Chunks,
    {value_of("outcome")} AS Outcome,
    StatusCode, ErrorType
FROM
(
    SELECT
        {_SPAN}, UserId, SessionId, Convention, Provider, RequestModel, column_values, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        {token_count("input_tokens")} AS reported_input,
        {token_count("output_tokens")} AS reported_output,
        {token_count("reasoning_tokens")} AS reasoning,
        ifNull({token_count("cache_read_tokens")}, 0) + ifNull({token_count("cache_write_tokens")}, 0) AS cached,
        -- Langfuse's usage details do not include each other.
        Convention = 'langfuse' AND {has("usage_json")} AS details_exclusive,
        cached > 0 AND (details_exclusive OR ifNull(cached > reported_input, false) OR (Convention IN ({quote_strings(dialects.CACHE_EXCLUDED_CONVENTIONS)})
            AND Provider IN ({quote_strings(dialects.CACHE_EXCLUDED_PROVIDERS)}) AND NOT mapContains(indexed_attributes, 'ai.usage.inputTokenDetails.cacheReadTokens'))) AS cache_excluded,
        ifNull(reasoning > 0 AND (details_exclusive OR reasoning > reported_output), false) AS reasoning_excluded
    FROM calls_canonical
    WHERE Kind = 'model'
)"""

_DOCUMENTS = "Array(Tuple(id String, score Nullable(Float64)))"

_RETRIEVALS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention,
    {value_of("system")} AS System,
    {value_of("collection")} AS Collection,
    {value_of("db_operation")} AS Operation,
    {value_of("embedding")} AS Embedding,
    {value_of("embedding_version")} AS EmbeddingVersion,
    {value_of("index_version")} AS IndexVersion,
    {value_of("sketch")} AS QuerySketch,
    {value_of("sketch_version")} AS QuerySketchVersion,
    {value_of("score_kind")} AS ScoreKind,
    toUInt32OrNull(if({has("top_k")}, {value_of("top_k")}, {value_of("vector_search")})) AS TopK,
    ifNull(toUInt32OrNull({value_of("returned")}), if(has_list OR notEmpty(documents), toUInt32(length(documents)), NULL)) AS Returned,
    if({has("empty")}, {value_of("empty")} = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if({has("index_stale")}, {value_of("index_stale")} IN ('true', '1'), NULL) AS IsStale,
    documents.id AS DocumentIds,
    documents.score AS Scores,
    multiIf(empty(documents), toFloat64OrNull({value_of("top_score")}), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType
FROM
(
    SELECT
        {_SPAN}, Convention, column_values, DurationMs, StatusCode, ErrorType,
        {has("documents")} OR {has("indexed_documents")} AS has_list,
        CAST(multiIf(
            {has("documents")}, JSONExtract({value_of("documents")}, '{_DOCUMENTS}'),
            -- The numbers N of retrieval.documents.N.document.*, in order.
            {has("indexed_documents")}, arrayMap(
                place -> (
                    if(indexed_attributes[concat(place, 'id')] != '', indexed_attributes[concat(place, 'id')],
                        JSONExtractString(indexed_attributes[concat(place, 'metadata')], 'id')),
                    toFloat64OrNull(indexed_attributes[concat(place, 'score')])),
                arrayMap(number -> concat('retrieval.documents.', toString(number), '.document.'), arraySort(arrayDistinct(arrayMap(
                    key -> toUInt32OrZero(extract(key, '^retrieval.documents.([0-9]+)')),
                    arrayFilter(key -> startsWith(key, 'retrieval.documents.'), mapKeys(indexed_attributes))))))),
            has(EventNames, 'db.query.result'), arrayMap(a -> (a['db.query.result.id'],
                toFloat64OrNull(if(a['db.query.result.score'] != '', a['db.query.result.score'], a['db.query.result.distance']))),
                arrayFilter((a, name) -> name = 'db.query.result', EventAttributes, EventNames)),
            startsWith({value_of("entity_output")}, '{{'), arrayMap(d -> (if(d.id != '', d.id, d.metadata.id), CAST(NULL, 'Nullable(Float64)')),
                JSONExtract({value_of("entity_output")}, 'documents', 'Array(Tuple(id String, metadata Tuple(id String)))')),
            arrayMap(node -> (JSONExtractString(node, 'node', 'id_'), JSONExtract(node, 'score', 'Nullable(Float64)')),
                JSONExtract({value_of("entity_output")}, 'Array(String)'))), '{_DOCUMENTS}') AS documents
    FROM calls_canonical
    WHERE Kind = 'search'
)"""

_EMBEDDINGS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    Provider, RequestModel,
    {value_of("response_model")} AS ResponseModel,
    {value_of("priced_as")} AS PricedAs,
    {value_of("embedding")} AS Embedding,
    {value_of("embedding_version")} AS EmbeddingVersion,
    toUInt32OrNull({value_of("dimensions")}) AS Dimensions,
    if({has("indexed_texts")}, toUInt32(length(arrayDistinct(arrayMap(key -> splitByChar('.', toString(key))[3],
        arrayFilter(key -> startsWith(key, 'embedding.embeddings.'), mapKeys(indexed_attributes)))))), NULL) AS Texts,
    {token_count("input_tokens")} AS InputTokens,
    ToldCostUsd, DurationMs, StatusCode, ErrorType
FROM calls_canonical
WHERE Kind = 'embed'"""

_EVENT_SCORE = (
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.value",
    "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.explanation",
    "sightline.evaluation.judge",
    "sightline.evaluation.judge_version",
    "sightline.evaluation.run.id",
    "sightline.evaluation.source",
    "sightline.evaluation.note",
    "error.type",
)
_NUMBERED_SCORE = ("name", "score", "label", "explanation", "identifier", "-", "-", "annotator_kind", "-", "-")

_SCORES = f"""\
SELECT
    Timestamp, TraceId, SpanId, ServiceName, score[1] AS Name,
    if(isFinite(toFloat64OrNull(score[2])), toFloat64OrNull(score[2]), NULL) AS Value,
    score[3] AS Label, score[4] AS Explanation, score[5] AS Judge, score[6] AS JudgeVersion, score[7] AS RunId,
    transform(score[8], ['HUMAN', 'LLM', 'CODE'], ['human', 'llm', 'code']) AS Source, score[9] AS Note, score[10] AS ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName,
        arrayJoin(arrayConcat(
            arrayMap(a -> arrayMap(key -> a[key], [{quote_strings(_EVENT_SCORE)}]),
                arrayFilter((a, name) -> name = 'gen_ai.evaluation.result', EventAttributes, EventNames)),
            -- evaluations.N.evaluation.name and annotations.N.annotation.name, with their siblings.
            arrayMap(name -> arrayMap(end -> indexed_attributes[concat(substring(name, 1, length(name) - 4), end)], [{quote_strings(_NUMBERED_SCORE)}]),
                arrayFilter((key, value) -> value != '' AND match(key, '^(evaluations|annotations)\\\\.[0-9]+\\\\.(evaluation|annotation)\\\\.name$'),
                    mapKeys(indexed_attributes), mapValues(indexed_attributes))))) AS score
    FROM spans_canonical
    WHERE {has("indexed_scores")} OR has(EventNames, 'gen_ai.evaluation.result')
)"""


def typed_selects() -> dict[str, str]:
    """Table to the statement that fills it, from spans_canonical or, a call, from calls_canonical."""
    return {
        "requests": f"""\
SELECT
    {_SPAN}, Name, {value_of("route")} AS Route, UserId, SessionId, Convention, StatusCode,
    toUInt16OrZero({value_of("http_status")}) AS HttpStatus,
    ErrorType, {value_of("outcome")} AS Outcome, DurationMs, TtftMs, TtftDefinition
FROM spans_canonical
WHERE IsRequest""",
        "llm_calls": _LLM_CALLS,
        "retrievals": _RETRIEVALS,
        "embeddings": _EMBEDDINGS,
        "stages": f"""\
SELECT {_SPAN}, if(StageAttribute != '', StageAttribute, Kind) AS Stage, Name, Convention, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, {value_of("flagged")} = 'true' AS Flagged
FROM spans_canonical
WHERE Stage NOT IN ('', 'request', 'workflow', 'evaluator')""",
        "errors": f"""\
SELECT {_SPAN}, if(StageAttribute != '', StageAttribute, Kind) AS Stage, Name, ErrorType, ErrorMessage AS Message, DurationMs
FROM spans_canonical
WHERE StatusCode = 'Error' OR ErrorType != ''""",
        "scores": _SCORES,
    }
