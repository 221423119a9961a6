CREATE TABLE otel_traces_decided ENGINE = Null EMPTY AS SELECT *, '' AS Weight FROM otel_traces;
