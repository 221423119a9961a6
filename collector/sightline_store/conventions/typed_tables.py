# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statements that fill the typed tables out of canonical spans (`canonical.py`).

Calls (of a model, of a search, of an embedding) take one step more: `calls_canonical` has one row a call, however many
instrumentations recorded it (`calls.py`). An INSERT pays for every expression in here, whatever rows it brings, so what
several tables need is computed there, once.
"""

from __future__ import annotations

from sightline_store.conventions import requests
from sightline_store.conventions.calls import SPAN
from sightline_store.conventions.llm_calls import LLM_CALLS
from sightline_store.conventions.retrievals import RETRIEVALS
from sightline_store.conventions.sql_expressions import has, token_count, value_of
from sightline_store.quoting import quote_strings

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
    ToldCostUsd, DurationMs, StatusCode, ErrorType, ScopeName, StoredAt
FROM calls_canonical
WHERE Kind = 'embed' AND NOT is_duplicate"""

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
    transform(score[8], ['HUMAN', 'LLM', 'CODE'], ['human', 'llm', 'code']) AS Source, score[9] AS Note, score[10] AS ErrorType, StoredAt
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName, StoredAt,
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
        "requests": requests.select(),
        "llm_calls": LLM_CALLS,
        "retrievals": RETRIEVALS,
        "embeddings": _EMBEDDINGS,
        "stages": f"""\
SELECT {SPAN}, multiIf(StageAttribute != '', StageAttribute, {requests.IS_BACKGROUND_STAGE}, 'background', Kind) AS Stage, Name, Convention, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, {value_of("flagged")} = 'true' AS Flagged
FROM spans_canonical
WHERE Stage NOT IN ('', 'request', 'workflow', 'evaluator')""",
        "errors": f"""\
SELECT {SPAN}, if(StageAttribute != '', StageAttribute, Kind) AS Stage, Name, ErrorType, ErrorMessage AS Message, DurationMs
FROM spans_canonical
WHERE StatusCode = 'Error' OR ErrorType != ''""",
        "scores": _SCORES,
    }
