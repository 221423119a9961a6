"""What the schema's commands refuse, and what they wait for, by what the store says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from sightline_store.client import Client
from sightline_store.errors import SchemaError
from sightline_store.schema import content_removal, declared, inserts, rebuild, retention, snapshot
from sightline_store.schema.plan import Plan
from sightline_store.settings import RetentionSettings, StoreSettings


class _Store:
    """Answers queries as it is given, and runs nothing."""

    def __init__(self, answer: Callable[[str], list[dict[str, Any]]]) -> None:
        self.settings = StoreSettings()
        self.query_rows: Callable[..., list[dict[str, Any]]] = lambda sql, params=None: answer(sql)


def _client(answer: Callable[[str], list[dict[str, Any]]]) -> Client:
    return cast(Client, _Store(answer))


@pytest.mark.parametrize(
    "command",
    [
        lambda client: retention.enforce(client, RetentionSettings(logs_days=1)),
        lambda client: retention.over_cap(client, RetentionSettings(max_gib=1)),
        lambda client: retention.over_cap(client, RetentionSettings(typed_max_gib=1)),
        lambda client: content_removal.plan(client, RetentionSettings(content_days=1)),
        lambda client: list(content_removal.begin(client, RetentionSettings(content_days=1))),
        lambda client: rebuild.rebuild(client, "llm_calls"),
    ],
)
def test_what_works_on_one_server_only_is_refused_on_a_cluster(command: Callable[[Client], object]) -> None:
    """By its first question, with a sentence that names a table and whose matter it is."""

    def answer(sql: str) -> list[dict[str, Any]]:
        assert "engine = 'Distributed'" in sql
        return [{"name": "otel_traces"}]

    with pytest.raises(SchemaError, match=r"a cluster's \(otel_traces is Distributed\): .*the operator's"):
        command(_client(answer))


def test_rows_of_asynchronous_inserts_are_waited_for() -> None:
    """They are written by a query of another kind, after the INSERT that brought them has ended."""

    def answer(sql: str) -> list[dict[str, Any]]:
        return [{"query_id": "a flush"}] if "'AsyncInsertFlush'" in sql else []

    with pytest.raises(SchemaError, match="INSERTs did not end"):
        inserts.wait_for_running(_client(answer), 0.01, "upgrade the store")


def test_an_upgrade_that_goes_on_takes_no_second_snapshot() -> None:
    """The interrupted one took its snapshot before it changed anything."""

    def answer(sql: str) -> list[dict[str, Any]]:
        raise AssertionError(sql)

    plan = Plan(9, declared.migrations(), reopens=("otel_traces",), has_rows=True)
    assert snapshot.take(_client(answer), plan) is None
