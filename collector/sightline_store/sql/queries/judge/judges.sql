-- Which judges gave a score since a moment, and of how many traces? The one with most traces first.
SELECT toString(Judge) AS judge, toString(JudgeVersion) AS judge_version, uniq(TraceHash) AS traces
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = {name:String} AND Source != 'human' AND Value IS NOT NULL AND TraceHash != cityHash64('')
GROUP BY judge, judge_version
ORDER BY traces DESC, judge, judge_version
LIMIT {limit:UInt32}
