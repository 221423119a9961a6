-- Which passages do searches return most, and where do they rank? The share is of the searches that
-- returned anything. Passages without an id cannot be told from each other and are not here.
-- First which passages these are, then the search that found each last: ids of traces are long, and most are of none of these.
-- Of a window with more than sampled_searches those of some half hours are read, one of each `sampled` in turn, by a hash: ids of
-- passages can be skipped only where they lie together. hits is then that many times theirs; `searches` says how many
-- were read that returned anything.
WITH
    (
        SELECT toUInt32(exp2(ceil(log2(greatest(1, count() / {sampled_searches:UInt64})))))
        FROM retrievals
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    ) AS one_in,
    intDiv(toUInt32(toDateTime({from:DateTime64(3, 'UTC')})), 300) AS first_five,
    (
        SELECT groupArray((document_id, hits, share, mean_rank, mean_score, found, searches))
        FROM
        (
            SELECT
                document_id,
                count() * one_in AS hits,
                sum(countIf(rank = 1)) OVER () AS searches,
                count() / searches AS share,
                avg(rank) AS mean_rank,
                avgOrNull(score) AS mean_score,
                max(Timestamp) AS found
            FROM
            (
                SELECT Timestamp, DocumentIds, Scores
                FROM retrievals
                WHERE (one_in = 1 OR toStartOfFiveMinutes(Timestamp) IN (
                        SELECT toDateTime(300 * (first_five + number), 'UTC')
                        FROM numbers(intDiv(toUInt32(toDateTime({to:DateTime64(3, 'UTC')})), 300) - first_five + 1)
                        WHERE intDiv(first_five + number, 6) % one_in = cityHash64(intDiv(first_five + number, 6 * one_in)) % one_in))
                    AND
                    -- include: of_stages.sql
            )
            ARRAY JOIN DocumentIds AS document_id, Scores AS score, arrayEnumerate(DocumentIds) AS rank
            WHERE document_id != ''
            GROUP BY document_id
            ORDER BY hits DESC, document_id
            LIMIT {limit:UInt32}
        )
    ) AS passages
SELECT
    passage.1 AS document_id, passage.2 AS hits, passage.3 AS share, passage.4 AS mean_rank, passage.5 AS mean_score, trace_id,
    toUnixTimestamp64Milli(passage.6) AS found_ms, one_in AS sampled, passage.7 AS searches
FROM
(
    SELECT arrayJoin(passages) AS passage
) AS p
INNER JOIN
(
    SELECT document_id, Timestamp AS found, any(TraceId) AS trace_id
    FROM retrievals
    ARRAY JOIN DocumentIds AS document_id
    WHERE toStartOfFiveMinutes(Timestamp) IN (SELECT toStartOfFiveMinutes(arrayJoin(passages).6))
        AND Timestamp IN (SELECT arrayJoin(passages).6) AND document_id IN (SELECT arrayJoin(passages).1)
        AND ({tenant:String} = '' OR Tenant = {tenant:String})
    GROUP BY document_id, found
) AS s ON passage.1 = s.document_id AND passage.6 = s.found
ORDER BY hits DESC, document_id
