-- The exporter's own default name of this table (the shorter one is in its older configurations and dashboards).
CREATE VIEW otel_metrics_exponential_histogram AS SELECT * FROM otel_metrics_exp_histogram;
