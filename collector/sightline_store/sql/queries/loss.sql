-- Did every numbered span arrive? Per service: the highest number of each process, summed, against what is stored.
-- A process that was killed may have numbered spans that it never sent: those show once a later one of it arrives.
SELECT
    service,
    count() AS instances,
    sum(highest) AS emitted,
    sum(stored) AS stored_spans,
    sum(greatest(toInt64(highest) - toInt64(stored), 0)) AS lost,
    sum(greatest(toInt64(stored) - toInt64(highest), 0)) AS doubled,
    toUnixTimestamp(min(first_seen)) AS first_seen_s,
    toUnixTimestamp(max(last_seen)) AS last_seen_s
FROM
(
    SELECT
        toString(ServiceName) AS service, InstanceId, max(HighestSequence) AS highest, sum(Spans) AS stored,
        min(FirstSeen) AS first_seen, max(LastSeen) AS last_seen
    FROM instances
    GROUP BY ServiceName, InstanceId
)
WHERE last_seen >= {from:DateTime64(3, 'UTC')} AND first_seen < {to:DateTime64(3, 'UTC')}
GROUP BY service
ORDER BY lost DESC, emitted DESC
