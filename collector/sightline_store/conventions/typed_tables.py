# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statements that fill the typed tables out of canonical spans (`canonical.py`).

Calls (of a model, of a search, of an embedding) take one step more: `calls_canonical`, which stores nothing either,
holds each of them once, however many instrumentations told it. An INSERT pays for every expression in here, whatever
rows it brings, so what several tables need is computed there, once.
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.sql_expressions import has, listed, named, tokens, told

MAX_TOKENS = 100_000_000
"""More tokens than a call can have: what is told above is no count."""

FAR = 16
"""Calls of one trace that are looked at, before and after one, for the same call told twice."""

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
    numbered Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    told Map(UInt8, String),
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
_CALL = f"{_SPAN}, UserId, SessionId, Convention, Kind, numbered, EventNames, EventAttributes, told, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType"


def calls_select() -> str:
    """The statement that turns spans_canonical into calls_canonical: one row a call, where two spans told the same one.

    Calls of one trace and one kind are held against each other if one is the other's parent, or if they are calls of a
    model that come from two instrumentations, tell the same tokens, and one lies within the other in time. Of two, the
    one that tells more stays. Of equals that is the inner one for a model and the outer one for all else.
    """
    documents = f"{has('documents', 'indexed_documents', 'entity_output')} OR has(EventNames, 'db.query.result')"
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind,
    {named(dialects.PROVIDERS, "provider", "provider")} AS Provider,
    trim(BOTH '"' FROM if({has("request_model")}, {told("request_model")}, {told("response_model")})) AS RequestModel,
    numbered, EventNames, EventAttributes, told,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= {MAX_TOKENS}, toUInt64OrNull(text), NULL)), told) AS counts,
    if(told_cost >= 0, told_cost, JSONExtract({told("cost_json")}, 'total', 'Nullable(Float64)')) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType
FROM
(
    SELECT
        {_CALL},
        lower({told("provider")}) AS provider,
        toFloat64OrNull({told("told_cost")}) AS told_cost,
        Kind = 'model' AS inner_wins,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ScopeName),
            (toUnixTimestamp64Nano(Timestamp), -DurationMs, SpanId), toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6),
            if(Kind = 'model' AND {has("input_tokens")}, cityHash64({told("input_tokens")}, {told("output_tokens")}), cityHash64(SpanId)),
            4 * (Kind = 'search' AND ({documents})) + 2 * {has("returned", "input_tokens", "output_tokens")} + (Convention = 'sightline')),
            'Tuple(id UInt64, parent UInt64, scope UInt64, outermost Tuple(Int64, Float64, String), ended Int64, tokens UInt64, rank Int8)') AS me,
        groupArray(me) OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN {FAR} PRECEDING AND {FAR} FOLLOWING) AS around
    FROM spans_canonical
    WHERE Kind IN ('model', 'search', 'embed')
)
WHERE TraceId = '' OR length(around) = 1 OR NOT arrayExists(
    -- Another one of the same call wins if it tells more than this one, or as much and stands on the side that wins.
    one -> one.id != me.id AND one.rank + multiIf(
        one.parent = me.id, inner_wins,
        one.id = me.parent, 1 - inner_wins,
        one.tokens != me.tokens OR one.scope = me.scope, -99,
        one.outermost < me.outermost, if(one.ended >= me.ended, 0, -99),
        if(one.ended <= me.ended, 1, -99)) > me.rank,
    around)"""


_LLM_CALLS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    {told("operation")} AS Operation,
    Provider, RequestModel,
    {told("response_model")} AS ResponseModel,
    {told("priced_as")} AS PricedAs,
    {told("note")} AS Note,
    {told("service_tier")} AS ServiceTier,
    multiIf(
        {has("streaming")}, lower({told("streaming")}) IN ('true', '1'),
        startsWith({told("kind")}, 'ai.stream'), true,
        NULL) AS Streaming,
    -- The first of a list.
    replaceRegexpOne({told("finish_reason")}, '^\\\\[("([^"]*)")?.*', '\\\\2') AS FinishReason,
    told_input + if(cache_apart, cached, 0) AS InputTokens,
    told_output + if(reasoning_apart, reasoning, 0) AS OutputTokens,
    {tokens("cache_read_tokens")} AS CacheReadTokens,
    {tokens("cache_write_tokens")} AS CacheWriteTokens,
    {tokens("cache_write_1h_tokens")} AS CacheWrite1hTokens,
    reasoning AS ReasoningTokens,
    {tokens("input_audio_tokens")} AS InputAudioTokens,
    {tokens("output_audio_tokens")} AS OutputAudioTokens,
    cache_apart AS CacheAdded,
    ToldCostUsd, DurationMs, TtftMs, TtftDefinition,
    toFloat64OrNull({told("stall")}) * 1e3 AS LongestStallMs,
    toUInt32OrNull({told("chunks")}) AS Chunks,
    {told("outcome")} AS Outcome,
    StatusCode, ErrorType
FROM
(
    SELECT
        {_SPAN}, UserId, SessionId, Convention, Provider, RequestModel, told, counts, ToldCostUsd, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType,
        {tokens("input_tokens")} AS told_input,
        {tokens("output_tokens")} AS told_output,
        {tokens("reasoning_tokens")} AS reasoning,
        ifNull({tokens("cache_read_tokens")}, 0) + ifNull({tokens("cache_write_tokens")}, 0) AS cached,
        -- Langfuse's usage details do not hold each other.
        Convention = 'langfuse' AND {has("usage_json")} AS is_apart,
        cached > 0 AND (is_apart OR ifNull(cached > told_input, false) OR (Convention IN ({listed(dialects.CACHE_APART_CONVENTIONS)})
            AND Provider IN ({listed(dialects.CACHE_APART_PROVIDERS)}) AND NOT mapContains(numbered, 'ai.usage.inputTokenDetails.cacheReadTokens'))) AS cache_apart,
        ifNull(reasoning > 0 AND (is_apart OR reasoning > told_output), false) AS reasoning_apart
    FROM calls_canonical
    WHERE Kind = 'model'
)"""

