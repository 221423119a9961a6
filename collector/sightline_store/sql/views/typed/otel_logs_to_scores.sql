CREATE MATERIALIZED VIEW otel_logs_to_scores TO scores AS
WITH toFloat64OrNull(LogAttributes['gen_ai.evaluation.score.value']) AS value
SELECT
    Timestamp, TraceId, SpanId, ServiceName,
    LogAttributes['gen_ai.evaluation.name'] AS Name,
    if(isFinite(value), value, NULL) AS Value,
    LogAttributes['gen_ai.evaluation.score.label'] AS Label,
    LogAttributes['gen_ai.evaluation.explanation'] AS Explanation,
    LogAttributes['sightline.evaluation.judge'] AS Judge,
    LogAttributes['sightline.evaluation.judge_version'] AS JudgeVersion,
    LogAttributes['sightline.evaluation.run.id'] AS RunId,
    LogAttributes['sightline.evaluation.source'] AS Source,
    LogAttributes['sightline.evaluation.note'] AS Note,
    LogAttributes['error.type'] AS ErrorType,
    -- A score of its own, whatever else is said of the span: `settle` takes none for a copy.
    toDateTime64(0, 6) AS StoredAt
FROM otel_logs
WHERE EventName = 'gen_ai.evaluation.result' OR LogAttributes['event.name'] = 'gen_ai.evaluation.result';
