-- The requests of a set of rows whose traces cost most, of calls_of_traces.sql: as sql/tables/027_dearest_requests.sql says.
groupArraySortedIf(50)(
    (-arraySum(counted), TraceHash, toUnixTimestamp64Nano(Timestamp)),
    notEmpty(counted) AND NOT isNaN(arraySum(counted)))
