-- By which column is each table of the database cut into a window of time?
SELECT table, argMin(name, position) AS time_column
FROM system.columns
WHERE database = currentDatabase() AND (type LIKE 'DateTime%' OR type = 'Date')
    AND name IN ('Timestamp', 'TimeUnix', 'Start', 'Minute', 'Hour', 'ReadAt', 'ValidFrom')
GROUP BY table
ORDER BY table
