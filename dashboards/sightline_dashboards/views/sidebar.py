"""The saved views in the sidebar: open one, save the page as it is, rename and remove."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Final

import streamlit as st

from sightline_dashboards import navigation
from sightline_dashboards.access import current
from sightline_dashboards.access.viewers import Role
from sightline_dashboards.settings import DashboardSettings
from sightline_dashboards.timeline.ranges import DEFAULT_PRESET
from sightline_dashboards.views.saved import MAX_NAME_CHARS, SavedViews, View, ViewsProblem, view_of

_LOG = logging.getLogger("sightline.dashboards")
_PROBLEM, _NAME = "views_problem", "views_name"
_UNSET: Final = {"tenant": "", "model": "", "route": "", "live": "0", "against": ""}
"""What a filter is where a view has none of its kind: else the one that is set now would stay."""


@st.cache_resource(show_spinner=False)
def _saved() -> SavedViews:
    return SavedViews(DashboardSettings.from_env().views_file)


def group() -> str:
    """Whose views are shown: readers who may see the same share them.

    Raises:
        NotAllowed: nobody is signed in.
    """
    return current.viewer().tenant


def address(view: View) -> dict[str, str]:
    """Return the parameters by which a view is opened: all filters are in there, so that none of now stays."""
    has_range = "from" in view.params or "window" in view.params
    return _UNSET | ({} if has_range else {"window": DEFAULT_PRESET}) | view.params


def plain(name: str) -> str:
    """Return a name as Markdown that shows it as it was entered: others wrote it."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", name)


def show(page: str) -> None:
    """Show the views, and what can be done with them.

    Args:
        page: name in the URL of the page that is shown.
    """
    pages = st.session_state.get(navigation.PAGES, {})
    with st.sidebar.container(key="views"):
        st.html('<h2 class="sl-side">Saved views</h2>')
        try:
            views = _saved().of(group())
        except ViewsProblem as exc:
            _LOG.warning("%s: %s", _saved().path, exc)
            st.html(f'<p class="sl-note" role="alert" data-testid="views-problem">{escape(str(exc))}</p>')
            return
        for number, view in enumerate(views):
            if view.page in pages:
                _line(number, view, pages[view.page])
        if not current.may(Role.EDITOR):
            return
        with st.popover("Save this view", key=f"views_save_{len(views)}", type="tertiary"):
            st.text_input("Name", key=_NAME, max_chars=MAX_NAME_CHARS, placeholder="Slow answers of acme")
            st.button("Save", key="views_save_now", on_click=_save, args=(page,))
            st.html('<p class="sl-note">The page with its range, filters and search.</p>')
        if problem := st.session_state.pop(_PROBLEM, ""):
            st.html(f'<p class="sl-note sl-failed" role="alert" data-testid="views-problem">{escape(problem)}</p>')


def _line(number: int, view: View, page: object) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap=None, key=f"views_line_{number}"):
        st.page_link(page, label=plain(view.name), query_params=address(view))  # type: ignore[arg-type]
        if not current.may(Role.EDITOR):
            return
        with st.popover("⋯", key=f"views_more_{number}_{view.name}", type="tertiary"):
            key = f"views_rename_{number}_{view.name}"
            st.text_input("Name", view.name, key=key, max_chars=MAX_NAME_CHARS)
            with st.container(horizontal=True, gap="small"):
                st.button("Rename", key=f"{key}_now", on_click=_rename, args=(view.name, key))
                st.button("Remove", key=f"{key}_remove", on_click=_remove, args=(view.name,))


def _save(page: str) -> None:
    named = str(st.session_state.get(_NAME, ""))
    params = {name: st.query_params[name] for name in st.query_params}

    def save() -> None:
        _saved().save(view_of(named, page, params, group()))
        st.session_state[_NAME] = ""

    _tried(save)


def _rename(name: str, key: str) -> None:
    _tried(partial(_saved().rename, name, str(st.session_state.get(key, "")), group()))


def _remove(name: str) -> None:
    _tried(partial(_saved().remove, name, group()))


def _tried(change: Callable[[], None]) -> None:
    """Change the views, or remember why that is not possible."""
    if not current.may(Role.EDITOR):
        st.session_state[_PROBLEM] = "Only an editor changes saved views."
        return
    try:
        change()
    except ViewsProblem as exc:
        st.session_state[_PROBLEM] = str(exc)
