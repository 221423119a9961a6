CREATE MATERIALIZED VIEW otel_traces_decided_to_otel_traces_sampled_out TO otel_traces_sampled_out AS
SELECT * EXCEPT (Weight) FROM otel_traces_decided WHERE Weight = '';
