-- The same without views: whether ClickHouse can read a request is tried here.
CREATE TABLE otlp_metrics_check AS otlp_metrics ENGINE = Null;
