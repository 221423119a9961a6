# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statement that fills `retrievals`: what a search gave back, however its convention records the passages."""

from __future__ import annotations

from sightline_store.conventions.calls import SPAN
from sightline_store.conventions.sql_expressions import has, value_of

_DOCUMENTS = "Array(Tuple(id String, score Nullable(Float64)))"

RETRIEVALS = f"""\
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
        {SPAN}, Convention, column_values, DurationMs, StatusCode, ErrorType,
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
