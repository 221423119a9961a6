-- A row for each of `summaries` (stage, spans, errors, flagged, quantiles, slowest). The ids of the slowest are looked up
-- afterwards, where they stand: reading all ids is a third of the work.
SELECT
    summary.1 AS stage,
    summary.2 AS spans,
    summary.3 AS errors,
    summary.4 AS flagged,
    summary.5[1] AS p50_ms,
    summary.5[2] AS p95_ms,
    summary.5[3] AS p99_ms,
    named.TraceId AS slowest_trace_id
FROM (SELECT arrayJoin(summaries) AS summary) AS summed
LEFT ANY JOIN
(
    SELECT Timestamp, TraceHash, TraceId FROM stages WHERE Timestamp IN summaries.6.1 AND TraceHash IN summaries.6.2
) AS named ON named.TraceHash = summary.6.2
ORDER BY p95_ms DESC
