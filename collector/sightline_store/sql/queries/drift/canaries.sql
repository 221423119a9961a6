-- What do canary questions find now, beside what they found before? One row a canary that was asked in the current window and in the reference.
-- A canary is a question that `sightline-evals drift --ask` asks at intervals: a score 'drift.canary' on its trace says which it was. The newest answer
-- counts as the current one, the newest ten of the reference as the ones before. Overlaps are shares of the first `depth` documents.
WITH
    asked AS
    (
        SELECT
            Timestamp, TraceHash, toString(Note) AS canaries, toString(Label) AS canary,
            JSONExtractString(Explanation, 'question') AS question,
            JSONExtract(Explanation, 'expected', 'Array(String)') AS expected
        FROM scores
        WHERE Name = 'drift.canary' AND Value = 1 AND TraceHash != cityHash64('') AND
            -- include: drift_windows.sql
    ),
    found AS
    (
        SELECT TraceHash, argMin(arraySlice(DocumentIds, 1, {depth:UInt32}), Timestamp) AS documents, argMin(TraceId, Timestamp) AS trace_id
        FROM retrievals
        WHERE Timestamp >= {reference_from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {current_to:DateTime64(3, 'UTC')}
            AND TraceHash IN (SELECT TraceHash FROM asked) AND StatusCode != 'Error'
        GROUP BY TraceHash
    )
SELECT
    canaries, canary,
    argMax(question, Timestamp) AS text,
    argMaxIf(expected, Timestamp, is_current) AS wanted,
    argMaxIf(documents, Timestamp, is_current) AS current_documents,
    argMaxIf(trace_id, Timestamp, is_current) AS current_trace_id,
    arrayMap(pair -> pair.2, arraySlice(arrayReverseSort(groupArrayIf((Timestamp, documents), NOT is_current)), 1, 10)) AS before,
    arrayMap(ids -> length(arrayIntersect(ids, current_documents)) / greatest(1, length(ids), length(current_documents)), before) AS overlaps,
    arrayMap((a, b) -> length(arrayIntersect(a, b)) / greatest(1, length(a), length(b)), arrayPopBack(before), arrayPopFront(before)) AS overlaps_before,
    if(empty(wanted), NULL, length(arrayIntersect(wanted, current_documents)) / length(wanted)) AS recall,
    arrayMap(ids -> length(arrayIntersect(wanted, ids)) / greatest(1, length(wanted)), before) AS recalls_before
FROM
(
    SELECT
        a.Timestamp AS Timestamp, a.canaries AS canaries, a.canary AS canary, a.question AS question, a.expected AS expected,
        f.documents AS documents, f.trace_id AS trace_id, a.Timestamp >= {current_from:DateTime64(3, 'UTC')} AS is_current
    FROM asked AS a
    INNER JOIN found AS f ON f.TraceHash = a.TraceHash
)
GROUP BY canaries, canary
HAVING countIf(is_current) > 0 AND countIf(NOT is_current) > 0
ORDER BY canaries, canary
LIMIT {limit:UInt32}
