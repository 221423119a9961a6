-- What became of telling channels about the phases of rules, since a moment? One row a phase and channel.
SELECT
    toString(Rule) AS rule, Episode AS episode, toString(Status) AS status, toString(Channel) AS channel,
    toString(State) AS state, Attempts AS attempts, toUnixTimestamp64Milli(NextAt) AS next_ms, Problem AS problem,
    toUnixTimestamp64Milli(WrittenAt) AS written_ms
FROM alert_deliveries FINAL
WHERE WrittenAt >= {from:DateTime64(3, 'UTC')}
ORDER BY written_ms, rule, episode, status, channel
