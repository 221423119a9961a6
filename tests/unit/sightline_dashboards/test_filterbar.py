"""The filter bar: its range of time, the way back, and what is in the address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from asked_store import AskedStore, texts
from streamlit.testing.v1 import AppTest


def _script() -> None:
    import streamlit as st

    from sightline_dashboards.controls import filterbar

    selection = filterbar.chosen()
    filterbar.show(selection, {"tenants": ["acme", "globex"], "models": ["gpt-4o"], "routes": ["/v1/chat"]})
    filters = selection.filters()
    earlier = selection.compared(filters)
    st.html(
        f"<b>{selection.label}|{selection.compared_label}|{filters.start.isoformat()}|{earlier.start.isoformat()}"
        f"|{selection.refresh_s}</b>"
    )


def opened(**address: str) -> AppTest:
    """The bar at an address."""
    app = AppTest.from_function(_script)
    for name, value in address.items():
        app.query_params[name] = value
    return run(app)


def run(app: AppTest) -> AppTest:
    """Run it once more."""
    with patch("sightline_dashboards.source.client", AskedStore):
        app.run(timeout=60)
    assert not app.exception
    return app


def told(app: AppTest) -> list[str]:
    """Label, what it is compared with, start, start of that, seconds between refreshes."""
    return texts(app).rpartition("<b>")[2].partition("</b>")[0].split("|")


def write(app: AppTest, start: str, end: str) -> AppTest:
    """Enter a range and show it."""
    app.text_input(key="range_from").set_value(start)
    app.text_input(key="range_to").set_value(end)
    app.button(key="range_show").click()
    return run(app)


def test_without_an_address_the_last_hour_is_shown() -> None:
    """The address stays as short as it was."""
    app = opened()
    assert told(app)[:2] == ["last 1 h", "the 1 h before"]
    assert dict(app.query_params) == {}
    assert [each.key for each in app.button if each.key == "range_back"] == []


def test_a_preset_is_in_the_address_and_the_way_back_is_open() -> None:
    """Back is back, and then there is nothing to go back to."""
    app = opened()
    app.button(key="range_preset_7d").click()
    run(app)
    assert told(app)[0] == "last 7 days"
    assert dict(app.query_params) == {"window": "7d"}
    app.button(key="range_back").click()
    run(app)
    assert told(app)[0] == "last 1 h"
    assert dict(app.query_params) == {}
    assert not [each for each in app.button if each.key == "range_back"]


def test_a_range_of_ones_own_is_in_the_address_in_utc() -> None:
    """Another session that opens the address shows the same; the tenant stays."""
    app = write(opened(tenant="acme", window="3h"), "2026-03-01 10:00", "2026-03-01 11:30")
    assert told(app)[2] == "2026-03-01T10:00:00+00:00"
    address = dict(app.query_params)
    assert address == {"tenant": "acme", "from": "2026-03-01T10:00:00Z", "to": "2026-03-01T11:30:00Z"}
    again = opened(**address)
    assert told(again)[:4] == told(app)[:4]
    assert again.text_input(key="range_from").value == "2026-03-01 10:00"
    app.button(key="range_back").click()
    assert told(run(app))[0] == "last 3 h"


def test_what_cannot_be_shown_is_said_beside_the_inputs() -> None:
    """What was written stays, and so does what is shown; the next good range takes the sentence away."""
    app = write(opened(), "2026-03-01 11:00", "2026-03-01 10:00")
    assert "The range ends (1 Mar 2026 10:00:00) before it begins" in texts(app)
    assert app.text_input(key="range_from").value == "2026-03-01 11:00"
    assert told(app)[0] == "last 1 h"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert "begins in the future" in texts(write(app, tomorrow, "now"))
    assert "sl-failed" not in texts(write(app, "2h", "1h"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"from": "2026-03-01T11:00:00Z", "to": "2026-03-01T10:00:00Z"}, "before it begins"),
        ({"from": "<b>", "to": "now"}, "&lt;b&gt;"),
        ({"window": "9y"}, "a window that there is not"),
    ],
)
def test_an_address_that_cannot_be_shown_is_said(address: dict[str, str], said: str) -> None:
    """The default is shown, and the address says so."""
    app = opened(**address)
    assert said in texts(app)
    assert "The last 1 h is shown." in texts(app)
    assert told(app)[0] == "last 1 h"
    assert dict(app.query_params) == {}


def test_a_link_to_another_range_can_be_left_again() -> None:
    """As a click on a chart makes one."""
    app = opened(window="24h")
    app.query_params["from"], app.query_params["to"] = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"
    del app.query_params["window"]
    run(app)
    assert told(app)[0].startswith("1 Mar")
    app.button(key="range_back").click()
    assert told(run(app))[0] == "last 24 h"


def test_only_a_preset_refreshes_while_live() -> None:
    """A range of one's own does not move; the choice comes back with the preset."""
    assert told(opened(live="1"))[4] == "5.0"
    app = write(opened(live="1"), "2026-03-01 10:00", "2026-03-01 11:00")
    assert told(app)[4] == "None"
    assert app.toggle(key="live").disabled
    app.button(key="range_back").click()
    assert told(run(app))[4] == "5.0"


def test_a_range_is_compared_with_the_same_hours_of_another_day() -> None:
    """The choice is in the address."""
    address = {"from": "2026-03-10T10:00:00Z", "to": "2026-03-10T11:00:00Z"}
    assert told(opened(**address))[3] == "2026-03-10T09:00:00+00:00"
    week = opened(**address, against="week")
    assert told(week)[1:4:2] == ["the same hours 1 week earlier", "2026-03-03T10:00:00+00:00"]
    app = opened(**address)
    app.selectbox(key="against").select("day")
    run(app)
    assert told(app)[3] == "2026-03-09T10:00:00+00:00"
    assert app.query_params["against"] == "day"
    assert told(opened(**address, against="year"))[3] == "2026-03-10T09:00:00+00:00"
