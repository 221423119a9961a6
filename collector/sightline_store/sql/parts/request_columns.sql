-- The columns of a request in a list.
TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Milli(Timestamp) AS started_ms, toString(ServiceName) AS service,
toString(Name) AS name, toString(Route) AS route_name, toString(Tenant) AS tenant_name, UserId AS user_id,
SessionId AS session_id,
-- include: failed.sql
OR HttpStatus >= 500 AS failed, toString(ErrorType) AS error_type,
HttpStatus AS http_status, TtftMs AS ttft_ms, toString(TtftDefinition) AS ttft_definition, DurationMs AS total_ms,
