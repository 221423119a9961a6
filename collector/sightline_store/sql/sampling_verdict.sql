-- Which traces of a segment are kept whole, and how many of its spans are sampled out then? An error or a slow span in any
-- segment since `since` keeps a trace; salt and below decide on the others. traces is 0 where the segment was not noted.
SELECT
    arraySort(groupArrayIf(TraceId, whole AND TraceId != '')) AS whole_traces,
    sumIf(spans, NOT whole AND TraceId != '' AND sipHash64(concat({salt:String}, TraceId)) >= {below:UInt64}) AS sampled_out,
    count() AS traces
FROM
(
    SELECT
        TraceId,
        any(Spans) AS spans,
        TraceId IN (
            SELECT TraceId FROM trace_notes
            WHERE IsWhole AND Segment >= {since:String} AND TraceId IN (SELECT TraceId FROM trace_notes WHERE Segment = {segment:String})
        ) AS whole
    FROM trace_notes
    WHERE Segment = {segment:String}
    GROUP BY TraceId
)
