-- What do the traces of some requests hold? Their spans with questions, answers and passages, a trace a row.
WITH
    -- include: held_spans.sql
SELECT TraceId AS trace_id, spans FROM held
