# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""Which span of a trace is a request: the one that answers somebody, once, whatever instrumentations are around it.

A span's `RequestRank` says how sure that is by the span alone: `MARKED`, `ROOT`, `BELOW_UNKNOWN` or 0. Of a trace, the
spans of the highest rank are its requests; of marked ones, and of those below an unknown parent, one that lies within
another of its rank is none. The view that fills `requests` applies that to the spans of an INSERT, and `settle` to
traces that came in several. docs/adr/012-one-call-one-request.md has the cases.
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.calls import NEIGHBOUR_ROWS, OTHER_CLOCK_NS, SAME_CLOCK_NS, STORED_AT
from sightline_store.conventions.sql_expressions import value_of
from sightline_store.quoting import quote_string, quote_strings

MARKED = 3
"""`sightline.stage` is 'request'."""

ROOT = 2
"""The span has no parent, and is no call to another service and no background work."""

BELOW_UNKNOWN = 1
"""A server's span with a parent: the request's top where a gateway or a browser began the trace and exports nothing."""

IS_BACKGROUND = "ParentSpanId = '' AND RequestRank = 0 AND Kind = 'workflow'"
"""Whether a span without a parent answers nobody, such as building an index, and is no stage by its kind."""


def request_rank() -> str:
    """The SQL of a span's rank, over the columns of the statement that fills spans_canonical."""
    return f"""\
multiIf(
        stage_attribute = 'request', {MARKED},
        logfire_type IN ('log', 'pending_span'), 0,
        stage_attribute NOT IN ('', 'workflow', 'agent', 'model'), 0,
        ParentSpanId != '', if(SpanKind = 'Server', {BELOW_UNKNOWN}, 0),
        SpanKind IN ('Client', 'Producer') AND {value_of("operation")} = '' AND declared_kind = '', 0,
        if(operation_kind != '', operation_kind, declared_kind) IN ({quote_strings(dialects.BACKGROUND_KINDS)}) OR {value_of("operation")} = 'create_agent' OR match(SpanName, {quote_string(dialects.BACKGROUND_NAMES)}), 0,
        {ROOT})"""


SPAN_TYPE = "Tuple(rank UInt8, service UInt64, began Int64, ended Int64, id UInt64)"
"""What the rule knows of a span that may be a request. Services and ids are hashes, times in ns."""


def is_top(span: str, others: str) -> str:
    """The SQL of whether a span is a request, given the others of its trace that may be one.

    Args:
        span: of `SPAN_TYPE`.
        others: an array of such spans; it may hold the span too.
    """
    return f"""\
{span}.rank = arrayMax({others}.rank) AND ({span}.rank = {ROOT} OR NOT arrayExists(
    other -> other.rank = {span}.rank AND (other.began, -other.ended, other.id) < ({span}.began, -{span}.ended, {span}.id)
        AND other.ended + if(other.service = {span}.service, {SAME_CLOCK_NS}, {OTHER_CLOCK_NS}) >= {span}.ended,
    {others}))"""


def select() -> str:
    """The statement that fills `requests` from spans_canonical.

    A span that is no request, such as a root around the marked one, may be the one that knows whose the request is.
    """
    passed = (
        "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Name, Convention, StatusCode, ErrorType, DurationMs, "
        "TtftMs, TtftDefinition, RequestRank"
    )
    who = ("Tenant", "UserId", "SessionId")
    whose = ", ".join(
        f"if({name} != '', {name}, arrayMax(names.{place})) AS {name}" for place, name in enumerate(who, 1)
    )
    return f"""\
SELECT
    {passed}, Route, HttpStatus, Outcome, {whose}, {STORED_AT}
FROM
(
    SELECT
        {passed}, {", ".join(who)},
        {value_of("route")} AS Route,
        toUInt16OrZero({value_of("http_status")}) AS HttpStatus,
        {value_of("outcome")} AS Outcome,
        toUnixTimestamp64Nano(Timestamp) AS began,
        CAST((RequestRank, cityHash64(ServiceName), began, began + toInt64(DurationMs * 1e6), cityHash64(SpanId)), '{SPAN_TYPE}') AS span,
        groupArray((span, (Tenant, UserId, SessionId))) OVER (PARTITION BY TraceId ORDER BY Timestamp ROWS BETWEEN {NEIGHBOUR_ROWS} PRECEDING AND {NEIGHBOUR_ROWS} FOLLOWING) AS neighbours,
        neighbours.1 AS spans,
        neighbours.2 AS names
    FROM spans_canonical
    WHERE RequestRank > 0
)
WHERE TraceId = '' OR length(spans) = 1 OR ({is_top("span", "spans")})"""
