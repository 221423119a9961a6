"""After its days content goes from raw spans, logs and scores, and nothing else does; late content is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_store.client import Client
from sightline_store.conventions import contents
from sightline_store.janitor import Janitor
from sightline_store.quoting import quote_string, quote_strings
from sightline_store.schema import content_removal, tenants
from sightline_store.settings import JanitorSettings, RetentionSettings

_KEEP = RetentionSettings(content_days=30)
_NUMBERED = (
    "llm.input_messages.3.message.content",
    "gen_ai.completion.1.content",
    "retrieval.documents.12.document.content",
    "embedding.embeddings.7.embedding.text",
    "evaluations.0.evaluation.explanation",
    "reranker.input_documents.4.document.content",
)
_CONTENT = [key for keys in contents.CONTENT.values() for key in keys] + [
    *contents.UNREAD,
    *_NUMBERED,
    "gen_ai.evaluation.explanation",
]
_OTHERS = [
    *contents.KEYS_BESIDE,
    "gen_ai.request.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.task.id",
    "embedding.embeddings.7.vector",
]


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Iterator[Client]:
    """A client of tables without rows; what is noted of their days is removed again."""
    client = emptied()
    yield client
    client.command("DELETE FROM row_definitions WHERE TableName LIKE 'content %'")


def _day(days_ago: int) -> str:
    return str(datetime.now(UTC).date() - timedelta(days=days_ago))


def _map(keys: list[str]) -> str:
    return (
        f"CAST((arrayMap(key -> key, [{quote_strings(keys)}]), arrayMap(key -> 'said', [{quote_strings(keys)}])), "
        "'Map(LowCardinality(String), String)')"
    )


def _span(client: Client, days_ago: int, attributes: list[str], events: dict[str, list[str]] | None = None) -> None:
    """Insert a span of a day, with 'said' as the value of each attribute."""
    names = [quote_string(name) for name in events or {}]
    maps = [_map(keys) for keys in (events or {}).values()]
    client.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, SpanAttributes, Duration, "
        "`Events.Timestamp`, `Events.Name`, `Events.Attributes`) SELECT "
        f"toDateTime64('{_day(days_ago)} 12:00:00', 9) AS at, 'trace', 'span', 'chat', {_map(attributes)}, 7, "
        f"arrayMap(name -> at, [{', '.join(names)}]::Array(String)), [{', '.join(names)}]::Array(String), "
        f"[{', '.join(maps)}]::Array(Map(LowCardinality(String), String))"
    )


def _log(client: Client, days_ago: int, name: str, attributes: list[str], *, named_by_attribute: bool = False) -> None:
    at = "map('event.name', " + quote_string(name) + ")" if named_by_attribute else "map()"
    client.command(
        "INSERT INTO otel_logs (Timestamp, TraceId, EventName, Body, SeverityText, LogAttributes) SELECT "
        f"toDateTime64('{_day(days_ago)} 12:00:00', 9), 'trace', {quote_string('' if named_by_attribute else name)}, "
        f"'said', 'INFO', mapUpdate({_map(attributes)}, CAST({at}, 'Map(LowCardinality(String), String)'))"
    )


def _score(client: Client, days_ago: int) -> None:
    client.command(
        "INSERT INTO scores (Timestamp, TraceId, Name, Value, Explanation) SELECT "
        f"toDateTime64('{_day(days_ago)} 12:00:00', 9), 'trace', 'faithfulness', 0.5, 'said'"
    )


def _rows(client: Client, table: str, columns: str = "*") -> list[dict[str, Any]]:
    return client.query_rows(f"SELECT {columns} FROM {table} ORDER BY Timestamp, toString(tuple(*))")


def _without_content(client: Client, table: str) -> list[dict[str, Any]]:
    names = ", ".join(f"`{name}`" for name in tenants.CONTENT_COLUMNS[table])
    return client.query_rows(f"SELECT * EXCEPT ({names}) FROM {table} ORDER BY ALL")


def _changes(client: Client) -> int:
    (row,) = client.query_rows(
        "SELECT count() AS n FROM system.mutations WHERE database = currentDatabase() AND table = 'otel_traces' "
        "AND command LIKE '%SpanAttributes%'"
    )
    return int(row["n"])


def _begin(client: Client) -> list[content_removal.ContentDay]:
    return list(content_removal.begin(client, _KEEP))


def _remove(client: Client) -> list[content_removal.ContentDay]:
    return list(content_removal.remove(client, _KEEP))


def test_content_goes_after_its_days_and_nothing_else_does(client: Client) -> None:
    """From spans, events, logs and scores; what is not that old keeps it, and so does all without the setting."""
    details, message, passage = contents.DETAIL_EVENTS[0], "gen_ai.user.message", contents.DOCUMENT_EVENTS[0]
    events = {
        details: ["gen_ai.input.messages", "gen_ai.request.model"],
        message: ["content", "role"],
        passage: ["db.query.result.document"],
        "chunk": [contents.STREAM_CHUNK, "mlflow.chunk.index"],
        "exception": ["exception.message"],
    }
    for days_ago in (40, 30):
        _span(client, days_ago, [*_CONTENT, *_OTHERS], events)
        _log(client, days_ago, details, ["gen_ai.output.messages", "gen_ai.request.model"])
        _log(client, days_ago, message, ["content"], named_by_attribute=True)
        _log(client, days_ago, "gen_ai.evaluation.result", ["gen_ai.evaluation.explanation", "gen_ai.evaluation.name"])
        _log(client, days_ago, "", ["input", "app.question"])
        _score(client, days_ago)
    tables = tuple(tenants.CONTENT_COLUMNS)
    before, others = ({table: of(client, table) for table in tables} for of in (_rows, _without_content))

    assert content_removal.plan(client, RetentionSettings()) == []
    assert list(content_removal.remove(client, RetentionSettings())) == []
    planned = [(each.table, each.day, each.rows) for each in content_removal.plan(client, _KEEP)]
    assert planned == [("otel_logs", _day(40), 3), ("otel_traces", _day(40), 1), ("scores", _day(40), 2)]
    assert {table: _rows(client, table) for table in tables} == before
    assert {(each.table, each.day, each.rows) for each in _remove(client)} == set(planned)

    assert {table: _without_content(client, table) for table in tables} == others
    old, young = _rows(client, "otel_traces", "SpanAttributes, Events.Attributes AS of_events")
    assert sorted(old["SpanAttributes"]) == sorted(_OTHERS)
    assert [sorted(each) for each in old["of_events"]] == [
        ["gen_ai.request.model"], [], [], ["mlflow.chunk.index"], ["exception.message"],
    ]  # fmt: skip
    assert len(young["SpanAttributes"]) == len({*_CONTENT, *_OTHERS})
    assert [sorted(each) for each in young["of_events"]] == [sorted(keys) for keys in events.values()]
    logs = client.query_rows(
        "SELECT toString(toDate(Timestamp)) AS day, Body, mapKeys(LogAttributes) AS keys FROM otel_logs"
    )
    assert sorted((log["Body"], sorted(log["keys"])) for log in logs if log["day"] == _day(40)) == [
        ("", ["event.name"]),
        ("", ["gen_ai.evaluation.name"]),
        ("", ["gen_ai.request.model"]),
        ("said", ["app.question", "input"]),
    ]
    assert {log["Body"] for log in logs if log["day"] == _day(30)} == {"said"}
    assert [row["Explanation"] for row in _rows(client, "scores")] == ["", "", "said", "said"]
    assert content_removal.plan(client, _KEEP) == []


def test_a_day_is_done_once_and_again_when_rows_have_come(client: Client) -> None:
    """Merges bring nothing back to look at; a late span does, and only a late one with content is removed from."""
    _span(client, 40, ["input.value", "model"])
    _span(client, 41, ["model"])
    assert [(each.day, each.rows) for each in _remove(client)] == [(_day(40), 1)]
    changes = _changes(client)
    client.command("OPTIMIZE TABLE otel_traces FINAL")
    assert _begin(client) == []

    _span(client, 41, ["model"])
    assert [(each.day, each.rows) for each in _begin(client)] == [(_day(41), 0)]
    assert _changes(client) == changes
    _span(client, 40, ["output.value", "model"])
    client.command("OPTIMIZE TABLE otel_traces FINAL")
    assert [(each.day, each.rows) for each in _remove(client)] == [(_day(40), 1)]
    assert _changes(client) == changes + 1
    assert [list(row["SpanAttributes"]) for row in _rows(client, "otel_traces")] == [["model"]] * 4
    assert _begin(client) == []


def test_a_change_that_runs_is_not_begun_again(client: Client) -> None:
    """Whoever comes next waits for what an interrupted call began, and goes on behind it."""
    _span(client, 40, ["input.value"])
    changes = _changes(client)
    client.command("SYSTEM STOP MERGES otel_traces")
    try:
        assert [each.rows for each in _begin(client)] == [1]
        janitor = Janitor(
            client.settings,
            JanitorSettings(prices_interval_s=0, settle_interval_s=0, rollups_interval_s=0, retention_interval_s=60),
            _KEEP,
        )
        assert janitor.run_once()
        assert _begin(client) == []
        assert _changes(client) == changes + 1
        assert [each.rows for each in content_removal.plan(client, _KEEP)] == [1]
    finally:
        client.command("SYSTEM START MERGES otel_traces")
    assert _remove(client) == []
    assert _changes(client) == changes + 1
    assert [row["SpanAttributes"] for row in _rows(client, "otel_traces")] == [{}]
    assert _begin(client) == []
