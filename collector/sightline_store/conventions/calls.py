# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""Which spans tell the same call: of a model, of a search, of an embedding. One row a call is stored.

A framework, a client's instrumentation below it and a gateway in front of the model each tell a call by a span of its
own. `same_call` is the rule that brings them together, and it stands here once: the view that fills `calls_canonical`
(which stores nothing; the tables of calls hang off it) applies it to the spans of an INSERT, and `settle` to the rows of
traces whose spans came in several. docs/adr/012-one-call-one-request.md has its cases, and what it cannot know.
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.sql_expressions import canonical_name, has, value_of

MAX_TOKENS = 100_000_000
"""The most tokens that a call can have; a larger number is no count."""

NEIGHBOUR_ROWS = 16
"""Calls of a trace, before and after a call, that are compared with it to find the same call recorded twice."""

SPAN = "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant"
"""Which span a row is of, for all typed tables but scores."""

STORED_AT = "now64(6) AS StoredAt"
"""The moment of the INSERT, the same for all of its rows."""

CALLS_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    ScopeName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String,
    SessionId String,
    Convention LowCardinality(String),
    Kind LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    indexed_attributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    column_values Map(UInt8, String),
    counts Map(UInt8, Nullable(UInt64)),
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String)
"""
"""What a call is, for all kinds of call."""

_CALL = f"{SPAN}, ScopeName, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType"

CALL_TYPE = (
    "Tuple(id UInt64, parent UInt64, service UInt64, scope UInt64, began Int64, length Int64, asked String, answered String, "
    "input Int64, output Int64, cached Int64, reasoning Int64, rank Int8)"
)
"""What the rule knows of a call. Ids, services and scopes are hashes, times in ns; numbers of tokens are -1 where the
span tells none; `rank` is how much the span knows."""

_OWN_SCOPE = "cityHash64('sightline')"

SAME_CLOCK_NS, OTHER_CLOCK_NS = 2_000_000, 500_000_000
"""By how much a span may begin outside of the span that it lies in: of one service, and of two, whose clocks differ."""


def _base(name: str) -> str:
    """A model's name without the gateway's prefix and the date of its version."""
    return (
        f"replaceRegexpOne(lower({name}), '^(?:.*/)?(.*?)(?:[-@:](?:20[0-9]{{2}}.*|[01][0-9]{{3}}|latest))?$', '\\\\1')"
    )


_LENGTH = "if(is_first, other.length, call.length)"
_GAP = "abs(other.began - call.began)"
_TOLERANCE = f"if(other.service = call.service, {SAME_CLOCK_NS}, {OTHER_CLOCK_NS})"

_NAMES_MEET = (
    "(other.asked = '' OR call.asked = '' OR hasAny("
    f"[{_base('other.asked')}, {_base('other.answered')}], [{_base('call.asked')}, {_base('call.answered')}]))"
)


def _differ_by(number: str, part: str) -> str:
    """Whether two numbers of tokens are the same, or one includes the part that the other leaves out."""
    return f"has([0, other.{part}, call.{part}], abs(other.{number} - call.{number}))"


_TOKENS_MEET = (
    f"if(least(other.input, call.input) < 0, 2 * ({_GAP} - {_TOLERANCE}) <= {_LENGTH}, {_differ_by('input', 'cached')} "
    f"AND (least(other.output, call.output) < 0 OR {_differ_by('output', 'reasoning')}))"
)


def has_better_telling(kind: str, others: str) -> str:
    """The SQL of whether another call of the trace is the same as `call`, and stays in its place.

    Two spans of one kind tell the same call where

    - for searches and embeddings, the one is the other's parent;
    - for models, they are of two instrumentations or services, the later one begins within the earlier one, the names of
      their models meet, and their numbers of tokens are the same but for cached or reasoning tokens; where one of them
      has none, the later one begins in the first half of the earlier one;
    - for models of one instrumentation, other than this project's, the one is the other's parent and has no tokens.

    The span with more information stays; of equals the inner one for a model and the outer one for all else.

    Args:
        kind: the SQL expression of the kind of all of them.
        others: an array of `CALL_TYPE`; it may hold `call` too.
    """
    return f"""\
arrayExists(
    (other, is_first) -> other.id != call.id
        AND other.rank + (multiIf(other.parent = call.id, 1, other.id = call.parent, 0, NOT is_first) = ({kind} = 'model')) > call.rank
        AND multiIf(
            {kind} != 'model', other.parent = call.id OR other.id = call.parent,
            other.scope = call.scope AND other.service = call.service,
                call.scope != {_OWN_SCOPE} AND ((other.parent = call.id AND call.input < 0) OR (other.id = call.parent AND other.input < 0)),
            {_GAP} <= {_LENGTH} + {_TOLERANCE} AND {_TOKENS_MEET} AND {_NAMES_MEET}),
    {others}, arrayMap(other -> (other.began, -other.length, other.id) < (call.began, -call.length, call.id), {others}))"""


def calls_select() -> str:
    """The statement that turns spans_canonical into calls_canonical: one row a call, however many spans record it."""
    documents = f"{has('documents', 'indexed_documents', 'entity_output')} OR has(EventNames, 'db.query.result')"
    tokens = ", ".join(
        f"if(Kind = 'model', ifNull(toInt64OrNull({value_of(name)}), -1), -1)"
        for name in ("input_tokens", "output_tokens")
    )
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, ScopeName, Tenant, UserId, SessionId, Convention, Kind,
    {canonical_name(dialects.PROVIDERS, "provider", "provider")} AS Provider, RequestModel,
    indexed_attributes, EventNames, EventAttributes, column_values,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= {MAX_TOKENS}, toUInt64OrNull(text), NULL)), column_values) AS counts,
    -- Of an object without a total, the sum of its parts.
    multiIf(reported_cost >= 0, reported_cost, position(cost_json, ':') = 0, NULL, coalesce(
        JSONExtract(cost_json, 'total', 'Nullable(Float64)'), JSONExtract(cost_json, 'total_cost', 'Nullable(Float64)'),
        arraySum(JSONExtractKeysAndValues(cost_json, 'Float64').2))) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType
FROM
(
    SELECT
        {_CALL},
        lower(trim(BOTH '"' FROM {value_of("provider")})) AS provider,
        toFloat64OrNull({value_of("reported_cost")}) AS reported_cost,
        {value_of("cost_json")} AS cost_json,
        trim(BOTH '"' FROM if({has("request_model")}, {value_of("request_model")}, {value_of("response_model")})) AS RequestModel,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ServiceName), cityHash64(ScopeName),
            toUnixTimestamp64Nano(Timestamp), toInt64(DurationMs * 1e6), RequestModel, if({has("response_model")}, {value_of("response_model")}, RequestModel),
            {tokens}, toInt64OrZero({value_of("cache_read_tokens")}) + toInt64OrZero({value_of("cache_write_tokens")}), toInt64OrZero({value_of("reasoning_tokens")}),
            4 * (Kind = 'search' AND ({documents})) + 2 * {has("returned", "input_tokens", "output_tokens")} + (Convention = 'sightline')),
            '{CALL_TYPE}') AS call,
        groupArray(call) OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN {NEIGHBOUR_ROWS} PRECEDING AND {NEIGHBOUR_ROWS} FOLLOWING) AS neighbours
    FROM spans_canonical
    WHERE Kind IN ('model', 'search', 'embed')
)
WHERE TraceId = '' OR length(neighbours) = 1 OR NOT {has_better_telling("Kind", "neighbours")}"""
