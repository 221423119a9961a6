-- Minutes of searches: all, by tenant, and by the routes and models of their traces, by what served them.
INSERT INTO rollup_retrievals
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version,
    if(grouping(Tenant) = 0, 'tenant', 'all') AS By, Tenant,
    System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion,
    -- include: retrieval_sums.sql
    , '' AS Route, '' AS Model
FROM
(
    SELECT *, TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM retrievals
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY GROUPING SETS (
    (minute, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion),
    (minute, Tenant, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion))
LIMIT {limit:UInt32} BY minute, By
UNION ALL
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, 'route' AS By, '' AS Tenant,
    System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion,
    -- include: retrieval_sums.sql
    , Route, '' AS Model
FROM
(
    SELECT * EXCEPT (Tenant), TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM retrievals
    INNER JOIN
    (
        -- include: routes_of_traces.sql
    ) AS of_requests USING (TraceHash)
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY minute, Route, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion
LIMIT {limit:UInt32} BY minute
UNION ALL
SELECT
    toUInt32(60) AS Period, minute AS Start, {version:UInt64} AS Version, 'model' AS By, '' AS Tenant,
    System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion,
    -- include: retrieval_sums.sql
    , '' AS Route, Model
FROM
(
    SELECT * EXCEPT (Tenant), TraceHash, toDateTime(intDiv(toUnixTimestamp(Timestamp), 60) * 60, 'UTC') AS minute
    FROM retrievals
    INNER JOIN
    (
        -- include: models_of_traces.sql
    ) AS of_calls USING (TraceHash)
    WHERE
        -- include: rows_of_minutes.sql
)
GROUP BY minute, Model, System, Collection, Operation, IndexVersion, Embedding, EmbeddingVersion
LIMIT {limit:UInt32} BY minute
