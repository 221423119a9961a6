-- The question filter_values, of rollups and of the rows that no rollup holds.
SELECT r.tenants AS tenants, m.models AS models, r.routes AS routes
FROM
(
    SELECT
        arraySort(groupUniqArrayIf(500)(toString(Tenant), Tenant != '')) AS tenants,
        arraySort(groupUniqArrayIf(500)(toString(Route), Route != '')) AS routes
    FROM
    (
        SELECT Tenant, Route FROM rollup_requests
        WHERE By IN ('tenant', 'route') AND
            -- include: chosen_periods.sql
        UNION ALL
        SELECT Tenant, Route FROM requests
        WHERE
            -- include: beside_rollups.sql
    )
) AS r
CROSS JOIN
(
    SELECT arraySort(arrayFilter(x -> x != '', groupUniqArray(500)(toString(Model)))) AS models
    FROM
    (
        SELECT Model FROM rollup_calls
        WHERE By = 'all' AND
            -- include: chosen_periods.sql
        UNION ALL
        SELECT if(ResponseModel != '', ResponseModel, RequestModel) AS Model FROM llm_calls
        WHERE
            -- include: beside_rollups.sql
    )
) AS m
