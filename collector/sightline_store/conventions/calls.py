# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""Which spans record the same call: of a model, of a search, of an embedding. One row a call is stored.

A framework, a client's instrumentation below it and a gateway in front of the model each record a call by a span of its
own. `has_better` is the rule that brings them together, and it stands here once: the view that fills `calls_canonical`
(which stores nothing; the tables of calls hang off it) applies it to the spans of an INSERT, and `settle` to the rows of
traces whose spans came in several. docs/adr/012-one-call-one-request.md has its cases, and what it cannot know.

A span is a duplicate if any other of the trace is better. `duplicate_calls` keeps what the rule knows of each duplicate,
so that it counts when spans come later: which rows stay depends on the spans of a trace alone, not on their INSERTs.
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.sql_expressions import (
    OTHER_CLOCK_NS,
    SAME_CLOCK_NS,
    canonical_name,
    has,
    value_of,
)

MAX_TOKENS = 100_000_000
"""The most tokens that a call can have; a larger number is no count."""

NEIGHBOUR_ROWS = 32
"""Calls of a trace, before and after a call, that are compared with it to find the same call recorded twice."""

SPAN = "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, StoredAt"
"""Which span a row is of, and which INSERT, for all typed tables but scores."""

FACTS_TYPE = (
    "Tuple(id UInt64, parent UInt64, service UInt64, scope UInt64, began Int64, length Int64, asked UInt64, answered UInt64, "
    "input Int64, output Int64, cached Int64, reasoning Int64, rank Int8)"
)
"""What the rule knows of a call. Ids, services, scopes and the names of models are hashes, times in ns; numbers of tokens
are -1 where the span has none; `rank` is how much the span knows."""

CALLS_COLUMNS = f"""\
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
    ErrorType LowCardinality(String),
    facts {FACTS_TYPE},
    is_duplicate Bool,
    StoredAt DateTime64(6)
"""
"""What a call is, for all kinds of call."""

DUPLICATES = """\
SELECT Timestamp, TraceId, Kind, facts AS Facts, StoredAt
FROM calls_canonical
WHERE is_duplicate"""
"""The statement that fills `duplicate_calls`."""

_CALL = f"{SPAN}, ScopeName, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType"

_OWN_SCOPE = "cityHash64('sightline')"

_NO_NAME = "cityHash64('')"


def name_of_model(name: str) -> str:
    """The SQL of a hash of a model's name without the gateway's prefix and the date of its version."""
    return (
        f"cityHash64(replaceRegexpOne(lower({name}), "
        "'^(?:.*/)?(.*?)(?:[-@:](?:20[0-9]{2}.*|[01][0-9]{3}|latest))?$', '\\\\1'))"
    )


MS_OF_STREAM = "greatest(DurationMs, ifNull(TtftMs, 0))"
"""How long a model's call took at least."""


def facts(*, asked: str, answered: str, tokens: str, rank: str, ms: str = "DurationMs") -> str:
    """The SQL of what the rule knows of a span, of `FACTS_TYPE`.

    Args:
        asked: the hash of the name of the model that was asked for.
        answered: that of the model that answered.
        tokens: the four numbers of tokens.
        rank: how much the span knows, without the one point that a span of this project's library has more.
        ms: how long the call took at least. LlamaIndex ends the span of a stream before its first token.
    """
    return f"""\
CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ServiceName), cityHash64(ScopeName),
            toUnixTimestamp64Nano(Timestamp), toInt64({ms} * 1e6), {asked}, {answered}, {tokens}, {rank} + (Convention = 'sightline')), '{FACTS_TYPE}')"""


COUNT = "count() OVER (PARTITION BY TraceId, Kind) AS calls_of_trace"
"""How many calls of a kind a trace has: most have one, and need no more than that."""

_GAP = "abs(other.began - facts.began)"
_TOLERANCE = f"if(other.service = facts.service, {SAME_CLOCK_NS}, {OTHER_CLOCK_NS})"

NEIGHBOURS = f"""\
groupArrayIf(facts, calls_of_trace > 1 AND TraceId != '') OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN {NEIGHBOUR_ROWS} PRECEDING AND {NEIGHBOUR_ROWS} FOLLOWING) AS neighbours"""
"""The facts of the calls of a trace around a call, itself included, nothing where it is the only one. A SELECT that uses
its alias computes the window again for each use: it belongs into a subquery of its own."""

RELATIVES = """\
arrayFirst(call -> call.id = facts.parent, neighbours).parent AS grandparent,
        arrayFilter(call -> call.parent = facts.id, neighbours).id AS children"""
"""The parent of the parent of a call, and its children, where they are among its neighbours. In a lambda over them these
would be computed for each: they belong into a subquery too."""

RIVALS = f"""\
arrayFilter(other -> bitAnd(bitAnd(other.id != facts.id, other.rank >= facts.rank), bitOr(
        bitOr(bitOr(other.parent = facts.id, other.id = facts.parent), bitOr(other.id = grandparent, has(children, other.parent))),
        bitAnd(
            bitOr(other.scope != facts.scope, other.service != facts.service),
            {_GAP} <= greatest(other.length, facts.length) + {_TOLERANCE}))), neighbours) AS rivals"""
"""The neighbours that may be better and the same, near in the tree or in time: few, of a trace with very many calls too.
Of bits, because AND and OR copy what the rest of the condition needs, of each neighbour, where they can spare it."""


