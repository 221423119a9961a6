"""The pages in a real browser, over a real store, served by their console script."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import queries_traffic
from browser import FIND, Browser
from traffic_texts import HOSTILE_QUESTION

from sightline_store.client import Client
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_ENTER, _DOWN = "\ue007", "\ue015"  # keys, as WebDriver names them
_CHARTS = "document.querySelectorAll('[data-testid=stVegaLiteChart] :is(svg, canvas)').length"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def pages(roles: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Start the dashboards over a store; returns their address and process."""

    def start(store_url: str, database: str = "otel") -> tuple[str, Any]:
        url = f"http://127.0.0.1:{(port := _free_port())}"
        env = {
            "SIGHTLINE_DASHBOARDS_PORT": str(port),
            "SIGHTLINE_STORE_URL": store_url,
            "SIGHTLINE_STORE_DATABASE": database,
        }
        return url, roles("sightline-dashboards", env=env, health_url=f"{url}/_stcore/health")

    return start


def _filled(client: Client, requests: int) -> StoreSettings:
    queries_traffic.fill(client.settings.url, requests, hours=0.8, database=client.settings.database)
    return client.settings


def test_a_reader_goes_from_the_overview_to_a_span(
    emptied: Callable[..., Client], pages: Callable[..., Any], browser: Browser
) -> None:
    """Cards and charts show; a row opens its trace; a span opens its attributes; hostile text stays text."""
    store = _filled(client := emptied(), 300)
    url, role = pages(store.url, store.database)
    browser.driver.get(f"{url}/overview")  # which leads to the address of the pages itself
    text = browser.text("Slowest first token")
    for label in (
        "TTFT p95",
        "Total p95",
        "Errors",
        "Cost / 1k requests",
        "Groundedness",
        "Retrieval hit@5",
        "Spans lost",
    ):
        assert label in text
    assert "extractive, no LLM" in text
    assert "tokens priced as if openai/gpt-4o-mini" in text
    browser.until(f"return {_CHARTS} >= 3", "charts")
    browser.until(f"{FIND} return findAll('a.card svg path').length >= 7", "sparklines")

    browser.click("tbody tr.link a")
    browser.text("Answer and its grounds")
    browser.until(
        "return location.pathname.endsWith('/trace') && location.search.includes('trace=')", "the trace's address"
    )
    browser.until(f"{FIND} return findAll('.row .bar.critical').length >= 4", "the critical path")
    assert browser.count(".mark") == 2
    browser.until(
        f"{FIND} const row = findAll('button.row').at(-1); row.click(); return true;", "a row of the waterfall"
    )
    browser.text("The call of the model")

    browser.driver.get(f"{url}/traces?q=")
    browser.text("299 requests, last 1 h")  # of one of 300 the request span never arrived
    browser.until(
        f"{FIND} const head = findAll('th button').find((e) => e.innerText.startsWith('Total'));"
        "if (!head) return false; head.click(); return true;",
        "the header Total",
    )
    browser.text("by total, highest first")
    search = browser.until(
        f"{FIND} return findAll('input').find((e) => e.ariaLabel === 'Search requests');", "the search"
    )
    search.send_keys("tenant:gl", _DOWN, _ENTER)
    assert search.get_attribute("value") == "tenant:globex "
    search.send_keys("coroutine", _ENTER)
    browser.until("return location.search.includes('q=tenant%3Aglobex+coroutine')", "the search in the address")
    search.send_keys(" cost>much", _ENTER)
    browser.text("At character 30, much: expected a number")

    hostile = client.query_rows(
        "SELECT TraceId FROM otel_traces WHERE SpanAttributes['sightline.input'] = {text:String} LIMIT 1",
        {"text": HOSTILE_QUESTION},
    )
    assert hostile
    browser.driver.get(f"{url}/trace?trace={hostile[0]['TraceId']}")
    shown = browser.text("<script>alert('x')</script>")
    assert "**bold**" in shown
    assert browser.count("script:not([src])[type=evil], img[src='x'], a[href^='javascript']") == 0
    assert browser.errors() == []
    assert "Traceback" not in role.tail()
    began = time.monotonic()
    assert role.stop() == 0
    assert time.monotonic() - began < 5


_LARGE_TRACE = "f" * 32
_LARGE_TRACE_SPANS = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, SpanAttributes, Duration)
SELECT
    now64(9) - INTERVAL 10 MINUTE + INTERVAL number MILLISECOND, {trace:String},
    leftPad(lower(hex(number + 1)), 16, '0'),
    if(number = 0, '', leftPad(lower(hex(intDiv(number - 1, 40) + 1)), 16, '0')),
    if(number = 0, 'run agent', concat('step ', toString(number))), 'agent', map('sightline.stage', 'tool'),
    if(number = 0, 6000000000, 900000)
