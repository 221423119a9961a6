-- Which traces of a segment are kept whole, and how many of its spans are sampled out then? An error or a slow span in any
-- segment since `since` keeps a trace; salt and below decide on the others. traces is 0 where the segment was not noted.
-- late: spans whose trace was in a segment before `decided`, on which the verdict had been given when they came.
SELECT
    arraySort(groupArrayIf(TraceId, whole AND TraceId != '')) AS whole_traces,
    sumIf(spans, NOT whole AND TraceId != '' AND sipHash64(concat({salt:String}, TraceId)) >= {below:UInt64}) AS sampled_out,
    sumIf(spans, late AND TraceId != '') AS late,
    count() AS traces
FROM
(
    SELECT
        TraceId,
        any(Spans) AS spans,
        TraceId IN (
            SELECT TraceId FROM trace_notes
            WHERE IsWhole AND Segment >= {since:String} AND TraceId IN (SELECT TraceId FROM trace_notes WHERE Segment = {segment:String})
        ) AS whole,
        TraceId IN (
            SELECT TraceId FROM trace_notes
            WHERE Segment >= {since:String} AND Segment < {decided:String}
                AND TraceId IN (SELECT TraceId FROM trace_notes WHERE Segment = {segment:String})
        ) AS late
    FROM trace_notes
    WHERE Segment = {segment:String}
    GROUP BY TraceId
)
