"""Attempts to see another tenant's data with a tenant's key: by SQL, pages, downloads and tools. None succeeds.

Each attempt is proved twice: with a key of all tenants it shows the other tenant's rows, so it is real; with the
tenant's key it shows what the tenant may see, so nothing is hidden because nothing works. `tenant_attacks.json` lists
the statements: `own` is what the tenant sees all the same ('' where it is refused), `real` what shows that there is
something to see, `never` what must not be seen beside the other tenant's mark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import tenant_rows
from asked_store import shown
from keyed_store import KeyedStore
from mcp import Client as McpClient
from node_http import ask
from streamlit.testing.v1 import AppTest

from sightline_dashboards.access.store_keys import Limits
from sightline_dashboards.downloads import Format, Offer, file_of
from sightline_mcp.server import build
from sightline_mcp.settings import McpSettings
from sightline_store.cli.tenant_command import statements
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

OURS, THEIRS, *_ = tenant_rows.tenants()
_ATTACKS = json.loads((Path(tenant_rows.__file__).parent / "tenant_attacks.json").read_text(encoding="utf-8"))
_FOREIGN = re.compile(rf"(theirs|shared|nameless)-{tenant_rows.MARK}|b{{32}}")


@dataclass(frozen=True)
class Apart:
    """A store with rows of several tenants, and keys of one of them."""

    url: str
    reader: str
    ours: str
    ours_hidden: str

    def ask(self, key: str, sql: str, **params: str) -> str:
        """What a statement answers, or why it is refused."""
        headers = {"X-ClickHouse-Key": key, "X-ClickHouse-Database": "otel"}
        return ask(self.url, sql.encode(), headers, **params)[1].decode("utf-8", "replace")

    def client(self, key: str) -> Client:
        """A client with a key."""
        return Client(StoreSettings(url=self.url, password=key), sees_content=key != self.ours_hidden)


@pytest.fixture(scope="module")
def apart(store: KeyedStore) -> Apart:
    """The store with rows of several tenants."""
    for table, found in tenant_rows.rows():
        store.insert(table, found)

    return Apart(store.url, store.reader_key, store.limited_key("ours"), store.limited_key("ours", content=False))


@pytest.mark.parametrize("attack", _ATTACKS, ids=lambda attack: attack["name"])
def test_a_tenants_key_shows_no_other_tenants_rows(apart: Apart, attack: dict[str, Any]) -> None:
    """Neither rows nor numbers nor errors; the same statement is answered for who may see all, and for one's own."""
    sql, params, own = attack["sql"], attack.get("params", {}), attack.get("own", OURS.mark)
    answer = apart.ask(apart.ours, sql, **params)
    assert not _FOREIGN.search(answer.replace(sql, "")), answer
    assert attack.get("never", THEIRS.mark) not in answer
    assert own in answer, answer
    if not own:
        assert "DB::Exception" in answer, answer
    everything = apart.ask(apart.reader, sql, **params)
    real = attack.get("real", THEIRS.mark)
    assert real in everything, everything
    if not real and not own:
        assert "DB::Exception" in everything, everything


def test_the_statements_for_a_server_can_be_parsed(apart: Apart) -> None:
    """By the engine's own parser, whatever a tenant is called."""
    client = apart.client(apart.reader)
    for statement in statements("otel", "it's `one`", "role", content=False, definer="default"):
        (row,) = client.query_rows("SELECT formatQueryOrNull({sql:String}) AS parsed", {"sql": statement})
        assert row["parsed"], statement
    client.close()


@pytest.mark.parametrize(
    "table",
    ["requests", "llm_calls", "retrievals", "stages", "errors", "otel_traces", "otel_logs", "otel_metrics_gauge"],
)
def test_counts_and_bounds_are_of_the_tenants_rows(apart: Apart, table: str) -> None:
    """Shortcuts of the engine, which answer from the parts' sizes and bounds, are not taken."""
    time = "TimeUnix" if table == "otel_metrics_gauge" else "Timestamp"
    own = apart.client(apart.ours)
    (counted,) = own.query_rows(f"SELECT count() AS n FROM {table}")
    listed = own.query_rows(f"SELECT {time} AS at FROM {table}")
    (bounds,) = own.query_rows(f"SELECT min({time}) AS low, max({time}) AS high FROM {table}")
    own.close()
    assert counted["n"] == len(listed) > 0
    assert (bounds["low"], bounds["high"]) == (min(row["at"] for row in listed), max(row["at"] for row in listed))


