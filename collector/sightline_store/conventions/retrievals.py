# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statement that fills `retrievals`: what a search gave back, however its convention records the passages.

Passages stand in attributes with an index, in events, or in JSON: the attribute for documents, or the output of the span.
Each of them is a passage, with an id or without one. An output that is empty says that nothing came back; one that cannot
be read (cut off, or the text of a Python object) says nothing.
"""

from __future__ import annotations

from sightline_store.conventions.calls import SPAN
from sightline_store.conventions.sql_expressions import has, value_of
from sightline_store.quoting import quote_strings

_LIST_MEMBERS = (
    "documents",
    "docs",
    "nodes",
    "source_nodes",
    "passages",
    "chunks",
    "results",
    "result",
    "matches",
    "hits",
    "outputs",
    "output",
)
"""Members of an output object that hold its passages."""

_ITEM = (
    "Tuple(id String, id_ String, document_id String, score Nullable(Float64), metadata Tuple(id String), "
    "node Tuple(id_ String), kwargs Tuple(id String))"
)
"""Where LangChain, LlamaIndex and Haystack put the id of a passage. A member that is absent is empty."""

_DOCUMENTS = "Array(Tuple(id String, score Nullable(Float64)))"

_PASSED = f"{SPAN}, ScopeName, Convention, column_values, DurationMs, StatusCode, ErrorType, CallRank"

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
    ifNull(toUInt32OrNull({value_of("returned")}), if(is_known OR told_length > 0 OR notEmpty(DocumentIds), toUInt32(greatest(told_length, length(DocumentIds))), told_count)) AS Returned,
    if({has("empty")}, {value_of("empty")} = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if({has("index_stale")}, {value_of("index_stale")} IN ('true', '1'), NULL) AS IsStale,
    DocumentIds,
    Scores,
    multiIf(empty(Scores), toFloat64OrNull({value_of("top_score")}), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType, ScopeName, CallRank, StoredAt
FROM
(
    SELECT
        {_PASSED}, is_known, told_length, told_count,
        -- OpenInference's passages of LangChain have their ids in the output only.
        empty(indexed) OR (length(listed) = length(indexed) AND arrayStringConcat(indexed.1) = '') AS is_by_list,
        if(is_by_list, listed.1, indexed.1) AS DocumentIds,
        if(empty(indexed) OR (is_by_list AND isNull(arrayMax(indexed.2))), listed.2, indexed.2) AS Scores
    FROM
    (
        SELECT
            {_PASSED}, indexed,
            NOT has_ids AND {has("documents", "entity_output")} AND match(list, '^(|null|None|\\\\[\\\\s*\\\\] ?)$') AS is_known,
            if(has_ids, length(documents), JSONLength(list)) AS told_length,
            if(list = ' ', JSONExtract({value_of("entity_output")}, 'count', 'Nullable(UInt32)'), NULL) AS told_count,
            -- A passage without any of these members is counted only. One that is a string may hold JSON.
            if(has_ids, documents, arrayMap(
                item -> (if(item.id != '', item.id, greatest(item.id_, item.document_id, item.metadata.id, item.node.id_, item.kwargs.id)), item.score),
                JSONExtract(if(startsWith(list, '["'), concat('[', arrayStringConcat(JSONExtract(list, 'Array(String)'), ','), ']'), list), 'Array({_ITEM})'))) AS listed
        FROM
        (
            SELECT
                {_PASSED.replace("CallRank", "facts.rank AS CallRank")},
                -- The passages as a JSON list; a space where the output is an object without one.
                multiIf(
                    {has("documents")}, {value_of("documents")},
                    startsWith({value_of("entity_output")}, '{{'), concat(
                        arrayFirst(member -> member.1 IN ({quote_strings(_LIST_MEMBERS)}) AND startsWith(member.2, '['), JSONExtractKeysAndValuesRaw({value_of("entity_output")})).2, ' '),
                    startsWith({value_of("entity_output")}, '"'), JSONExtractString({value_of("entity_output")}),
                    {value_of("entity_output")}) AS list,
                -- Nearly all lists are those of the semantic conventions: an id and a score each.
                JSONExtract({value_of("documents")}, '{_DOCUMENTS}') AS documents,
                notEmpty(documents) AND NOT has(documents.1, '') AS has_ids,
                if(
                    -- The numbers N of retrieval.documents.N.document.*, in order.
                    {has("indexed_documents")}, arrayMap(
                        place -> (
                            if(indexed_attributes[concat(place, 'id')] != '', indexed_attributes[concat(place, 'id')],
                                JSONExtractString(indexed_attributes[concat(place, 'metadata')], 'id')),
                            toFloat64OrNull(indexed_attributes[concat(place, 'score')])),
                        arrayMap(number -> concat('retrieval.documents.', toString(number), '.document.'), arraySort(arrayDistinct(arrayMap(
                            key -> toUInt32OrZero(extract(key, '^retrieval.documents.([0-9]+)')),
                            arrayFilter(key -> startsWith(key, 'retrieval.documents.'), mapKeys(indexed_attributes))))))),
                    arrayMap(a -> (a['db.query.result.id'],
                        toFloat64OrNull(if(a['db.query.result.score'] != '', a['db.query.result.score'], a['db.query.result.distance']))),
                        arrayFilter((a, name) -> name = 'db.query.result', EventAttributes, EventNames))) AS indexed
            FROM calls_canonical
            WHERE Kind = 'search' AND NOT is_duplicate
        )
    )
)"""
