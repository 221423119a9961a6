-- The question spend_by, by model or tenant, of rollups and of the rows that no rollup holds. A trace counts twice in
-- requests where its calls lie in two periods.
-- Whether a reported cost differs from the computed one is told of each call alone: comparable_calls says how many have both, and
-- spend_differing.sql reads these as rows.
SELECT s.* REPLACE (c.traces AS requests)
FROM
(
    SELECT
        toString(if({by:String} = 'tenant', Tenant, Model)) AS name,
        sum(Calls) AS calls,
        sum(Calls) - sum(priced) AS unpriced_calls,
        sum(uncounted) AS uncounted_calls,
        toUInt64(0) AS requests,
        if(sum(InputCount) = 0, NULL, sum(InputSum)) AS input_tokens,
        if(sum(CacheReadCount) = 0, NULL, sum(CacheRead)) AS cache_read_tokens,
        if(sum(OutputCount) = 0, NULL, sum(OutputSum)) AS output_tokens,
        if(sum(ReasoningCount) = 0, NULL, sum(Reasoning)) AS reasoning_tokens,
        if(sum(priced) = 0, NULL, sum(cost)) AS cost_usd,
        minIf(toString(PriceKey), priced < Calls) AS unpriced_example,
        minIf(sightlineWhyUnknown(unknown), priced < Calls) AS unknown_because,
        groupUniqArray(4)(toString(PricedAs)) AS priced_as,
        sumIf(ToldCount, unknown > 0) AS reported_calls,
        sumIf(Calls, is_local) AS local_calls,
        sumIf(ToldCount, unknown = 0 AND NOT is_local) AS comparable_calls
    FROM
    (
        -- include: rolled_calls.sql
    )
    GROUP BY name
) AS s
LEFT JOIN
(
    SELECT toString(caller) AS name, sum(Traces) AS traces
    FROM
    (
        -- include: rolled_callers.sql
    )
    GROUP BY name
) AS c USING (name)
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC, name
LIMIT {limit:UInt32}
