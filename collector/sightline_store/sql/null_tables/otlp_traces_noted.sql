-- What each segment knows of its traces, noted when it is closed and asked when its window is over. IsWhole: it holds an
-- error or a slow span, so all of the trace is kept. Noting a segment twice changes no answer.
CREATE TABLE otlp_traces_noted
(
    resource_spans Array(Tuple(scope_spans Array(Tuple(spans Array(Tuple(
        trace_id String, start_time_unix_nano UInt64, end_time_unix_nano UInt64, status Tuple(code Int32))))))),
    sampling Tuple(segment String, slow_ns UInt64)
)
ENGINE = Null;
