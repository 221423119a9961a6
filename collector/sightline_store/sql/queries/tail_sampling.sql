-- How many spans did the collectors receive in the window, of how many did tail sampling leave no row, and how many came when
-- their trace had been decided on? All by the time of arrival.
SELECT
    sumIf(counted, name = 'sightline.collector.items.received') AS received_spans,
    sumIf(counted, name = 'sightline.collector.items.sampled_out') AS sampled_out_spans,
    sumIf(counted, name = 'sightline.collector.items.late') AS late_spans
FROM
(
    -- include: counted.sql
)
WHERE startsWith(name, 'sightline.collector.items.')