def test_what_one_tenant_asks_changes_no_answer_of_another(apart: Apart) -> None:
    """The engine remembers which rows a condition held for: a tenant's condition must not hide other tenants' rows."""
    for sql in (
        "SELECT count() FROM requests WHERE DurationMs > 1",
        "SELECT uniqExact(UserId) FROM llm_calls WHERE DurationMs > 1",
    ):
        before = apart.ask(apart.reader, f"{sql} SETTINGS use_query_condition_cache = 0")
        for _ in range(3):
            own = apart.ask(apart.ours, sql)
        assert 0 < int(own) < int(before) == int(apart.ask(apart.reader, sql))
        assert apart.ask(apart.ours, sql) == own


def test_a_key_without_content_reads_no_text(apart: Apart) -> None:
    """Columns and views of content are closed, also behind views; what is no content is open."""
    for sql in (
        "SELECT SpanAttributes FROM otel_traces",
        "SELECT * FROM otel_traces",
        "SELECT Events.Attributes FROM otel_traces",
        "SELECT Body FROM otel_logs",
        "SELECT LogAttributes['x'] FROM otel_logs",
        "SELECT Explanation FROM scores",
        "SELECT Input FROM span_contents",
        "SELECT count() FROM otel_traces WHERE SpanAttributes['user.id'] != ''",
    ):
        assert "ACCESS_DENIED" in apart.ask(apart.ours_hidden, sql), sql
        assert "DB::Exception" not in apart.ask(apart.ours, sql), sql
    assert OURS.mark in apart.ask(apart.ours_hidden, "SELECT SpanName FROM otel_traces")
    assert OURS.mark in apart.ask(apart.ours_hidden, "SELECT UserId FROM requests")


def _everything(app: AppTest) -> str:
    """All that a page sends to the browser."""
    return "\n".join(str(getattr(element, "proto", "")) for part in (app.main, app.sidebar) for element in part)


def _without(text: str, asked: Mapping[str, Any]) -> str:
    """A text without what was asked for, which is said again."""
    for value in asked.values():
        text = text.replace(str(value).strip('"').removeprefix("trace:"), "")
    return text


_PAGES: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    ("overview", {"model": f"model-{THEIRS.mark}"}, {"model": f"model-{OURS.mark}"}),
    ("latency", {"route": f"/{THEIRS.mark}"}, {}),
    ("traces", {"tenant": "theirs"}, {"window": "30d"}),
    ("traces", {"q": "tenant:theirs"}, {"q": "tenant:ours"}),
    ("traces", {"q": f'"question {THEIRS.mark}"'}, {"q": f'"question {OURS.mark}"'}),
    ("traces", {"q": f"trace:{'b' * 8}"}, {"q": f"trace:{'a' * 8}"}),
    ("traces", {"q": "-tenant:ours"}, {"q": "-tenant:theirs"}),
    ("traces", {"sort": "groundedness"}, {"sort": "groundedness"}),
    ("trace", {"trace": "b" * 32}, {"trace": "a" * 32}),
    ("trace", {"trace": "c" * 32}, {"trace": "a" * 32}),
    ("trace", {"trace": "a" * 32, "with": "b" * 32}, {"trace": "a" * 32}),
    ("sessions", {"session": f"session-{THEIRS.mark}", "of": "theirs"}, {"session": f"session-{OURS.mark}"}),
    ("sessions", {"tenant": "theirs"}, {}),
    ("cost", {"tenant": "theirs"}, {}),
    ("retrieval", {"tenant": "theirs"}, {}),
    ("quality", {"tenant": "theirs"}, {"tenant": "ours"}),
)


