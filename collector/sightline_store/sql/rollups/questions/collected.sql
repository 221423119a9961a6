-- The question collected, whose stored spans are those of rollups and of the rows that no rollup holds.
WITH stored AS
(
    SELECT toString(Service) AS service, sum(Spans) AS spans
    FROM rollup_spans
    WHERE
        -- include: rolled_periods.sql
    GROUP BY Service
    UNION ALL
    SELECT toString(ServiceName) AS service, count() AS spans
    FROM otel_traces
    WHERE
        -- include: beside_rollups_of_all.sql
    GROUP BY ServiceName
)
-- include: collected_and_stored.sql
