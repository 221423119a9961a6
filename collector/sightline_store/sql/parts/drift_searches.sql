-- The searches of both windows, one a trace and collection, each once for every comparison that it belongs to. A comparison
-- is a place in the lists of parameters; '*' there is any index version, '' any tenant, 0 any topic; sketches of
-- another version than the comparison's are none. A topic is the number of the
-- centre that is nearest to the query's sketch. Of more traces than wanted, one in `stride` is read.
SELECT
    comparison, is_current, TraceHash, TopScore, is_failed, IsEmpty, IsStale, DocumentIds,
    if(QuerySketchVersion = {sketch_versions:Array(String)}[comparison], numbers, []) AS vector
FROM
(
    SELECT
        Timestamp >= {current_from:DateTime64(3, 'UTC')} AS is_current,
        TraceHash, Tenant, IndexVersion, QuerySketchVersion, TopScore, IsEmpty, IsStale, DocumentIds, numbers,
        -- include: failed.sql
        AS is_failed,
        if(empty({centres:Array(Array(Float32))}) OR empty(numbers) OR QuerySketchVersion != {centres_version:String}, 0, arrayReduce('argMax', arrayEnumerate({centres:Array(Array(Float32))}), arrayMap(centre -> dotProduct(centre, numbers), {centres:Array(Array(Float32))}))) AS topic,
        arrayFilter(
            i -> {collections:Array(String)}[i] = collection AND {operations:Array(String)}[i] = Operation
                AND {embeddings:Array(String)}[i] = Embedding AND {embedding_versions:Array(String)}[i] = EmbeddingVersion
                AND if(is_current, {current_indexes:Array(String)}[i], {reference_indexes:Array(String)}[i]) IN ('*', IndexVersion)
                AND {tenants:Array(String)}[i] IN ('', Tenant)
                AND {topics:Array(UInt32)}[i] IN (0, topic),
            arrayEnumerate({collections:Array(String)})) AS comparisons
    FROM
    (
        SELECT
            Timestamp, TraceHash, Tenant, Operation, Embedding, EmbeddingVersion, IndexVersion, QuerySketchVersion, TopScore, IsEmpty, IsStale, DocumentIds, StatusCode, ErrorType,
            -- include: drift_collection.sql
            AS collection,
            -- include: drift_vector.sql
            AS numbers
        FROM retrievals
        WHERE
            -- include: drift_windows.sql
            AND TraceHash % {stride:UInt64} = 0 AND
            -- include: drift_traces.sql
        ORDER BY Timestamp
        LIMIT 1 BY TraceHash, collection, Operation
    )
)
ARRAY JOIN comparisons AS comparison
