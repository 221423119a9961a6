-- What was one trace's answer scored, by whom and why? Every score given, the newest first.
SELECT
    toUnixTimestamp64Milli(Timestamp) AS given_ms,
    SpanId AS span_id,
    toString(Name) AS name,
    Value AS value,
    toString(Label) AS label,
    if({content:UInt8}, Explanation, 'hidden') AS explanation,
    toString(Judge) AS judge,
    toString(JudgeVersion) AS judge_version,
    toString(RunId) AS run_id,
    toString(Source) AS source,
    toString(Note) AS note,
    toString(ErrorType) AS error_type
FROM scores
WHERE TraceId = {trace_id:String}
ORDER BY Timestamp DESC
LIMIT {limit:UInt32}
