-- The columns of a list of answers by one score, of the scores s and their requests r.
s.TraceId AS trace_id, {name:String} AS name, r.SpanId AS span_id, s.value AS value, s.label AS label, s.explanation AS explanation,
s.judge AS judge, s.judge_version AS judge_version, s.error_type AS error_type, toUnixTimestamp64Milli(r.Asked) AS asked_ms,
r.tenant AS tenant_name
