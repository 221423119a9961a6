-- The same without views: whether ClickHouse can read a request is tried here.
CREATE TABLE otlp_traces_check AS otlp_traces ENGINE = Null;
