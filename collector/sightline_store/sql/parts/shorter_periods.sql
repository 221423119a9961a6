-- The periods that longer ones are made of, each as it was made last; begin is where the longer one begins.
(
    SELECT *, toDateTime(intDiv(toUnixTimestamp(Start), {period:UInt32}) * {period:UInt32}, 'UTC') AS begin
    FROM {rollup:Identifier}
    WHERE Period = {shorter:UInt32} AND Start >= toDateTime({from_s:UInt32}, 'UTC') AND Start < toDateTime({to_s:UInt32}, 'UTC')
        AND toUnixTimestamp(begin) IN {starts:Array(UInt32)}
        AND (Start, Version) IN (
            SELECT Start, max(Version)
            FROM rollup_periods
            WHERE Period = {shorter:UInt32} AND Start >= toDateTime({from_s:UInt32}, 'UTC') AND Start < toDateTime({to_s:UInt32}, 'UTC')
            GROUP BY Start)
)
