-- What rollups keep of stages, and what questions that read rollups make of the rows beside them.
count() AS Spans,
countIf(
    -- include: failed.sql
) AS Errors,
countIf(Flagged) AS FlaggedSpans,
quantilesTDigestState(0.5, 0.95, 0.99)(DurationMs) AS Duration,
argMaxState((Timestamp, TraceHash), DurationMs) AS Slowest
