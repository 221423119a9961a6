-- Which answers are to be read by a person next? Those that this reviewer has not reviewed, and fewer than `most` others have.
-- queue: lowest (by groundedness), disagreement (of two judges, the widest first), complaints (of users, the newest first);
-- random is in review_random.sql. Scores given since the beginning of the window count.
-- First which answers stand on the page, by the columns that order them, then the rest of those. Most traces have no such scores.
WITH
    (
        SELECT groupArray((trace, asked, groundedness, spread, complaints, complaint, reviewers, waiting, 1))
        FROM
        (
            SELECT
                r.TraceHash AS trace, r.asked AS asked, s.groundedness AS groundedness, s.spread AS spread,
                s.complaints AS complaints, s.complaint AS complaint, s.reviewers AS reviewers, count() OVER () AS waiting
            FROM
            (
                SELECT TraceHash, min(Timestamp) AS asked
                FROM requests
                WHERE
                    -- include: review_scored.sql
                    AND
                    -- include: of_requests.sql
                GROUP BY TraceHash
            ) AS r
            INNER JOIN
            (
                -- include: review_scores.sql
            ) AS s USING (TraceHash)
            WHERE NOT has(s.reviewers, {reviewer:String}) AND length(s.reviewers) < {most:UInt8}
                AND multiIf(
                    {queue:String} = 'lowest', isNotNull(s.groundedness),
                    {queue:String} = 'disagreement', s.judges > 1 AND s.spread > 0,
                    s.complaints > 0)
            ORDER BY
                multiIf(
                    {queue:String} = 'lowest', ifNull(groundedness, 0),
                    {queue:String} = 'disagreement', -ifNull(spread, 0),
                    -toFloat64(toUnixTimestamp64Milli(asked))),
                asked DESC, trace
            LIMIT {limit:UInt32}
        )
    ) AS page,
    -- include: review_rows.sql
