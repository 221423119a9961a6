-- When does the data of a window begin? NULL where it holds none. Charts begin there and not where the window does.
SELECT toUnixTimestamp64Milli(minOrNull(first)) AS first_ms
FROM
(
    SELECT min(Timestamp) AS first FROM requests WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} HAVING count() > 0
    UNION ALL
    SELECT min(Timestamp) AS first FROM llm_calls WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} HAVING count() > 0
    UNION ALL
    SELECT min(Timestamp) AS first FROM retrievals WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} HAVING count() > 0
    UNION ALL
    SELECT min(Timestamp) AS first FROM embeddings WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} HAVING count() > 0
)
