"""The range of time in a real browser: a drag zooms, the way back, a shared address, a click that leads to traces."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import queries_traffic
from browser import FIND, Browser
from role_process import StartRole, free_port

from sightline_store.client import Client

_CHART = "document.querySelector('[class*=st-key-latency] svg.marks')"
_DRAG_S = 15.0
_DEPLOY = "document.querySelectorAll('[class*=st-key-latency] svg.marks [aria-label*=\"0.1.0 → 0.2.0\"]').length"


def _filled(client: Client) -> None:
    """Less than an hour of traffic, in which a version is deployed: then each request has a later one of it."""
    queries_traffic.fill(client.settings.url, 160, hours=0.9, database=client.settings.database)
    client.command(
        "INSERT INTO otel_traces SELECT * REPLACE (mapUpdate(ResourceAttributes, map('service.version', '0.2.0')) AS "
        "ResourceAttributes, concat(substring(TraceId, 1, 30), 'ff') AS TraceId, Timestamp + INTERVAL 1 SECOND "
        "AS Timestamp) FROM otel_traces WHERE otel_traces.Timestamp > now() - INTERVAL 12 MINUTE"
    )


def _drag(browser: Browser, first: float, last: float) -> None:
    """Drag over the latency chart, between two parts of its width; nothing happens where it is not there."""
    from selenium.webdriver.common.action_chains import ActionChains

    box = browser.driver.execute_script(
        f"const chart = {_CHART}; if (!chart) return null; chart.scrollIntoView({{block: 'center'}});"
        "const box = chart.getBoundingClientRect(); return [box.left, box.top, box.width, box.height];"
    )
    if box is None:
        return
    left, top, width, height = box
    action = ActionChains(browser.driver)
    pointer: Any = action.w3c_actions.pointer_action
    pointer.move_to_location(int(left + width * first), int(top + height * 0.6))
    pointer.pointer_down()
    for part in (0.3, 0.7, 1.0):
        pointer.move_to_location(int(left + width * (first + (last - first) * part)), int(top + height * 0.6))
    pointer.pointer_up()
    action.perform()


def _drag_until(browser: Browser, first: float, last: float, script: str, what: str) -> None:
    """Drag until a script returns something true: a drag over a chart that is just drawn anew is lost."""
    for _ in range(4):
        _drag(browser, first, last)
        deadline = time.monotonic() + _DRAG_S
        while time.monotonic() < deadline:
            if browser.driver.execute_script(script):
                return
            time.sleep(0.1)
    browser.until(script, what)


def test_a_drag_zooms_and_its_address_can_be_shared(
    emptied: Callable[..., Client], roles: StartRole, browser: Browser, tmp_path: Path
) -> None:
    """The range is in the address, another reader sees it, and one button leads back; a click opens the traces."""
    _filled(client := emptied())
    url = f"http://127.0.0.1:{(port := free_port())}"
    env = {
        "SIGHTLINE_DASHBOARDS_PORT": str(port),
        "SIGHTLINE_DASHBOARDS_VIEWS_FILE": str(tmp_path / "views.json"),
        "SIGHTLINE_STORE_URL": client.settings.url,
        "SIGHTLINE_STORE_DATABASE": client.settings.database,
    }
    role = roles("sightline-dashboards", env=env, health_url=f"{url}/_stcore/health")
    browser.driver.get(f"{url}/latency?tenant=acme")
    browser.until(f"return {_DEPLOY} > 0", "the mark of the deploy")
    assert "Deploy of rag-api: 0.1.0 → 0.2.0" in browser.text("▼")

    _drag_until(browser, 0.35, 0.65, "return location.search.includes('from=')", "the range in the address")
    shared = browser.driver.current_url
    assert re.search(r"tenant=acme", shared)
    browser.until(f"{FIND} return find('.st-key-range_back button') !== undefined", "the way back")
    label = browser.until(
        "const shown = document.querySelector('[class*=st-key-rangecontrol] [data-testid=stPopover] button');"
        r"return shown && / \d\d:\d\d:\d\d to /.test(shown.innerText) ? shown.innerText : null;",
        "the range in the bar",
    )
    browser.until(f"return {_CHART} !== null", "the zoomed chart")

    browser.click(".st-key-range_back button")
    browser.until("return !location.search.includes('from=')", "the address without a range")
    browser.text("Last 1 h")

    browser.forget()
    browser.driver.get(shared)
    browser.text(str(label).splitlines()[0])
    browser.until(f"return {_CHART} !== null", "the chart of the shared range")

    _drag_until(browser, 0.5, 0.5, "return location.pathname.endsWith('/traces')", "the traces of a click")
    browser.until("return location.search.includes('sort=ttft') && location.search.includes('tenant=acme')", "both")
    assert "Traceback" not in role.tail()
    assert browser.errors() == []
