"""The filter bar: the same on every page, kept in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from sightline_dashboards import source
from sightline_store.errors import StoreError
from sightline_store.questions import queries
from sightline_store.questions.queries import Filters

WINDOWS: dict[str, tuple[str, timedelta]] = {
    "15m": ("Last 15 min", timedelta(minutes=15)),
    "1h": ("Last 1 h", timedelta(hours=1)),
    "3h": ("Last 3 h", timedelta(hours=3)),
    "12h": ("Last 12 h", timedelta(hours=12)),
    "24h": ("Last 24 h", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
DEFAULT_WINDOW = "1h"
_CHOICES = {"tenant": "All tenants", "model": "All models", "route": "All routes"}
_VALUES = "filter_values"
REFRESH_S = 5.0
"""Seconds between refreshes while the page is live."""


@dataclass(frozen=True)
class Selection:
    """What the reader chose in the bar."""

    window: str = DEFAULT_WINDOW
    tenant: str = ""
    model: str = ""
    route: str = ""
    live: bool = False

    def filters(self, now: datetime | None = None) -> Filters:
        """The window that ends now, for the store. It ends on a full second, so that neighbours agree."""
        end = (now or datetime.now(UTC)).replace(microsecond=0) + timedelta(seconds=1)
        length = WINDOWS.get(self.window, WINDOWS[DEFAULT_WINDOW])[1]
        return Filters(start=end - length, end=end, tenant=self.tenant, model=self.model, route=self.route)

    @property
    def label(self) -> str:
        """The window in words."""
        return WINDOWS.get(self.window, WINDOWS[DEFAULT_WINDOW])[0].lower()

    @property
    def refresh_s(self) -> float | None:
        """Seconds between refreshes, None where the page does not refresh."""
        return REFRESH_S if self.live else None


def values() -> dict[str, list[str]]:
    """The tenants, models and routes of the window, as the bar has them."""
    return dict(st.session_state.get(_VALUES, {}))


def show() -> Selection:
    """Show the bar and return its selection. Values in the URL that the window does not hold stay selectable."""
    for name in (*_CHOICES, "window", "live"):
        _read_from_url(name)
    if st.session_state.get("window") not in WINDOWS:
        st.session_state["window"] = DEFAULT_WINDOW
    st.session_state["live"] = str(st.session_state.get("live", "")) in {"1", "True"}
    try:
        values = queries.filter_values(source.client(), Selection(window=st.session_state["window"]).filters())
    except StoreError:
        values = {}
    st.session_state[_VALUES] = values
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filterbar"):
        window = st.selectbox(
            "Window",
            list(WINDOWS),
            format_func=lambda key: WINDOWS[key][0],
            key="window",
            persist_state="session",
            label_visibility="collapsed",
            width=140,
        )
        choices = {name: _choice(name, values.get(f"{name}s", [])) for name in _CHOICES}
        live = st.toggle("Live", key="live", persist_state="session", help=f"Ask again every {REFRESH_S:.0f} s")
    _write_to_url("window", window, DEFAULT_WINDOW)
    _write_to_url("live", "1" if live else "", "")
    for name, value in choices.items():
        _write_to_url(name, value, "")
    return Selection(window=window, live=live, **choices)


def _choice(name: str, values: Sequence[str]) -> str:
    current = str(st.session_state.setdefault(name, ""))
    return str(
        st.selectbox(
            name.capitalize(),
            ["", *sorted({*values, current} - {""})],
            format_func=lambda value: value or _CHOICES[name],
            key=name,
            persist_state="session",
            label_visibility="collapsed",
            width=150,
        )
    )


def _read_from_url(name: str) -> None:
    """Take a value over from the URL where the URL is newer: a link was followed or the address edited."""
    url_value = st.query_params.get(name)
    if url_value is not None and url_value != st.session_state.get(f"url_{name}"):
        st.session_state[name] = url_value


def _write_to_url(name: str, value: str, default: str) -> None:
    """Write a value into the URL; a default stays out of it."""
    if value == default:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
    st.session_state[f"url_{name}"] = None if value == default else value
