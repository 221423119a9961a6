CREATE TABLE otel_traces_sampled_out ENGINE = Null EMPTY AS SELECT * FROM otel_traces;
