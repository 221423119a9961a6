-- Of each comparison and signal of `observed` (comparison, signal, is_current, x): how the values of both windows are
-- distributed. ks is the Kolmogorov-Smirnov statistic, wasserstein the area between the two cumulative distributions in units of x.
SELECT
    comparison, signal,
    sum(r) AS reference_n, sum(c) AS current_n,
    sum(r * x) / reference_n AS reference_mean, sum(c * x) / current_n AS current_mean,
    sqrt(greatest(0, sum(r * x * x) / reference_n - reference_mean * reference_mean)) AS reference_sd,
    sqrt(greatest(0, sum(c * x * x) / current_n - current_mean * current_mean)) AS current_sd,
    max(gap) AS ks, sum(gap * (next - x)) AS wasserstein,
    min(x) >= 0 AND max(x) <= 1 AND count() <= 2 AND countIf(x NOT IN (0, 1)) = 0 AS is_share
FROM
(
    SELECT
        comparison, signal, x, r, c,
        abs(sum(r) OVER below / greatest(1, sum(r) OVER whole) - sum(c) OVER below / greatest(1, sum(c) OVER whole)) AS gap,
        leadInFrame(x, 1, x) OVER whole AS next
    FROM
    (
        SELECT comparison, signal, x, toFloat64(countIf(NOT is_current)) AS r, toFloat64(countIf(is_current)) AS c
        FROM observed
        WHERE isFinite(x)
        GROUP BY comparison, signal, x
    )
    WINDOW
        below AS (PARTITION BY comparison, signal ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        whole AS (PARTITION BY comparison, signal ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
GROUP BY comparison, signal
ORDER BY comparison, signal
LIMIT 2000