_LENGTH = "if(is_first, other.length, facts.length)"

_NAMES_MEET = (
    f"(other.asked = {_NO_NAME} OR facts.asked = {_NO_NAME} "
    "OR hasAny([other.asked, other.answered], [facts.asked, facts.answered]))"
)


def _differ_by(number: str, part: str) -> str:
    """Whether two numbers of tokens are the same, or one includes the part that the other leaves out."""
    return f"has([0, other.{part}, facts.{part}], abs(other.{number} - facts.{number}))"


_TOKENS_MEET = (
    f"if(least(other.input, facts.input) < 0, 2 * ({_GAP} - {_TOLERANCE}) <= {_LENGTH}, {_differ_by('input', 'cached')} "
    f"AND (least(other.output, facts.output) < 0 OR {_differ_by('output', 'reasoning')}))"
)


def has_better(kind: str) -> str:
    """The SQL of whether one of the calls `rivals` is the same as the one with `facts`, and stays in its place.

    Two spans of one kind record the same call where

    - for searches and embeddings, the one is the other's parent, or the parent of that;
    - for models and embeddings, they are of two instrumentations or services, the later one begins within the earlier
      one, the names of their models meet, and their numbers of tokens are the same but for cached or reasoning tokens; where one of them
      has none, the later one begins in the first half of the earlier one;
    - for models of one instrumentation, other than this project's, the one is the other's parent and has no tokens.

    The span that knows more stays; of equals the later one for a model and the earlier one for all else. So of any spans
    that record the same call one stays: what is better is an order of all spans.

    Args:
        kind: the SQL expression of the kind of all of them.
    """
    return f"""\
arrayExists(
    (other, is_first) -> other.rank + (is_first != ({kind} = 'model')) > facts.rank
        AND multiIf(
            {kind} != 'model' AND (other.parent = facts.id OR other.id = facts.parent
                OR other.id = grandparent OR has(children, other.parent)), true,
            {kind} = 'search', false,
            other.scope = facts.scope AND other.service = facts.service,
                {kind} = 'model' AND facts.scope != {_OWN_SCOPE} AND ((other.parent = facts.id AND facts.input < 0) OR (other.id = facts.parent AND other.input < 0)),
            {_GAP} <= {_LENGTH} + {_TOLERANCE} AND {_TOKENS_MEET} AND {_NAMES_MEET}),
    rivals, arrayMap(other -> (other.began, -other.length, other.id) < (facts.began, -facts.length, facts.id), rivals))"""


def calls_select() -> str:
    """The statement that turns spans_canonical into calls_canonical: the calls, duplicates marked."""
    documents = f"{has('documents', 'indexed_documents', 'entity_output')} OR has(EventNames, 'db.query.result')"
    tokens = f"input, output, toInt64OrZero({value_of('cache_read_tokens')}) + toInt64OrZero({value_of('cache_write_tokens')}), toInt64OrZero({value_of('reasoning_tokens')})"
    rank = f"if(Kind = 'search', 4 * ({documents}) + 2 * {has('returned')}, 4 * (greatest(input, output) >= 0) + 2 * (isNotNull(TtftMs) OR (Kind = 'embed' AND provider != '')))"
    return f"""\
WITH
    {RIVALS}
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, ScopeName, Tenant, UserId, SessionId, Convention, Kind, StoredAt,
    {canonical_name(dialects.PROVIDERS, "provider", "provider")} AS Provider, RequestModel,
    indexed_attributes, EventNames, EventAttributes, column_values,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= {MAX_TOKENS}, toUInt64OrNull(text), NULL)), column_values) AS counts,
    -- Of an object without a total, the sum of its parts.
    multiIf(reported_cost >= 0, reported_cost, position(cost_json, ':') = 0, NULL, coalesce(
        JSONExtract(cost_json, 'total', 'Nullable(Float64)'), JSONExtract(cost_json, 'total_cost', 'Nullable(Float64)'),
        arraySum(JSONExtractKeysAndValues(cost_json, 'Float64').2))) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType, facts,
    {has_better("Kind")} AS is_duplicate
FROM
(
    SELECT
        *,
        {RELATIVES}
    FROM
    (
        SELECT
            {_CALL}, provider, reported_cost, cost_json, RequestModel, facts,
            {NEIGHBOURS}
        FROM
        (
            SELECT
                {_CALL},
                {COUNT},
                lower(trim(BOTH '"' FROM {value_of("provider")})) AS provider,
                toFloat64OrNull({value_of("reported_cost")}) AS reported_cost,
                {value_of("cost_json")} AS cost_json,
                trim(BOTH '"' FROM if({has("request_model")}, {value_of("request_model")}, {value_of("response_model")})) AS RequestModel,
                toLowCardinality(if({has("response_model")}, {value_of("response_model")}, RequestModel)) AS answered,
                ifNull(toInt64OrNull({value_of("input_tokens")}), -1) AS input,
                ifNull(toInt64OrNull({value_of("output_tokens")}), -1) AS output,
                {facts(asked=name_of_model("toLowCardinality(RequestModel)"), answered=name_of_model("answered"), tokens=tokens, rank=rank, ms=MS_OF_STREAM)} AS facts
            FROM spans_canonical
            WHERE Kind IN ('model', 'search', 'embed')
        )
    )
)"""
