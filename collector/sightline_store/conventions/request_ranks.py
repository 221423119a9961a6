# ruff: noqa: E501 - the lines are those of the SQL that is written.
"""How sure it is, by a span alone, that it is a request; what that means for its trace stands in `requests`."""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.sql_expressions import value_of
from sightline_store.quoting import quote_string, quote_strings

MARKED = 5
"""`sightline.stage` is 'request'."""

ROOT = 4
"""The span has no parent, and is no call to another service and no background work."""

BACKGROUND = 3
"""The span has no parent and answers nobody, such as building an index. It is no request, and what is below it is none."""

SERVER = 2
"""A server's span with a parent: the request's top where a gateway or a browser began the trace and exports nothing."""

TOPMOST = 1
"""The topmost span of a trace that has no span of another rank. Only `settle` gives it, when a trace has been quiet."""

IS_CANDIDATE = f"RequestRank NOT IN (0, {BACKGROUND})"
"""Whether a span may be the request of its trace; what it knows of tenant, user and session holds for the whole trace."""


def request_rank() -> str:
    """The SQL of a span's rank, over the columns of the statement that fills spans_canonical."""
    kind = "if(operation_kind != '', operation_kind, declared_kind)"
    return f"""\
multiIf(
        stage_attribute = 'request', {MARKED},
        logfire_type IN ('log', 'pending_span'), 0,
        stage_attribute NOT IN ('', 'workflow', 'agent', 'model'), if(ParentSpanId = '' AND stage_attribute NOT IN ('search', 'evaluator'), {BACKGROUND}, 0),
        ParentSpanId != '', if(SpanKind = 'Server', {SERVER}, 0),
        SpanKind IN ('Client', 'Producer') AND {value_of("operation")} = '' AND declared_kind = '', 0,
        {kind} = 'evaluator', 0,
        {kind} IN ({quote_strings(dialects.BACKGROUND_KINDS)}) OR {value_of("operation")} = 'create_agent' OR match(SpanName, {quote_string(dialects.BACKGROUND_NAMES)}), {BACKGROUND},
        {ROOT})"""
