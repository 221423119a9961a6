"""The shell line by line, with a client that only records."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sightline_store.cli.shell import Shell
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.questions import catalog
from sightline_store.schema import cluster, kafka
from sightline_store.settings import KafkaSettings


class Recorder:
    """Remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def query_bytes(self, sql: str, params: Any = None, fmt: str = "") -> bytes:
        """Answer a line, or fail where the statement says so."""
        self.asked.append((sql, fmt))
        if "FAIL" in sql:
            raise QueryFailed(62, "Code: 62. no")
        return b"answer\n"

    def stream(self, sql: str, params: Any = None, fmt: str = "") -> Iterator[bytes]:
        """The same, in pieces."""
        yield self.query_bytes(sql, params, fmt)


def _shell(*, interactive: bool = True) -> tuple[Shell, Recorder, io.StringIO]:
    client, out = Recorder(), io.StringIO()
    return Shell(client, out, interactive=interactive), client, out  # type: ignore[arg-type]


def test_a_statement_ends_with_a_semicolon_wherever_lines_break() -> None:
    """Lines are collected; semicolons in strings, names and comments end nothing."""
    shell, client, _ = _shell()
    for line in ("SELECT ';', `a;b` -- no; end", "/* ; */ FROM t; SELECT 2;", "SELECT"):
        assert shell.feed(line)
    assert [sql for sql, _ in client.asked] == ["SELECT ';', `a;b` -- no; end\n/* ; */ FROM t", "SELECT 2"]
    assert shell.prompt.strip() == "->"
    shell.forget()
    assert shell.prompt.startswith("sightline")


def test_backslashes_are_the_shells_own() -> None:
    r"""\x turns answers on their side, \q leaves, an unknown word is told, a question is asked by name."""
    shell, client, out = _shell()
    assert shell.feed("\\x")
    shell.feed("SELECT 1;")
    assert client.asked[-1] == ("SELECT 1", "Vertical")
    shell.feed("\\freshness")
    assert "FROM otel_traces" in client.asked[-1][0]
    shell.feed("\\nonsense")
    assert "no question 'nonsense'" in out.getvalue()
    assert not shell.feed("\\q")


def test_a_failure_does_not_end_the_shell() -> None:
    """The engine's words are shown and the next statement runs."""
    shell, client, out = _shell()
    shell.feed("FAIL; SELECT 2;")
    assert "Code: 62. no" in out.getvalue()
    assert client.asked[-1][0] == "SELECT 2"
    assert shell.failed


def test_questions_get_defaults_and_refuse_what_they_do_not_take() -> None:
    """Every window has a default, lists have commas, a wrong name is told, and what has to be said is named."""
    _, params = catalog.prepared("overview", ["tenant=a"], datetime(2026, 1, 2, tzinfo=UTC))
    assert params["tenant"] == "a"
    assert params["from"] == "2026-01-01 00:00:00.000"
    _, params = catalog.prepared("spend_of_traces", ["trace_ids=aa, bb", "started_ms=1,2"])
    assert params == {"trace_ids": ["aa", "bb"], "started_ms": [1, 2]}
    with pytest.raises(ValueError, match="not tenantt"):
        catalog.prepared("overview", ["tenantt=a"])
    with pytest.raises(ValueError, match="needs trace_id"):
        catalog.prepared("trace_spans", [])


def test_the_kafka_tables_hang_off_every_view_of_the_collectors_way() -> None:
    """Each view of otlp_traces has its twin, and no word of a setting can leave its quotes."""
    settings = KafkaSettings(brokers="b:9092", group="it's", sasl_password="p'w")
    text = ";\n".join(kafka.statements(settings, "otel", in_memory=True))
    assert "ENGINE = Memory" in text
    assert "kafka_group_name = 'it\\'s-traces'" in text
    assert "kafka_sasl_password = 'p\\'w'" in text
    assert "otel_kafka.otlp_traces_to_otel_traces TO otel.otel_traces" in text
    assert "otel_kafka.otlp_metrics_each_to_otel_metrics_gauge TO otel.otel_metrics_gauge" in text
    assert text.count("ENGINE = Kafka") == 3
    assert "${" not in text


def test_reading_begins_when_all_that_takes_the_rows_is_there() -> None:
    """One view reads a Kafka table, and it is the last that is made of its signal: none is read too early."""
    made = kafka.statements(KafkaSettings(brokers="b:9092"), "otel", in_memory=True)
    for signal, following in (("traces", "logs"), ("logs", "metrics"), ("metrics", "")):
        reading = [n for n, text in enumerate(made) if re.search(rf"\bFROM otel_kafka\.otlp_{signal}\b", text)]
        assert len(reading) == 1
        assert "MATERIALIZED VIEW" in made[reading[0]]
        after = made[reading[0] + 1 :]
        assert not any(f"otlp_{signal}" in text for text in after)
        assert bool(after) == bool(following)


def test_a_cluster_needs_a_plain_name() -> None:
    """What becomes part of DDL is an identifier."""
    with pytest.raises(StoreError, match="plain name"):
        cluster.statements("a b", "otel")
