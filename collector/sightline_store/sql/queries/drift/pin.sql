-- Which window was pinned under a name? The newest one; no row where there is none.
SELECT JSONExtractInt(Explanation, 'from_ms') AS from_ms, JSONExtractInt(Explanation, 'to_ms') AS to_ms
FROM scores
WHERE Name = 'drift.pin' AND Label = {name:String}
ORDER BY Timestamp DESC
LIMIT 1