FROM numbers(5000)
"""


def test_two_requests_are_compared_and_a_large_trace_is_read(
    emptied: Callable[..., Client], pages: Callable[..., Any], browser: Browser
) -> None:
    """Two rows of the list are ticked; of 5,000 spans those in sight are drawn, after keys, a search or a click too."""
    store = _filled(client := emptied(), 60)
    client.query_bytes(_LARGE_TRACE_SPANS, {"trace": _LARGE_TRACE}, "TabSeparated")
    url, role = pages(store.url, store.database)
    browser.driver.get(f"{url}/traces?window=3h")
    browser.until(
        f"{FIND} const boxes = findAll('td.tick input'); if (boxes.length < 3) return false;"
        "boxes[1].click(); boxes[0].click(); return boxes[2].disabled;",
        "two ticked rows",
    )
    browser.click("button.compare")
    for label in ("Found by both", "First token", "Answers", "Difference", "POST /v1/chat"):
        browser.text(label)
    assert browser.driver.execute_script("return new URLSearchParams(location.search).get('with')")
    browser.click("tbody tr.link a")
    browser.until("return location.search.includes('span=')", "the span's trace")

    browser.driver.get(f"{url}/trace?trace={_LARGE_TRACE}")
    browser.text("5,000 spans")
    browser.until(f"{FIND} return findAll('button.row').length === 41", "the folded waterfall")
    browser.until(
        f"{FIND} findAll('button.tool').find((e) => e.textContent === 'Unfold all').click();"
        "const drawn = findAll('button.row').length; return drawn > 41 && drawn < 120;",
        "a part of the unfolded waterfall",
    )
    first = browser.until(f"{FIND} const row = find('button.row'); row.focus(); return row;", "the first row")
    first.send_keys(_DOWN)
    browser.until(
        f"{FIND} return document.activeElement.shadowRoot.activeElement.dataset.place === '1';", "the next row"
    )
    find = browser.until(f"{FIND} return find('input[type=search]');", "the search of spans")
    find.send_keys("step 4999")
    browser.text("1 of 5,000 spans shown")
    browser.click("button.row")
    browser.until("return location.search.includes('span=0000000000001388')", "the span in the address")
    browser.text("A tool: 0.9 ms")
    assert browser.count("button.row.selected") == 1
    assert browser.errors() == []
    assert "Traceback" not in role.tail()


def test_every_page_shows_its_charts(
    emptied: Callable[..., Client], pages: Callable[..., Any], browser: Browser
) -> None:
    """Each page, reached by its link on a fresh server, shows charts and a table; the filters in the URL hold."""
    store = _filled(client := emptied(), 120)
    client.command(
        "INSERT INTO otel_metrics_sum (ServiceName, MetricName, Attributes, StartTimeUnix, TimeUnix, Value) "
        "SELECT 'sightline-collector', concat('sightline.collector.items.', told.1), map('signal', 'traces'), "
        "now() - 1200, now() - 600, told.2 FROM (SELECT arrayJoin([('received', 800), ('late', 20)]) AS told)"
    )
    url, role = pages(store.url, store.database)
    for page in ("latency", "cost", "retrieval", "quality", "pipeline"):
        browser.driver.get(f"{url}/{page}?tenant=acme&window=3h")
        browser.until(f"return {_CHARTS} >= 1", f"a chart of {page}")
        browser.until(f"{FIND} return findAll('tbody tr').length >= 1", f"a table of {page}")
        browser.text("Last 3 h")
        browser.until("return [...document.querySelectorAll('input')].some((input) => input.value === 'acme')", "acme")
        text = browser.text(page.capitalize())
        assert "could not answer" not in text
        if page == "cost":
            told = browser.text("SIGHTLINE_PRICES_FILE")
            assert "Embedding models" in told
            browser.text("no price is known")
            browser.text("lexical-svd")
            assert "tenant acme" in browser.text("Spent at this pace")
        if page == "pipeline":
            browser.text("20 of 800 spans received (2.5 %) came late")
        assert "tenant=acme" in browser.driver.current_url
    browser.driver.get(f"{url}/sessions?tenant=acme&window=3h")
    browser.until(f"{FIND} return findAll('tbody tr').length >= 1", "a conversation")
    browser.driver.get(f"{url}/review?tenant=acme&window=3h")
    reviewer = "return document.querySelector('.st-key-reviewer input')"
    browser.until(reviewer, "the field for a reviewer's name")
    browser.driver.execute_script(reviewer).send_keys("Ann", _ENTER)
    assert "Keys: G good, B bad" in browser.text("that the answer was written from")
    browser.driver.get(f"{url}/alerts")
    browser.text("No rule has been evaluated yet.")
    assert "Traceback" not in role.tail()
    assert browser.errors() == []


def test_empty_store_says_what_to_do_next(
    emptied: Callable[..., Client], pages: Callable[..., Any], browser: Browser
) -> None:
    """A first look shows the lines that make a first trace."""
    store = emptied().settings
    url, _ = pages(store.url, store.database)
    browser.driver.get(url)
    browser.text("The store is empty.")
    browser.text("sightline.configure")


def test_absent_store_is_named_and_its_return_is_noticed(
    pages: Callable[..., Any], browser: Browser, roles: Callable[..., Any], tmp_path: Path
) -> None:
    """No traceback: a sentence with the variable; a live page heals by itself."""
    store_port = _free_port()
    store_url = f"http://127.0.0.1:{store_port}"
    url, _ = pages(store_url)
    browser.driver.get(f"{url}/?live=1")
    text = browser.text(f"No store answers at SIGHTLINE_STORE_URL={store_url}")
    assert "sightline up" in text
    env = {"SIGHTLINE_STORE_PORT": str(store_port), "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data")}
    roles("sightline-store", "serve", env=env, health_url=f"{store_url}/ping")
    migrate.apply(client := Client(StoreSettings(url=store_url)))
    client.close()
    browser.text("The store is empty.")
