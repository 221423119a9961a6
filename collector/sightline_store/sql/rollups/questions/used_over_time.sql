-- The question used_over_time, of rollups and of the rows that no rollup holds.
SELECT kind, subject, value, bucket, sum(used) AS uses, min(seen_ms) AS first_ms
FROM
(
    SELECT
        toString(Kind) AS kind, toString(Subject) AS subject, toString(Value) AS value,
        intDiv(toUnixTimestamp(Start), {bucket_s:UInt32}) * {bucket_s:UInt32} AS bucket, Uses AS used, FirstMs AS seen_ms
    FROM rollup_uses
    WHERE
        -- include: rolled_periods.sql
    UNION ALL
    SELECT kind, subject, value, bucket, uses, first_ms
    FROM
    (
        -- include: uses_of_rows.sql
    )
)
GROUP BY kind, subject, value, bucket
ORDER BY bucket, kind, subject, value
LIMIT {limit:UInt32}
