"""Going from page to page with the filters kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import urlencode

import streamlit as st

from sightline_dashboards.timeline.ranges import RANGE_KEYS

FILTER_KEYS = (*RANGE_KEYS, "tenant", "model", "route", "live", "against")
"""Names of the filter bar's values, in the URL and in the session."""

DEFAULT_PAGE = "overview"
"""Page at the address itself; Streamlit gives it no path of its own."""

PAGES = "sightline_pages"
"""Where a session keeps its pages, by their names in the URL."""


def remember(pages: Mapping[str, object]) -> None:
    """Keep this session's pages by their names in the URL, so that elements can lead to them."""
    st.session_state[PAGES] = dict(pages)


def params(**more: str) -> dict[str, str]:
    """Query parameters of a link: the filters that are set, and more; a range in there replaces the one that is set."""
    kept = {key: value for key in FILTER_KEYS if (value := st.query_params.get(key))}
    if any(key in more for key in RANGE_KEYS):
        kept = {key: value for key, value in kept.items() if key not in RANGE_KEYS}
    return {**kept, **more}


def href(page: str, **more: str) -> str:
    """Address of a page, relative to where the pages are served."""
    query = urlencode(params(**more))
    path = "./" if page == DEFAULT_PAGE else page
    return f"{path}?{query}" if query else path


def open_page(page: str, **more: str) -> NoReturn:
    """Open a page in this session, without a reload."""
    st.switch_page(st.session_state[PAGES][page], query_params=params(**more))


def open_default() -> NoReturn:
    """Open the default page from an address that names it, with all that the address says."""
    st.switch_page(st.session_state[PAGES][DEFAULT_PAGE], query_params=st.query_params.to_dict())


def link(page: str, label: str, **more: str) -> None:
    """Show a link to a page."""
    st.page_link(st.session_state[PAGES][page], label=label, query_params=params(**more))
