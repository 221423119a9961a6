-- The question spend_by, of what is kept of hours that are over and of the calls of the rest.
-- First which names are the dearest, then the rest of their columns: there may be as many sessions as calls.
WITH
    (
        SELECT groupArray(name)
        FROM
        (
            SELECT name
            FROM
            (
                -- condition: every
            )
            GROUP BY name
            ORDER BY sum(ifNull(CostSum, 0)) DESC, sum(Calls) DESC, name
            LIMIT {limit:UInt32}
        )
    ) AS dearest
SELECT
    name,
    -- include: spent_columns.sql
FROM
(
    -- condition: dearest
)
GROUP BY name
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC, name