@pytest.mark.parametrize(
    ("page", "foreign", "own"), _PAGES, ids=lambda value: value if isinstance(value, str) else None
)
def test_no_page_shows_another_tenants_data(
    apart: Apart, page: str, foreign: dict[str, str], own: dict[str, str]
) -> None:
    """Whatever the address says. Where an address is given for it, the tenant's own data are there."""
    client = apart.client(apart.ours)
    found = _everything(shown(page, client, **foreign))
    assert not _FOREIGN.search(_without(found, foreign))
    if own:
        assert OURS.mark in _everything(shown(page, client, **own))
    client.close()


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("overview", {}),
        ("traces", {}),
        ("trace", {"trace": "a" * 32}),
        ("sessions", {"session": f"session-{OURS.mark}"}),
        ("quality", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_who_may_not_read_content_sees_pages_without_it(apart: Apart, page: str, address: dict[str, str]) -> None:
    """Numbers and names are there, and `hidden` in place of the texts; with the right to them they are there."""
    texts = [f"{word} {OURS.mark}" for word in ("question", "answer", "reason")]
    client, full = apart.client(apart.ours_hidden), apart.client(apart.ours)
    found = _everything(shown(page, client, **address))
    assert OURS.mark in found
    assert not any(text in found for text in texts)
    assert "idden" in found
    assert any(text in _everything(shown(page, full, **address)) for text in texts)
    client.close()
    full.close()


@pytest.mark.parametrize("form", list(Format))
def test_a_download_holds_the_tenants_rows_alone(apart: Apart, form: Format) -> None:
    """The file of all matching requests, whatever the address asks for."""
    offers: list[Offer] = []

    def take(*_: Any, **given: Any) -> None:
        offers.append(given["offer"])

    client = apart.client(apart.ours)
    with patch("sightline_dashboards.pages.traces.trace_table", take):
        shown("traces", client)
    file = file_of(offers[0].read(), form)
    client.close()
    assert OURS.mark.encode() in file
    assert not _FOREIGN.search(file.decode("latin-1"))


async def test_no_tool_tells_of_another_tenant(apart: Apart) -> None:
    """Every tool that a tenant may use, asked for another tenant's data and for its own."""
    stores = {Limits("ours"): apart.client(apart.ours)}
    server = build(lambda tenant: stores[Limits(tenant)], McpSettings(tenant="ours"))
    attempts: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("search_traces", {"search": "tenant:theirs"}, {"search": "tenant:ours"}),
        ("search_traces", {"search": f'"question {THEIRS.mark}"'}, {"search": f'"question {OURS.mark}"'}),
        (
            "search_traces",
            {"search": "score.groundedness<1", "sort": "groundedness"},
            {"search": "score.groundedness<1"},
        ),
        ("slowest_traces", {"tenant": "theirs"}, {}),
        ("slowest_traces", {"model": f"model-{THEIRS.mark}"}, {"model": f"model-{OURS.mark}"}),
        ("explain_trace", {"trace_id": "b" * 32}, {"trace_id": "a" * 32}),
        ("explain_trace", {"trace_id": "c" * 32}, {"trace_id": "a" * 32}),
        ("worst_answers", {"tenant": "theirs"}, {}),
        ("spend", {"by": "tenant", "tenant": "theirs"}, {"by": "user"}),
        ("spend", {"by": "user"}, {"by": "user"}),
        ("compare_windows", {"tenant": "theirs"}, {"start": "1h"}),
        ("drift", {}, {}),
    )
    async with McpClient(server) as client:
        for tool, foreign, own in attempts:
            told = str((await client.call_tool(tool, foreign)).model_dump())
            assert not _FOREIGN.search(_without(told, foreign)), (tool, foreign)
            result = await client.call_tool(tool, own)
            if tool == "drift":
                assert result.is_error
            elif tool != "compare_windows":
                assert OURS.mark in str(result.model_dump()), (tool, own)
    for client_ in stores.values():
        client_.close()
