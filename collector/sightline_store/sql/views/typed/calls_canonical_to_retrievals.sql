-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW calls_canonical_to_retrievals TO retrievals AS
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention,
    column_values[35] AS System,
    column_values[36] AS Collection,
    column_values[37] AS Operation,
    column_values[45] AS Embedding,
    column_values[46] AS EmbeddingVersion,
    column_values[47] AS IndexVersion,
    column_values[49] AS QuerySketch,
    column_values[50] AS QuerySketchVersion,
    column_values[51] AS ScoreKind,
    toUInt32OrNull(if(mapContains(column_values, 39), column_values[39], column_values[38])) AS TopK,
    ifNull(toUInt32OrNull(column_values[40]), if(is_known OR told_length > 0 OR notEmpty(DocumentIds), toUInt32(greatest(told_length, length(DocumentIds))), told_count)) AS Returned,
    if(mapContains(column_values, 52), column_values[52] = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if(mapContains(column_values, 48), column_values[48] IN ('true', '1'), NULL) AS IsStale,
    DocumentIds,
    Scores,
    multiIf(empty(Scores), toFloat64OrNull(column_values[44]), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType, ScopeName, CallRank, StoredAt
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, ScopeName, Convention, column_values, DurationMs, StatusCode, ErrorType, CallRank, is_known, told_length, told_count,
        -- OpenInference's passages of LangChain have their ids in the output only.
        empty(indexed) OR (length(listed) = length(indexed) AND arrayStringConcat(indexed.1) = '') AS is_by_list,
        if(is_by_list, listed.1, indexed.1) AS DocumentIds,
        if(empty(indexed) OR (is_by_list AND isNull(arrayMax(indexed.2))), listed.2, indexed.2) AS Scores
    FROM
    (
        SELECT
            Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, ScopeName, Convention, column_values, DurationMs, StatusCode, ErrorType, CallRank, indexed,
            NOT has_ids AND hasAny(mapKeys(column_values), [41, 43]) AND match(list, '^(|null|None|\\[\\s*\\] ?)$') AS is_known,
            if(has_ids, length(documents), JSONLength(list)) AS told_length,
            if(list = ' ', JSONExtract(column_values[43], 'count', 'Nullable(UInt32)'), NULL) AS told_count,
            -- A passage without any of these members is counted only. One that is a string may hold JSON.
            if(has_ids, documents, arrayMap(
                item -> (if(item.id != '', item.id, greatest(item.id_, item.document_id, item.metadata.id, item.node.id_, item.kwargs.id)), item.score),
                JSONExtract(if(startsWith(list, '["'), concat('[', arrayStringConcat(JSONExtract(list, 'Array(String)'), ','), ']'), list), 'Array(Tuple(id String, id_ String, document_id String, score Nullable(Float64), metadata Tuple(id String), node Tuple(id_ String), kwargs Tuple(id String)))'))) AS listed
        FROM
        (
            SELECT
                Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt, ScopeName, Convention, column_values, DurationMs, StatusCode, ErrorType, facts.rank AS CallRank,
                -- The passages as a JSON list; a space where the output is an object without one.
                multiIf(
                    mapContains(column_values, 41), column_values[41],
                    startsWith(column_values[43], '{'), concat(
                        arrayFirst(member -> member.1 IN ('documents', 'docs', 'nodes', 'source_nodes', 'passages', 'chunks', 'results', 'result', 'matches', 'hits', 'outputs', 'output') AND startsWith(member.2, '['), JSONExtractKeysAndValuesRaw(column_values[43])).2, ' '),
                    startsWith(column_values[43], '"'), JSONExtractString(column_values[43]),
                    column_values[43]) AS list,
                -- Nearly all lists are those of the semantic conventions: an id and a score each.
                JSONExtract(column_values[41], 'Array(Tuple(id String, score Nullable(Float64)))') AS documents,
                notEmpty(documents) AND NOT has(documents.1, '') AS has_ids,
                if(
                    -- The numbers N of retrieval.documents.N.document.*, in order.
                    mapContains(column_values, 42), arrayMap(
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
);
