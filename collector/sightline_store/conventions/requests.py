# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""Which span of a trace is a request: the one that answers somebody, once, whatever instrumentations are around it.

A span's `RequestRank` says how sure that is by the span alone (`request_ranks`). Of a trace, the spans of the highest rank are its requests;
where that is `BACKGROUND`, it has none. Of marked spans and of those below an unknown parent, one that lies within another
of its rank is none. The view that fills `requests` applies that to the spans of an INSERT, and `settle` to traces that came
in several. docs/adr/012-one-call-one-request.md has the cases.
"""

from __future__ import annotations

from sightline_store.conventions.request_ranks import BACKGROUND, IS_CANDIDATE, ROOT, TOPMOST
from sightline_store.conventions.sql_expressions import OTHER_CLOCK_NS, SAME_CLOCK_NS, value_of

IS_BACKGROUND_STAGE = f"RequestRank = {BACKGROUND} AND Kind IN ('', 'workflow')"
"""Whether a span is a stage named 'background', since its kind names none."""

BACKGROUND_STAGES = "ParentSpanId = '' AND Stage NOT IN ('model', 'search')"
"""The condition on `stages` under which a row stands for a span of the rank `BACKGROUND`, unless it is a request."""


ENDED = "toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6)"
"""When a span ended, in ns."""

_BEFORE = "(PARTITION BY TraceId, RequestRank ORDER BY Timestamp, ended DESC, SpanId ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"

OF_THE_TRACE = f"""\
max(RequestRank) OVER (PARTITION BY TraceId) AS top_rank,
        max(ended) OVER {_BEFORE} AS outer_end,
        argMax(ServiceName, ended) OVER {_BEFORE} AS outer_service"""
"""What `IS_TOP` needs to know of the other spans of the trace. The row has `ended`.

Of the spans of its rank that began before, the one that ends last is the one that a span lies within, if it lies in any.
"""

IS_TOP = f"""\
RequestRank = top_rank AND multiIf(
    RequestRank = {ROOT}, true,
    RequestRank = {BACKGROUND}, false,
    RequestRank = {TOPMOST}, outer_end = 0,
    outer_end + if(outer_service = ServiceName, {SAME_CLOCK_NS}, {OTHER_CLOCK_NS}) < ended)"""
"""Whether a span is a request."""


_WHOSE = ("Tenant", "UserId", "SessionId")


def select() -> str:
    """The statement that fills `requests` from spans_canonical.

    A span that is no request, such as a root around the marked one, may be the one that knows whose the request is.
    """
    passed = (
        "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Name, Convention, StatusCode, ErrorType, DurationMs, "
        "TtftMs, TtftDefinition, RequestRank, StoredAt"
    )
    of_trace = ",\n        ".join(
        f"maxIf({name}, {IS_CANDIDATE}) OVER (PARTITION BY TraceId) AS trace_{name}" for name in _WHOSE
    )
    whose = ", ".join(f"if({name} = '' AND TraceId != '', trace_{name}, {name}) AS {name}" for name in _WHOSE)
    return f"""\
SELECT
    {passed}, Route, HttpStatus, Outcome, {whose}
FROM
(
    SELECT
        {passed}, Tenant, UserId, SessionId,
        {value_of("route")} AS Route,
        toUInt16OrZero({value_of("http_status")}) AS HttpStatus,
        {value_of("outcome")} AS Outcome,
        {ENDED} AS ended,
        {OF_THE_TRACE},
        {of_trace}
    FROM spans_canonical
    WHERE RequestRank > 0
)
WHERE if(TraceId = '', RequestRank != {BACKGROUND}, {IS_TOP})"""
