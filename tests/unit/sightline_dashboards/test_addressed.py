"""Controls whose value is in the address of a page."""

from __future__ import annotations

import pytest
from asked_store import AskedStore, shown, texts
from streamlit.testing.v1 import AppTest


def _script() -> None:
    import streamlit as st

    from sightline_dashboards.controls import addressed

    st.html(
        f"<b>{addressed.checkbox('Failed only', name='failed')}|{addressed.one_of('By', ['a', 'b'], name='by')}</b>"
    )


def opened(**address: str) -> AppTest:
    """The controls at an address."""
    app = AppTest.from_function(_script)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run(timeout=60)


def test_a_default_is_not_in_the_address() -> None:
    """What is chosen is, and what is taken back leaves it."""
    app = opened()
    assert "False|a" in texts(app)
    assert dict(app.query_params) == {}
    app.checkbox(key="failed_chosen").check().run()
    assert dict(app.query_params) == {"failed": "1"}
    app.checkbox(key="failed_chosen").uncheck().run()
    assert dict(app.query_params) == {}


def test_an_address_sets_the_controls() -> None:
    """Also while the page is open: a view or a link leads to the same page."""
    app = opened(failed="1", by="b")
    assert "True|b" in texts(app)
    del app.query_params["failed"]
    app.query_params["by"] = "a"
    app.run()
    assert "False|a" in texts(app)


@pytest.mark.parametrize("address", [{"failed": "yes"}, {"by": "<b>"}])
def test_an_address_that_names_nothing_is_the_default(address: dict[str, str]) -> None:
    """And leaves the address."""
    app = opened(**address)
    assert "False|a" in texts(app)
    assert dict(app.query_params) == {}


def test_a_list_takes_what_its_address_says() -> None:
    """The link of a chart's failed part narrows the list of traces."""
    store = AskedStore()
    shown("traces", store, failed="1", **{"from": "2026-03-01T10:00:00Z", "to": "2026-03-01T10:01:00Z"})
    (asked,) = store.params("traces")
    assert (asked["only_errors"], asked["from"], asked["to"]) == (
        1, "2026-03-01 10:00:00.000", "2026-03-01 10:01:00.000",
    )  # fmt: skip
