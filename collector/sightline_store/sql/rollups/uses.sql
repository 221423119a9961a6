-- Minutes of which versions were in use. Those of services are read of raw spans, so a minute whose raw spans are gone has none.
INSERT INTO rollup_uses
SELECT
    toUInt32(60) AS Period, toDateTime(bucket, 'UTC') AS Start, {version:UInt64} AS Version, 'all' AS By, '' AS Tenant,
    kind AS Kind, subject AS Subject, value AS Value, uses AS Uses, first_ms AS FirstMs
FROM
(
    -- include: uses_of_rows.sql
)
WHERE bucket IN {minutes:Array(UInt32)}
LIMIT {limit:UInt32} BY Start, By
