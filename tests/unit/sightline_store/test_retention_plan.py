"""Which days are above a cap, and which columns and keys hold content that goes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sightline_store.client import Client
from sightline_store.conventions import contents, known_keys
from sightline_store.errors import SchemaError
from sightline_store.schema import content_removal, declared, retention, tenants
from sightline_store.schema.retention import SIGNALS, Stored
from sightline_store.settings import RetentionSettings, StoreSettings

GIB = 1024**3
TODAY = "2026-03-15"
DAYS = ("2026-03-12", "2026-03-13", "2026-03-14", TODAY)
HAVE = [
    *(Stored(table, day, 1000, GIB) for day in reversed(DAYS) for table in ("otel_traces", "llm_calls", "scores")),
    Stored("otel_logs", "2026-03-11", 1000, GIB),
    Stored("instances", "", 10, GIB),
    Stored("model_prices", "", 10, GIB),
]
"""Raw spans of 4 GiB, typed rows and scores of 9 with the counts, 15 in all."""


def going(*, traces_max_gib: float = 0, typed_max_gib: float = 0, max_gib: float = 0) -> list[tuple[str, str]]:
    """The table and day of each that has to go."""
    keep = RetentionSettings(traces_max_gib=traces_max_gib, typed_max_gib=typed_max_gib, max_gib=max_gib)
    return [(each.table, each.day[-2:]) for each in retention.over_caps(HAVE, keep, TODAY)]


def test_a_cap_of_its_own_drops_its_tables_alone() -> None:
    """As many of their oldest days as are needed, each of all of them; today and the others stay."""
    assert going() == going(traces_max_gib=4, typed_max_gib=9, max_gib=15) == []
    assert going(traces_max_gib=2.5) == [("otel_traces", "12"), ("otel_traces", "13")]
    assert going(typed_max_gib=8.5) == [("llm_calls", "12"), ("scores", "12")]
    assert going(traces_max_gib=0.001) == [("otel_traces", day) for day in ("12", "13", "14")]


def test_the_cap_of_all_counts_what_the_others_leave() -> None:
    """It drops all signals' tables of a day; tables that are not parted by day count and stay."""
    assert going(max_gib=14) == [("otel_logs", "11")]
    assert going(max_gib=13.5) == [
        ("otel_logs", "11"),
        *((table, "12") for table in ("llm_calls", "otel_traces", "scores")),
    ]
    assert going(traces_max_gib=2, max_gib=13) == [("otel_traces", "12"), ("otel_traces", "13")]
    assert going(traces_max_gib=2, max_gib=12) == [("otel_traces", "12"), ("otel_traces", "13"), ("otel_logs", "11")]
    assert {day for _, day in going(max_gib=0.001)} == {"11", "12", "13", "14"}


def test_what_goes_says_why() -> None:
    """The size of the day, and which setting asks for it."""
    (first, *_) = retention.over_caps(HAVE, RetentionSettings(traces_max_gib=3.5), TODAY)
    expected = "2026-03-12 of otel_traces: 1000 rows, 1024.0 MiB, over SIGHTLINE_STORE_RETENTION_TRACES_MAX_GIB=3.5"
    assert str(first) == expected


def test_content_goes_from_the_columns_that_readers_without_that_right_do_not_see() -> None:
    """From those and no others, and from tables that are parted by the day of a Timestamp."""
    removals = content_removal.removals()
    assert {table: tuple(each.columns) for table, each in removals.items()} == tenants.CONTENT_COLUMNS
    for table in removals:
        assert "PARTITION BY toDate(Timestamp)" in declared.tables()[table].render()
        assert "Timestamp" in [SIGNALS[signal].get(table) for signal in SIGNALS]


def test_what_nobody_reads_is_known_by_its_name() -> None:
    """The keys of content that no reader needs are among those that the report of conventions knows."""
    assert all(known_keys.is_known(key.replace(".0.", ".N.")) for key in contents.UNREAD)


def test_a_change_that_fails_is_told_and_keeps_no_other_table_waiting() -> None:
    """With its reason and the way out, after what is to do elsewhere."""
    commands: list[str] = []

    class _Store:
        settings = StoreSettings()

        def query_rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
            if "system.mutations" in sql:
                return [{"id": "mutation_7.txt", "reason": "no space left"}] if params["table"] == "otel_traces" else []
            if "system.parts" in sql:
                return [
                    {"table": table, "day": "2026-03-12", "block": 7, "size": 1000}
                    for table in ("otel_traces", "scores")
                ]
            return [{"day": "2026-03-12", "n": 3}] if "count()" in sql else []

        def insert_rows(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
            assert table == "row_definitions"

        def command(self, sql: str) -> None:
            commands.append(sql)

    with pytest.raises(SchemaError, match=r"mutation_7\.txt of otel_traces fails.*KILL MUTATION.*no space left"):
        list(content_removal.begin(cast(Client, _Store()), RetentionSettings(content_days=1)))
    assert [command.split()[:3] for command in commands] == [["ALTER", "TABLE", "scores"]]
