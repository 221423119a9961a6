-- What the collectors received and put into the store's tables in the window, by service.name, and which of these spans
-- are rows. Received and shipped go by the time of arrival, rows and sampled out ones by the time of the span: they differ
-- at the edges.
WITH stored AS
(
    SELECT toString(ServiceName) AS service, count() AS spans
    FROM otel_traces
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    GROUP BY ServiceName
)
-- include: collected_and_stored.sql
