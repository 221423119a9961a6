-- How many searches and model calls do two windows hold, and what is the oldest search in them?
SELECT
    countIf(Timestamp < {reference_to:DateTime64(3, 'UTC')}) AS reference_searches,
    countIf(Timestamp >= {current_from:DateTime64(3, 'UTC')}) AS current_searches,
    (
        SELECT count() FROM llm_calls
        WHERE
            -- include: drift_windows.sql
    ) AS calls,
    if(count() = 0, NULL, toUnixTimestamp64Milli(min(Timestamp))) AS oldest_ms
FROM retrievals
WHERE
    -- include: drift_windows.sql
