-- Where did the time to first token go, stage by stage? bucket_s = 0 answers for the whole window, else a bucket.
-- parts/ttft_rule.sql says how. Percentiles of parts do not sum; median_ms and slow_ms do: means over the requests around the
-- median (40th to 60th percentile) and around the 95th (90th to 99th). Of more than max_requests one in `sampled`, a power
-- of two, is read, chosen by trace id, and *_se_ms is the standard error that this brings (0 where all were read). Requests
-- with more than 500 stage spans before their first token are left out: `left_out` counts them. `untold` requests of the
-- window have no time to first token. The times are those of ttft_definition, the one that most requests of the window have
-- (of equals the most exact); ttft_others have another.
WITH
    (
        SELECT (requests, ttft_n, ttft_definition, ttft_others)::Tuple(requests UInt64, ttft_n UInt64, ttft_definition String, ttft_others UInt64)
        FROM
        (
            SELECT
                [countIf(TtftDefinition = 'delivered'), countIf(TtftDefinition = 'first_token'), countIf(TtftDefinition = 'first_chunk')] AS ttft_counts,
                -- include: overview_ttft.sql
                count() AS requests
            FROM requests
            WHERE
                -- include: of_requests.sql
        )
    ) AS counted
-- include: ttft_stages.sql
