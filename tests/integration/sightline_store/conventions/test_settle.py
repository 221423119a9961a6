"""`settle` after interruptions, in slices, and where the spans of a trace come in every order."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from convention_spans import Insert, Spans, empty

from sightline_store import settle
from sightline_store.client import Client
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import asking, queries

_EVER = datetime(2020, 1, 1, tzinfo=UTC)
_CHAIN = {"openinference.span.kind": "CHAIN"}


def chat(tokens: tuple[int, int] | None, model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """The attributes of a model call."""
    usage = {"gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1]} if tokens else {}
    return {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, **usage, **more}


def _settle(client: Client, since: datetime = _EVER) -> settle.Settled:
    return settle.settle(client, since, quiet=timedelta(0))


def _ids(client: Client, table: str) -> list[int]:
    return sorted(
        row["id"] for row in client.query_rows(f"SELECT reinterpretAsUInt64(reverse(unhex(SpanId))) AS id FROM {table}")
    )


class _Fails(Client):
    """Fails instead of deleting a row of `llm_calls`."""

    def command(self, sql: str, *, database: str | None = None) -> None:
        """Run, or fail."""
        if sql.startswith("DELETE FROM llm_calls"):
            raise StoreUnavailable(self.settings.url, "stopped")
        super().command(sql, database=database)


def test_a_run_that_stops_between_insert_and_delete_doubles_nothing(
    client: Client, insert: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in a row, after a root that came later than the first run: the next run removes what it left behind."""
    spans = Spans()
    root = spans.add({**_CHAIN, "session.id": "s1"}, trace=1, ms=5000)
    call = spans.add(chat((10, 1)), scope="openai", trace=1, parent=root, ms=500, after_ms=10)
    empty(client)
    insert(spans.some([call]))
    monkeypatch.setattr(settle, "_OVERLAP", timedelta(0))  # the call was stored before what the next run looks at
    since = _settle(client).until
    insert(spans.some([root]))
    failing = _Fails(client.settings)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            _settle(failing, since)
    failing.close()
    assert len(_ids(client, "llm_calls")) == 2
    _settle(client, since)
    assert client.query_rows("SELECT SessionId FROM llm_calls") == [{"SessionId": "s1"}]
    assert not _settle(client)


def test_rows_that_nothing_tells_apart_become_one(client: Client, insert: Insert) -> None:
    """The same trace, span and moment of storing."""
    spans = Spans()
    call = spans.add(chat((10, 1)), scope="openai", trace=1)
    empty(client)
    insert(spans.some([call]))
    client.command("INSERT INTO llm_calls SELECT * FROM llm_calls")
    insert(spans.some([spans.add(chat((20, 2)), scope="openai", trace=1, after_ms=9000)]))
    _settle(client)
    assert _ids(client, "llm_calls") == [call, call + 1]


def test_what_stays_of_a_chain_of_calls_does_not_depend_on_the_order(client: Client, insert: Insert) -> None:
    """The first is the same as the second, and that as the third, but the first and the third are not the same.

    By time: the third begins in the first half of the second, and in the second half of the first.
    """
    orders = itertools.permutations(range(3))
    splits = [
        *orders,
        ((0, 1), 2),
        (0, (1, 2)),
        ((0, 2), 1),
        ((1, 2), 0),
        (2, (0, 1)),
        ((0, 1, 2),),
    ]
    spans, inserts = Spans(), []
    for trace, split in enumerate(splits, 1):
        ids = [
            spans.add(chat(None), scope=scope, trace=trace, ms=ms, after_ms=after_ms)
            for scope, ms, after_ms in (("a", 1000, 0), ("b", 1000, 400), ("c", 1000, 800))
        ]
        inserts.append([[ids[place] for place in (part if isinstance(part, tuple) else (part,))] for part in split])
    for is_settled_between in (False, True):
        empty(client)
        for place in range(3):
            insert(spans.some([id_ for split in inserts if place < len(split) for id_ in split[place]]))
            if is_settled_between:
                _settle(client)
        _settle(client)
        assert _ids(client, "llm_calls") == [3 * trace for trace in range(1, len(splits) + 1)]


def test_what_is_known_of_a_duplicate_counts_when_its_copy_comes(client: Client, insert: Insert) -> None:
    """A second exporter sends the outer span again, when the one that was better is gone too."""
    spans = Spans()
    ids = [
        spans.add(chat(None), scope=scope, trace=1, ms=1000, after_ms=after_ms)
        for scope, after_ms in (("a", 0), ("b", 400), ("c", 800))
    ]
    empty(client)
    insert(spans.some(ids))
    for id_ in ids:
        insert(spans.some([id_]))
        _settle(client)
    assert _ids(client, "llm_calls") == [ids[-1]]


def test_a_copy_of_a_request_keeps_the_session_of_a_root_that_is_gone(client: Client, insert: Insert) -> None:
    """The root alone says the session, and is no request once the marked span is there; the copy comes after that."""
    spans = Spans()
    root = spans.add({"http.route": "/ask", "session.id": "s1"}, server=True, trace=1, ms=5000)
    marked = spans.add({"sightline.stage": "request"}, scope="sightline", trace=1, parent=root, ms=4000, after_ms=10)
    empty(client)
    for ids in ([root], [marked], [marked]):
        insert(spans.some(ids))
        _settle(client)
    assert _ids(client, "requests") == [marked]
    assert client.query_rows("SELECT SessionId FROM requests") == [{"SessionId": "s1"}]


