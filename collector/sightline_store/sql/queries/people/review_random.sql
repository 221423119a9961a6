-- Which answers are to be read by a person next, in an order that depends on nothing else? As review_queue.sql, of all requests.
-- First how many there are and the first of their places in the order, which takes the least memory, then which these are.
-- Of more requests than sampled_requests the traces in the first places alone are read, one in `sampled`: waiting is so many times theirs.
WITH
    (
        SELECT toUInt64(exp2(ceil(log2(greatest(1, count() / {sampled_requests:UInt64})))))
        FROM requests
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    ) AS one_in,
    (
        SELECT (count() * one_in, groupArraySorted({limit:UInt32})(cityHash64(TraceHash, 'review')))
        FROM
        (
            SELECT TraceHash
            FROM requests
            WHERE TraceHash != cityHash64('') AND
                -- include: review_sampled.sql
                AND
                -- include: of_requests.sql
            GROUP BY TraceHash
        )
        WHERE TraceHash NOT IN (
            SELECT TraceHash
            FROM scores
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'review' AND Source = 'human'
            GROUP BY TraceHash
            HAVING has(groupUniqArray(toString(Judge)) AS reviewers, {reviewer:String}) OR length(reviewers) >= {most:UInt8})
    ) AS waiting_places,
    (
        SELECT groupArray((trace, asked, groundedness, spread, complaints, complaint, reviewers, waiting_places.1, one_in))
        FROM
        (
            SELECT
                r.TraceHash AS trace, r.asked AS asked, s.groundedness AS groundedness, s.spread AS spread,
                s.complaints AS complaints, s.complaint AS complaint, s.reviewers AS reviewers
            FROM
            (
                SELECT TraceHash, min(Timestamp) AS asked
                FROM requests
                WHERE cityHash64(TraceHash, 'review') IN (SELECT arrayJoin(waiting_places.2)) AND TraceHash != cityHash64('') AND
                    -- include: of_requests_of_all_models.sql
                GROUP BY TraceHash
            ) AS r
            LEFT JOIN
            (
                SELECT *
                FROM
                (
                    -- include: review_scores.sql
                )
                WHERE cityHash64(TraceHash, 'review') IN (SELECT arrayJoin(waiting_places.2))
            ) AS s USING (TraceHash)
            ORDER BY cityHash64(trace, 'review'), trace
            LIMIT {limit:UInt32}
        )
    ) AS page,
    -- include: review_rows.sql
