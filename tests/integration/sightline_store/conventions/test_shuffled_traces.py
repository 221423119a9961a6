"""Spans of made-up traces, shuffled, split into INSERTs and repeated: tables and pages agree with the truth.

The truth is what the traces were made from: calls and requests, not spans. docs/adr/012-one-call-one-request.md names
what no rule can know; such traces are not made here.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from convention_spans import START_NS, Insert, Spans, empty, insert_into
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline_store import settle
from sightline_store.client import Client
from sightline_store.questions import asking, queries

_EVER = datetime(2020, 1, 1, tzinfo=UTC)
_SPELLINGS = {
    "gpt-4o": ("gpt-4o", "openai/gpt-4o", "gpt-4o-2024-08-06"),
    "gpt-4o-mini": ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "models/gpt-4o-mini"),
}


@dataclass
class Truth:
    """What there was, whoever told it: (session, model, input tokens, output tokens) of each call, tops of requests."""

    calls: Counter[tuple[str, str, int, int]] = field(default_factory=Counter)
    requests: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Shape:
    """How a trace is made: small numbers, so that a failing one gets simpler."""

    top: str
    """'server', 'chain', or 'marked': a marked span below a server's."""
    has_parent: bool
    """The top's parent is a gateway's span, which is never exported."""
    identity: str
    """'', 'root' or 'all': which spans name the session."""
    layers: tuple[str, ...]
    """The instrumentations that tell each call, from the outside."""
    telling: int
    """Which of them knows the tokens; the others tell none."""
    through_http: bool
    siblings: bool
    calls: tuple[tuple[str, int, int, bool], ...]
    """Model, input and output tokens of each call, and whether it begins beside the one before."""


_CALL = st.tuples(
    st.sampled_from(sorted(_SPELLINGS)), st.sampled_from([10, 20]), st.sampled_from([1, 2]), st.booleans()
)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Any trace."""
    layers = draw(st.sampled_from([("openai",), ("langchain", "openai"), ("langchain", "litellm", "openai")]))
    return Shape(
        draw(st.sampled_from(["server", "chain", "marked"])),
        draw(st.booleans()),
        draw(st.sampled_from(["", "root", "all"])),
        layers,
        draw(st.integers(0, len(layers) - 1)),
        draw(st.booleans()),
        draw(st.booleans()),
        tuple(draw(st.lists(_CALL, max_size=4))),
    )


def _write(spans: Spans, shape: Shape, trace: int, truth: Truth, rng: random.Random) -> list[int]:
    """Add the spans of a trace; returns their ids."""
    first, session = spans.count, f"session-{trace % 3}" if shape.identity else ""
    who = {"session.id": session} if session else {}
    everywhere = who if shape.identity == "all" else {}
    at = trace * 100_000.0
    parent = 1_000_000 + trace if shape.has_parent else 0
    top = spans.add(
        {**who, **({"openinference.span.kind": "CHAIN"} if shape.top == "chain" else {"http.route": "/ask"})},
        server=shape.top != "chain",
        scope="top",
        trace=trace,
        parent=parent,
        ms=90_000,
        after_ms=at,
    )
    request = top
    if shape.top == "marked":
        request = spans.add(
            {"sightline.stage": "request", **everywhere},
            scope="sightline",
            trace=trace,
            parent=top,
            ms=89_000,
            after_ms=at + 1,
        )
    begins = at + 10
    for model, input_tokens, output_tokens, is_beside in shape.calls:
        begins += 3 if is_beside else 5_000
        below, ms = request, 4_000.0
        for place, layer in enumerate(shape.layers):
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": rng.choice(_SPELLINGS[model]),
                **everywhere,
            }
            if place == shape.telling:
                attributes |= {"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": output_tokens}
            after_ms = begins + place * 0.5
            span = spans.add(attributes, scope=layer, trace=trace, parent=below, ms=ms, after_ms=after_ms)
            ms -= 10
            if not shape.siblings:
                below = span
                if shape.through_http:
                    below = spans.add(
                        {"http.request.method": "POST"},
                        scope="http",
                        trace=trace,
                        parent=span,
                        ms=ms,
                        after_ms=after_ms,
                    )
        truth.calls[session, model, input_tokens, output_tokens] += 1
    # A chain alone, without a call, whose parent never comes, shows nothing that would make it a request.
    if shape.top != "chain" or not shape.has_parent or shape.calls:
        truth.requests.add(request)
    return list(range(first + 1, spans.count + 1))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(shapes(), min_size=5, max_size=25), st.integers(1, 4), st.integers(0, 2**32))
def test_the_tables_and_the_pages_tell_the_truth(client: Client, traces: list[Shape], inserts: int, seed: int) -> None:
    """Whatever the order and the INSERTs, and however often a span comes."""
    rng, spans, truth = random.Random(seed), Spans(), Truth()
    ids = [id_ for trace, shape in enumerate(traces, 1) for id_ in _write(spans, shape, trace, truth, rng)]
    ids += rng.sample(ids, len(ids) // 5)
    rng.shuffle(ids)
    empty(client)
    insert: Insert = insert_into(client)
    since = _EVER
    for part in range(inserts):
        insert(spans.some(ids[part::inserts]))
        if rng.random() < 0.5:
            since = settle.settle(client, since, quiet=timedelta(0)).until
    settle.settle(client, since, quiet=timedelta(0))
    assert not settle.settle(client, _EVER, quiet=timedelta(0))

    stored = client.query_rows("SELECT SessionId, RequestModel, InputTokens, OutputTokens FROM llm_calls")
    names = {spelling: model for model, spellings in _SPELLINGS.items() for spelling in spellings}
    calls = Counter(
        (row["SessionId"], names[row["RequestModel"]], row["InputTokens"], row["OutputTokens"]) for row in stored
    )
    assert calls == truth.calls
    requests = client.query_rows("SELECT reinterpretAsUInt64(reverse(unhex(SpanId))) AS id FROM requests")
    assert sorted(row["id"] for row in requests) == sorted(truth.requests)

    begin = datetime.fromtimestamp(START_NS / 1e9, UTC)
    window = asking.Filters(start=begin, end=begin + timedelta(days=1))
    spent = {row["name"]: (row["calls"], row["input_tokens"]) for row in queries.spend_by(client, window, "session")}
    expected: dict[str, tuple[int, int]] = {}
    for (session, _, input_tokens, _), n in truth.calls.items():
        before = expected.get(session, (0, 0))
        expected[session] = (before[0] + n, before[1] + n * input_tokens)
    assert spent == expected
