-- How many searches and model calls do two windows hold?
SELECT
    countIf(Timestamp < {reference_to:DateTime64(3, 'UTC')}) AS reference_searches,
    countIf(Timestamp >= {current_from:DateTime64(3, 'UTC')}) AS current_searches,
    (
        SELECT count() FROM llm_calls
        WHERE
            -- include: drift_windows.sql
    ) AS calls
FROM retrievals
WHERE
    -- include: drift_windows.sql
