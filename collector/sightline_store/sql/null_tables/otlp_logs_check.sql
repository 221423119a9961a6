CREATE TABLE otlp_logs_check AS otlp_logs ENGINE = Null;