_DOCUMENTS = "Array(Tuple(id String, score Nullable(Float64)))"

_RETRIEVALS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention,
    {told("system")} AS System,
    {told("collection")} AS Collection,
    {told("db_operation")} AS Operation,
    {told("embedding")} AS Embedding,
    {told("embedding_version")} AS EmbeddingVersion,
    {told("index_version")} AS IndexVersion,
    {told("sketch")} AS QuerySketch,
    {told("sketch_version")} AS QuerySketchVersion,
    {told("score_kind")} AS ScoreKind,
    toUInt32OrNull(if({has("top_k")}, {told("top_k")}, {told("vector_search")})) AS TopK,
    ifNull(toUInt32OrNull({told("returned")}), if(listed OR notEmpty(documents), toUInt32(length(documents)), NULL)) AS Returned,
    if({has("empty")}, {told("empty")} = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if({has("index_stale")}, {told("index_stale")} IN ('true', '1'), NULL) AS IsStale,
    documents.id AS DocumentIds,
    documents.score AS Scores,
    multiIf(empty(documents), toFloat64OrNull({told("top_score")}), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType
FROM
(
    SELECT
        {_SPAN}, Convention, told, DurationMs, StatusCode, ErrorType,
        {has("documents")} OR {has("indexed_documents")} AS listed,
        CAST(multiIf(
            {has("documents")}, JSONExtract({told("documents")}, '{_DOCUMENTS}'),
            -- The numbers N of retrieval.documents.N.document.*, in order.
            {has("indexed_documents")}, arrayMap(
                place -> (
                    if(numbered[concat(place, 'id')] != '', numbered[concat(place, 'id')],
                        JSONExtractString(numbered[concat(place, 'metadata')], 'id')),
                    toFloat64OrNull(numbered[concat(place, 'score')])),
                arrayMap(number -> concat('retrieval.documents.', toString(number), '.document.'), arraySort(arrayDistinct(arrayMap(
                    key -> toUInt32OrZero(extract(key, '^retrieval.documents.([0-9]+)')),
                    arrayFilter(key -> startsWith(key, 'retrieval.documents.'), mapKeys(numbered))))))),
            has(EventNames, 'db.query.result'), arrayMap(a -> (a['db.query.result.id'],
                toFloat64OrNull(if(a['db.query.result.score'] != '', a['db.query.result.score'], a['db.query.result.distance']))),
                arrayFilter((a, name) -> name = 'db.query.result', EventAttributes, EventNames)),
            startsWith({told("entity_output")}, '{{'), arrayMap(d -> (if(d.id != '', d.id, d.metadata.id), CAST(NULL, 'Nullable(Float64)')),
                JSONExtract({told("entity_output")}, 'documents', 'Array(Tuple(id String, metadata Tuple(id String)))')),
            arrayMap(node -> (JSONExtractString(node, 'node', 'id_'), JSONExtract(node, 'score', 'Nullable(Float64)')),
                JSONExtract({told("entity_output")}, 'Array(String)'))), '{_DOCUMENTS}') AS documents
    FROM calls_canonical
    WHERE Kind = 'search'
)"""

_EMBEDDINGS = f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention,
    Provider, RequestModel,
    {told("response_model")} AS ResponseModel,
    {told("priced_as")} AS PricedAs,
    {told("embedding")} AS Embedding,
    {told("embedding_version")} AS EmbeddingVersion,
    toUInt32OrNull({told("dimensions")}) AS Dimensions,
    if({has("indexed_texts")}, toUInt32(length(arrayDistinct(arrayMap(key -> splitByChar('.', toString(key))[3],
        arrayFilter(key -> startsWith(key, 'embedding.embeddings.'), mapKeys(numbered)))))), NULL) AS Texts,
    {tokens("input_tokens")} AS InputTokens,
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
    Timestamp, TraceId, SpanId, ServiceName, one[1] AS Name,
    if(isFinite(toFloat64OrNull(one[2])), toFloat64OrNull(one[2]), NULL) AS Value,
    one[3] AS Label, one[4] AS Explanation, one[5] AS Judge, one[6] AS JudgeVersion, one[7] AS RunId,
    transform(one[8], ['HUMAN', 'LLM', 'CODE'], ['human', 'llm', 'code']) AS Source, one[9] AS Note, one[10] AS ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName,
        arrayJoin(arrayConcat(
            arrayMap(a -> arrayMap(key -> a[key], [{listed(_EVENT_SCORE)}]),
                arrayFilter((a, name) -> name = 'gen_ai.evaluation.result', EventAttributes, EventNames)),
            -- evaluations.N.evaluation.name and annotations.N.annotation.name, with what stands beside it.
            arrayMap(name -> arrayMap(end -> numbered[concat(substring(name, 1, length(name) - 4), end)], [{listed(_NUMBERED_SCORE)}]),
                arrayFilter((key, value) -> value != '' AND match(key, '^(evaluations|annotations)\\\\.[0-9]+\\\\.(evaluation|annotation)\\\\.name$'),
                    mapKeys(numbered), mapValues(numbered))))) AS one
    FROM spans_canonical
    WHERE {has("indexed_scores")} OR has(EventNames, 'gen_ai.evaluation.result')
)"""


def typed_selects() -> dict[str, str]:
    """Table to the statement that fills it, from spans_canonical or, a call, from calls_canonical."""
    return {
        "requests": f"""\
SELECT
    {_SPAN}, Name, {told("route")} AS Route, UserId, SessionId, Convention, StatusCode,
    toUInt16OrZero({told("http_status")}) AS HttpStatus,
    ErrorType, {told("outcome")} AS Outcome, DurationMs, TtftMs, TtftDefinition
FROM spans_canonical
WHERE IsRequest""",
        "llm_calls": _LLM_CALLS,
        "retrievals": _RETRIEVALS,
        "embeddings": _EMBEDDINGS,
        "stages": f"""\
SELECT {_SPAN}, if(ToldStage != '', ToldStage, Kind) AS Stage, Name, Convention, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, {told("flagged")} = 'true' AS Flagged
FROM spans_canonical
WHERE Stage NOT IN ('', 'request', 'workflow', 'evaluator')""",
        "errors": f"""\
SELECT {_SPAN}, if(ToldStage != '', ToldStage, Kind) AS Stage, Name, ErrorType, ErrorMessage AS Message, DurationMs
FROM spans_canonical
WHERE StatusCode = 'Error' OR ErrorType != ''""",
        "scores": _SCORES,
    }
