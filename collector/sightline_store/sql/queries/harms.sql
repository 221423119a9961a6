-- What was broken on purpose, and when: marks of `sightline-app chaos`. Value is 1 where a harm begins, 0 where it is undone.
SELECT
    toString(Label) AS subject,
    if(Value = 1, 'begins', 'ends') AS phase,
    JSONExtractString(Explanation, 'sentence') AS told,
    toUnixTimestamp64Milli(Timestamp) AS at_ms
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} AND Name = 'mark.chaos'
ORDER BY at_ms, subject
LIMIT {limit:UInt64}