@pytest.mark.parametrize("inserts", [1, 3])
def test_of_many_server_spans_the_root_is_the_request(client: Client, insert: Insert, inserts: int) -> None:
    """Sixty below a root, and sixty below a root that answers nobody; of parallel ones below a gateway each counts."""
    spans, expected = Spans(), []
    for trace, root in ((1, {"http.route": "/ask"}), (2, {"openinference.span.kind": "EMBEDDING"}), (3, None)):
        parent = 900 if root is None else spans.add(root, trace=trace, ms=90_000)
        expected += [parent] if trace == 1 else []
        for place in range(60):
            made = spans.add(
                {"http.route": "/x"}, server=True, trace=trace, parent=parent, ms=900, after_ms=1000 * place
            )
            expected += [made] if trace == 3 else []
    empty(client)
    ids = list(range(1, spans.count + 1))
    for part in range(inserts):
        insert(spans.some(ids[::-1][part::inserts]))
    _settle(client)
    assert _ids(client, "requests") == sorted(expected)


def test_every_generative_trace_gets_a_request(client: Client, insert: Insert) -> None:
    """However many there are at once, and also where the topmost span has no attribute that anybody knows."""
    spans = Spans()
    for trace in range(1, 512):
        top = spans.add({}, trace=trace, parent=100_000 + trace, ms=3000)
        spans.add(chat((1, 1)), scope="openai", trace=trace, parent=top, after_ms=10, ms=100)
    empty(client)
    insert(spans.request.SerializeToString())
    assert _settle(client).added == 511
    assert _ids(client, "requests") == list(range(1, 1022, 2))
    assert not _settle(client)


@pytest.mark.parametrize("above", ["span", "server", "root", "background"])
def test_a_truer_top_that_comes_later_is_the_request(client: Client, insert: Insert, above: str) -> None:
    """A plain span, a server's, a root; below a root that answers nobody there is no request."""
    spans = Spans()
    top = spans.add(
        {"openinference.span.kind": "EMBEDDING"} if above == "background" else {},
        server=above == "server",
        trace=1,
        parent=0 if above in {"root", "background"} else 900,
        ms=4000,
    )
    chain = spans.add(_CHAIN, trace=1, parent=top, ms=3000, after_ms=10)
    spans.add(chat((1, 1)), scope="openai", trace=1, parent=chain, ms=100, after_ms=20)
    empty(client)
    insert(spans.some([chain, chain + 1]))
    since = _settle(client).until
    assert _ids(client, "requests") == [chain]
    insert(spans.some([top]))
    _settle(client, since)
    assert _ids(client, "requests") == ([] if above == "background" else [top])


def test_a_backlog_is_done_in_slices_and_goes_on_where_it_stopped(
    client: Client, insert: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slice moves the mark, which the next run begins at."""
    monkeypatch.setattr(settle, "_SLICE_ROWS", 1)
    monkeypatch.setattr(settle, "_CHUNK_TRACES", 1)
    empty(client)
    for number in range(3):
        spans = Spans()
        outer = spans.add(chat((10, 1)), scope="a", trace=10 * number + 1)
        inner = spans.add(chat((10, 1)), scope="b", trace=10 * number + 1, parent=outer, ms=1900, after_ms=5)
        insert(spans.some([outer]))
        insert(spans.some([inner]))
        client.query_rows("SELECT sleep(1.1)")
    done = next(runs := settle.slices(client, _EVER, quiet=timedelta(0)))
    runs.close()
    assert len(_ids(client, "llm_calls")) == 5
    mark = settle.mark(client)
    assert mark == done.until
    assert len(list(settle.slices(client, mark, quiet=timedelta(0)))) >= 2
    assert len(_ids(client, "llm_calls")) == 3


def test_the_definition_of_a_first_token_is_that_of_the_requests_of_the_model(client: Client, insert: Insert) -> None:
    """Most requests have it delivered, those of one model to the first chunk: of that model it is the first chunk."""
    spans = Spans()
    for trace in range(1, 5):
        is_rare = trace == 4
        ttft = {} if is_rare else {"sightline.response.time_to_first_token": 0.2}
        root = spans.add(
            {"sightline.stage": "request", **ttft, **({"gen_ai.response.time_to_first_chunk": 0.3} if is_rare else {})},
            scope="sightline", trace=trace, ms=3000,
        )  # fmt: skip
        spans.add(chat((1, 1), "rare" if is_rare else "gpt-4o"), scope="openai", trace=trace, parent=root, ms=100)
    empty(client)
    insert(spans.request.SerializeToString())
    begin = datetime.fromtimestamp(1_780_000_000, UTC)
    window = {"start": begin, "end": begin + timedelta(hours=1)}
    for model, definition in (("", "delivered"), ("rare", "first_chunk")):
        rows = queries.stage_stack(client, asking.Filters(**window, model=model))
        assert {row["ttft_definition"] for row in rows} == {definition}
