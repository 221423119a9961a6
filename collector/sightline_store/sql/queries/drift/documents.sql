-- Do searches of two windows return the same documents? One row a comparison, with its permutation null.
-- Each list has at its first place the value of the windows as they are, behind it those of 128 random divisions of the same traces into two
-- groups of about those sizes. chi_square: sum of squared differences of a document's hits from what the sizes give it, over their
-- variance. moved: share of hits that one window would have to move to become the other (total variation distance).
WITH
    hits AS
    (
        SELECT
            comparison, is_current, TraceHash,
            arrayDistinct(arrayMap(id -> cityHash64(id), arrayFilter(id -> id != '', arraySlice(DocumentIds, 1, {depth:UInt32})))) AS documents,
            countIf(is_current) OVER (PARTITION BY comparison) / count() OVER (PARTITION BY comparison) AS share
        FROM
        (
            -- include: drift_searches.sql
        )
        WHERE notEmpty(DocumentIds)
    ),
    divided AS
    (
        SELECT
            comparison, documents, is_current,
            arrayConcat([toUInt32(is_current)], arrayMap(i -> toUInt32(cityHash64(TraceHash, i) % 65536 < share * 65536), range(128))) AS groups
        FROM hits
    ),
    counted AS
    (
        SELECT comparison, document, count() AS n, sumForEach(groups) AS current
        FROM divided ARRAY JOIN documents AS document
        GROUP BY comparison, document
    ),
    totals AS
    (
        SELECT
            comparison, countIf(NOT is_current) AS reference_n, countIf(is_current) AS current_n,
            sum(length(documents)) AS n, sumForEach(arrayMap(x -> x * length(documents), groups)) AS current
        FROM divided
        GROUP BY comparison
    )
SELECT
    c.comparison AS comparison,
    any(t.reference_n) AS reference_n, any(t.current_n) AS current_n,
    count() AS documents,
    countIf(c.current[1] = 0) AS only_reference, countIf(c.current[1] = c.n) AS only_current,
    sumForEach(arrayMap((k, whole) -> pow(k - c.n * whole / t.n, 2) / greatest(1e-9, c.n * (whole / t.n) * (1 - whole / t.n)), c.current, t.current)) AS chi_square,
    arrayMap(x -> x / 2, sumForEach(arrayMap((k, whole) -> abs(k / greatest(whole, 1) - (c.n - k) / greatest(t.n - whole, 1)), c.current, t.current))) AS moved
FROM counted AS c
INNER JOIN totals AS t USING (comparison)
GROUP BY comparison
HAVING reference_n > 1 AND current_n > 1
ORDER BY comparison
LIMIT 2000
