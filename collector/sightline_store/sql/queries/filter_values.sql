-- Which tenants, models and routes can the window be narrowed to? One row of sorted lists, at most 500 of each.
SELECT r.tenants AS tenants, m.models AS models, r.routes AS routes
FROM
(
    SELECT
        arraySort(groupUniqArrayIf(500)(toString(Tenant), Tenant != '')) AS tenants,
        arraySort(groupUniqArrayIf(500)(toString(Route), Route != '')) AS routes
    FROM requests
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
) AS r
CROSS JOIN
(
    SELECT arraySort(arrayFilter(x -> x != '', groupUniqArray(500)(toString(if(ResponseModel != '', ResponseModel, RequestModel))))) AS models
    FROM llm_calls
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
) AS m
