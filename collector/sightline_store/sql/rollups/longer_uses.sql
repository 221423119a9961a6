-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_uses
SELECT {period:UInt32}, begin, {version:UInt64}, By, Tenant, Kind, Subject, Value, sum(Uses), min(FirstMs)
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Kind, Subject, Value
LIMIT {limit:UInt32} BY begin, By
