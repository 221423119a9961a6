-- Can a classifier tell the queries of one window from those of another by their sketches? One row a comparison and half of the traces.
-- Half of the traces, by a hash, teach it the direction between the two means (diagonal linear discriminant); auc is how well it
-- orders the other half, which it has not seen, so that 0.5 is chance whatever the sample. centroid_shift is the distance of the means in
-- standard deviations of the reference, without what chance adds to it; 0 where chance explains it all.
WITH
    searches AS
    (
        SELECT comparison, is_current, TraceHash % 2 AS half, arrayMap(x -> x / 127, vector) AS v
        FROM
        (
            -- include: drift_searches.sql
        )
        WHERE notEmpty(vector)
    ),
    directions AS
    (
        SELECT
            comparison, half,
            avgForEachIf(v, is_current) AS c, avgForEachIf(v, NOT is_current) AS r,
            arrayMap((a, b, spread) -> (a - b) / (spread + 1e-6), c, r, varSampForEach(v)) AS w
        FROM searches
        GROUP BY comparison, half
    )
SELECT
    comparison, half,
    countIf(NOT is_current) AS reference_n, countIf(is_current) AS current_n,
    arrayROCAUC(groupArray(dotProduct(w, v)), groupArray(toUInt8(is_current))) AS auc,
    arraySum(varSampForEachIf(v, NOT is_current)) AS reference_variance,
    arraySum(varSampForEachIf(v, is_current)) AS current_variance,
    L2SquaredDistance(avgForEachIf(v, NOT is_current), avgForEachIf(v, is_current)) AS squared_distance,
    sqrt(greatest(0, squared_distance - reference_variance / reference_n - current_variance / current_n) / greatest(reference_variance, 1e-9)) AS centroid_shift
FROM searches AS s
INNER JOIN (SELECT comparison, 1 - half AS half, w FROM directions WHERE notEmpty(c) AND notEmpty(r)) AS d USING (comparison, half)
WHERE length(w) = length(v)
GROUP BY comparison, half
HAVING reference_n > 1 AND current_n > 1
ORDER BY comparison, half
LIMIT 2000
