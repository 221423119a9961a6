-- Which phases of rules that people are told about, firing and resolved ones, began in the window? The newest first.
SELECT
    toString(Rule) AS rule, Episode AS episode, toString(Status) AS status,
    toUnixTimestamp64Milli(Since) AS since_ms, toUnixTimestamp64Milli(SeenAt) AS seen_ms,
    toUnixTimestamp64Milli(BreachedSince) AS breached_since_ms, toUnixTimestamp64Milli(ClearSince) AS clear_since_ms,
    toUnixTimestamp64Milli(ResolvedAt) AS resolved_ms,
    Value AS value, Peak AS peak, Threshold AS threshold, Events AS events,
    toString(Severity) AS severity, Channels AS channels, Sentence AS sentence, Definition AS definition
FROM alert_events FINAL
WHERE Since >= {from:DateTime64(3, 'UTC')} AND Since < {to:DateTime64(3, 'UTC')} AND Status IN ('firing', 'resolved')
ORDER BY since_ms DESC, rule, episode DESC, status
LIMIT {limit:UInt32}
