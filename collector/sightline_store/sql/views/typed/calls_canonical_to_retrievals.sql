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
    ifNull(toUInt32OrNull(column_values[40]), if(has_list OR notEmpty(documents), toUInt32(length(documents)), NULL)) AS Returned,
    if(mapContains(column_values, 52), column_values[52] = 'true', ifNull(Returned = 0, false)) AS IsEmpty,
    if(mapContains(column_values, 48), column_values[48] IN ('true', '1'), NULL) AS IsStale,
    documents.id AS DocumentIds,
    documents.score AS Scores,
    multiIf(empty(documents), toFloat64OrNull(column_values[44]), ScoreKind = 'distance', arrayMin(Scores), arrayMax(Scores)) AS TopScore,
    DurationMs, StatusCode, ErrorType
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, Convention, column_values, DurationMs, StatusCode, ErrorType,
        mapContains(column_values, 41) OR mapContains(column_values, 42) AS has_list,
        CAST(multiIf(
            mapContains(column_values, 41), JSONExtract(column_values[41], 'Array(Tuple(id String, score Nullable(Float64)))'),
            -- The numbers N of retrieval.documents.N.document.*, in order.
            mapContains(column_values, 42), arrayMap(
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
            startsWith(column_values[43], '{'), arrayMap(d -> (if(d.id != '', d.id, d.metadata.id), CAST(NULL, 'Nullable(Float64)')),
                JSONExtract(column_values[43], 'documents', 'Array(Tuple(id String, metadata Tuple(id String)))')),
            arrayMap(node -> (JSONExtractString(node, 'node', 'id_'), JSONExtract(node, 'score', 'Nullable(Float64)')),
                JSONExtract(column_values[43], 'Array(String)'))), 'Array(Tuple(id String, score Nullable(Float64)))') AS documents
    FROM calls_canonical
    WHERE Kind = 'search'
);
