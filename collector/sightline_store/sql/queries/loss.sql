-- Did every numbered span arrive? Per service: the highest number of each process, summed, against what is stored.
-- A span is numbered when it begins and comes when it has ended, so only minutes that are over are compared;
-- what the last minutes brought is a column of its own. A process that was killed may have numbered spans that it never sent: those show
-- once a later one of it arrives.
WITH toStartOfMinute(now() - 90) AS settled
SELECT
    service,
    count() AS instances,
    sum(highest) AS emitted,
    sum(stored) AS stored_spans,
    sum(greatest(toInt64(highest) - toInt64(stored), 0)) AS lost,
    sum(greatest(toInt64(stored) - toInt64(highest), 0)) AS doubled,
    sum(recent) AS recent_spans,
    toUnixTimestamp(min(first_seen)) AS first_seen_s,
    toUnixTimestamp(max(last_seen)) AS last_seen_s
FROM
(
    SELECT
        toString(ServiceName) AS service, InstanceId,
        maxIf(HighestSequence, Minute < settled) AS highest, sumIf(Spans, Minute < settled) AS stored,
        sumIf(Spans, Minute >= settled) AS recent,
        min(FirstSeen) AS first_seen, max(LastSeen) AS last_seen
    FROM instances
    GROUP BY ServiceName, InstanceId
)
WHERE last_seen >= {from:DateTime64(3, 'UTC')} AND first_seen < {to:DateTime64(3, 'UTC')}
GROUP BY service
ORDER BY lost DESC, emitted DESC
