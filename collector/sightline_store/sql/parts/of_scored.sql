-- Requests whose answers have scores: of a long stretch few, so that no others are grouped.
AND TraceHash IN (
    SELECT TraceHash FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash != cityHash64('') AND NOT startsWith(Name, 'drift.'))
