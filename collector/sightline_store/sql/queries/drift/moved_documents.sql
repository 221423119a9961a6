-- Which documents moved most between two windows of one comparison? Shares are of the searches of a window that returned anything.
WITH searches AS
(
    SELECT is_current, arrayDistinct(arraySlice(DocumentIds, 1, {depth:UInt32})) AS documents,
        countIf(is_current) OVER () AS current_n, countIf(NOT is_current) OVER () AS reference_n
    FROM
    (
        -- include: drift_searches.sql
    )
    WHERE notEmpty(DocumentIds)
)
SELECT
    document_id,
    countIf(NOT is_current) / greatest(1, any(reference_n)) AS reference_share,
    countIf(is_current) / greatest(1, any(current_n)) AS current_share
FROM searches
ARRAY JOIN documents AS document_id
WHERE document_id != ''
GROUP BY document_id
ORDER BY abs(current_share - reference_share) DESC, document_id
LIMIT {limit:UInt32}
