CREATE MATERIALIZED VIEW otel_traces_sampled_out_to_sampled_out_spans TO sampled_out_spans AS
SELECT ServiceName, toStartOfHour(toDateTime(Timestamp)) AS Hour, count() AS Spans
FROM otel_traces_sampled_out
GROUP BY ServiceName, Hour;
