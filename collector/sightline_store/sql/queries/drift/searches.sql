-- How did the best score and the share of empty, failed and stale searches change between two windows? One row a comparison and signal.
WITH observed AS
(
    SELECT comparison, is_current, signal, x
    FROM
    (
        -- include: drift_searches.sql
    )
    ARRAY JOIN
        ['top_score', 'empty', 'failed', 'stale'] AS signal,
        [if(is_failed, nan, ifNull(TopScore, nan)), if(is_failed, nan, toFloat64(IsEmpty)), toFloat64(is_failed), ifNull(toFloat64(IsStale), nan)] AS x
)
-- include: drift_distributions.sql
