-- Written by `python -m sightline_store.conventions.canonical` from the alias table (aliases.py): edit that.
CREATE MATERIALIZED VIEW spans_canonical_to_scores TO scores AS
SELECT
    Timestamp, TraceId, SpanId, ServiceName, score[1] AS Name,
    if(isFinite(toFloat64OrNull(score[2])), toFloat64OrNull(score[2]), NULL) AS Value,
    score[3] AS Label, score[4] AS Explanation, score[5] AS Judge, score[6] AS JudgeVersion, score[7] AS RunId,
    transform(score[8], ['HUMAN', 'LLM', 'CODE'], ['human', 'llm', 'code']) AS Source, score[9] AS Note, score[10] AS ErrorType, StoredAt
FROM
(
    SELECT
        Timestamp, TraceId, SpanId, ServiceName, StoredAt,
        arrayJoin(arrayConcat(
            arrayMap(a -> arrayMap(key -> a[key], ['gen_ai.evaluation.name', 'gen_ai.evaluation.score.value', 'gen_ai.evaluation.score.label', 'gen_ai.evaluation.explanation', 'sightline.evaluation.judge', 'sightline.evaluation.judge_version', 'sightline.evaluation.run.id', 'sightline.evaluation.source', 'sightline.evaluation.note', 'error.type']),
                arrayFilter((a, name) -> name = 'gen_ai.evaluation.result', EventAttributes, EventNames)),
            -- evaluations.N.evaluation.name and annotations.N.annotation.name, with their siblings.
            arrayMap(name -> arrayMap(end -> indexed_attributes[concat(substring(name, 1, length(name) - 4), end)], ['name', 'score', 'label', 'explanation', 'identifier', '-', '-', 'annotator_kind', '-', '-']),
                arrayFilter((key, value) -> value != '' AND match(key, '^(evaluations|annotations)\\.[0-9]+\\.(evaluation|annotation)\\.name$'),
                    mapKeys(indexed_attributes), mapValues(indexed_attributes))))) AS score
    FROM spans_canonical
    WHERE mapContains(column_values, 56) OR has(EventNames, 'gen_ai.evaluation.result')
);
