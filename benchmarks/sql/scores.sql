-- Scores of one trace in ten of traces.sql, by a judge and by code, given ten minutes after the question.
INSERT INTO otel_logs (Timestamp, TraceId, SpanId, ServiceName, EventName, LogAttributes)
WITH (n, salt) -> (sipHash64(n, salt) % 1000000007 + 0.5) / 1000000007 AS u
SELECT
    fromUnixTimestamp64Nano(toUnixTimestamp64Nano({start:DateTime64(3, 'UTC')}) + toInt64(u(n, 1) * {seconds:UInt32} * 1e9) + 600000000000, 'UTC'),
    lower(hex(sipHash128(n, 'trace'))),
    leftPad(lower(hex(sipHash64(n, 'root'))), 16, '0'),
    'sightline-evals',
    'gen_ai.evaluation.result',
    mapFilter((k, v) -> v != '', map(
        'gen_ai.evaluation.name', name,
        'gen_ai.evaluation.score.value', multiIf(u(n, 50) < 0.02 AND name = 'faithfulness', '', name = 'retrieval_hit_at_5', if(u(n, 51) < 0.9, '1', '0'), toString(round(sqrt(u(n, 52)), 3))),
        'gen_ai.evaluation.explanation', 'each statement of the answer was held against the passages that it was written from',
        'error.type', if(u(n, 50) < 0.02 AND name = 'faithfulness', 'JudgeFailed', ''),
        'sightline.evaluation.judge', if(name = 'retrieval_hit_at_5', 'code', 'lexical'),
        'sightline.evaluation.judge_version', '1',
        'sightline.evaluation.run.id', concat('run-', toString(n % 30)),
        'sightline.evaluation.source', if(name = 'retrieval_hit_at_5', 'code', 'ragas')))
FROM
(
    SELECT number AS n, arrayJoin(['faithfulness', 'context_precision', 'retrieval_hit_at_5']) AS name
    FROM numbers({first:UInt64}, {traces:UInt64})
    WHERE sipHash64(number, 'scored') % 10 = 0
)
SETTINGS max_insert_threads = 1, max_partitions_per_insert_block = 0
