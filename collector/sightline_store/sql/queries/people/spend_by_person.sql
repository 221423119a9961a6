-- Which user or session (by) spent how many tokens and how much money? The columns and the order of `spend_by`.
-- First which are the dearest, then the rest of their columns: there may be as many sessions as calls.
WITH
    (
        SELECT groupArray(person)
        FROM
        (
            SELECT if({by:String} = 'user', UserId, SessionId) AS person
            FROM llm_calls_priced
            WHERE
                -- include: of_calls.sql
            GROUP BY person
            ORDER BY sum(ifNull(CostUsd, 0)) DESC, count() DESC, person
            LIMIT {limit:UInt32}
        )
    ) AS dearest
SELECT
    if({by:String} = 'user', UserId, SessionId) AS name,
    -- include: spend_columns.sql
FROM llm_calls_priced
WHERE name IN (SELECT arrayJoin(dearest)) AND
    -- include: of_calls.sql
GROUP BY name
ORDER BY ifNull(cost_usd, 0) DESC, calls DESC, name
