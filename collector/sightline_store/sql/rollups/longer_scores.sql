-- Hours out of minutes, or days out of hours.
INSERT INTO rollup_scores
SELECT
    {period:UInt32}, begin, {version:UInt64}, By, Tenant, Route, Name, sum(Valued), sum(Failed), sum(PartCount), sum(ValueSum),
    stddevSampStableMergeState(Spread), groupUniqArrayArray(4)(Judges), groupUniqArrayArray(4)(Notes),
    arraySlice(arraySort(groupArrayArray(Lowest)), 1, 50), Model
FROM
-- include: shorter_periods.sql
GROUP BY begin, By, Tenant, Route, Model, Name
LIMIT {limit:UInt32} BY begin, By
