-- Which rules are silent, or will be, at a moment (`from`), until when, and why? '*' is every rule.
SELECT
    Id AS id, toString(Rule) AS rule, toUnixTimestamp64Milli(BeginsAt) AS begins_ms, toUnixTimestamp64Milli(EndsAt) AS ends_ms,
    Reason AS reason, toString(Author) AS author
FROM alert_silences FINAL
WHERE EndsAt > {from:DateTime64(3, 'UTC')}
ORDER BY begins_ms, rule, id
