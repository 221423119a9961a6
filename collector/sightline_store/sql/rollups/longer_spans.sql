-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_spans
SELECT {period:UInt32}, begin, {version:UInt64}, By, Tenant, Service, sum(Spans)
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Service
LIMIT {limit:UInt32} BY begin, By
