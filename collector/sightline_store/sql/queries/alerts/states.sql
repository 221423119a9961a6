-- In which state is each rule? One row a rule: its newest phase.
SELECT
    toString(Rule) AS rule, Episode AS episode, toString(Status) AS status,
    toUnixTimestamp64Milli(Since) AS since_ms, toUnixTimestamp64Milli(SeenAt) AS seen_ms,
    toUnixTimestamp64Milli(BreachedSince) AS breached_since_ms, toUnixTimestamp64Milli(ClearSince) AS clear_since_ms,
    toUnixTimestamp64Milli(ResolvedAt) AS resolved_ms,
    Value AS value, Peak AS peak, Threshold AS threshold, Events AS events,
    toString(Severity) AS severity, Channels AS channels, Sentence AS sentence, Definition AS definition
FROM alert_events
ORDER BY WrittenAt DESC, SeenAt DESC, Episode DESC
LIMIT 1 BY Rule
