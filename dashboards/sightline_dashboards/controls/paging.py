"""The pages of a long list: which one is shown, and the buttons that turn them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sightline_dashboards import formats
from sightline_dashboards.panels import rerun


@dataclass(frozen=True)
class Paging:
    """The page of a list that is shown.

    Attributes:
        key: of the list; its number is kept in the session below it.
        size: rows of a page.
        number: of the page, from 1.
    """

    key: str
    size: int
    number: int

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.number - 1) * self.size

    def turn_to(self, number: int) -> NoReturn:
        """Show another page."""
        st.session_state[f"{self.key}_page"] = number
        rerun()

    def foot(self, matching: int, what: str) -> DeltaGenerator:
        """Show the buttons and where the page is among all; return their row, in which more may follow.

        Args:
            matching: rows on all pages.
            what: is listed, in the plural.
        """
        pages = max(1, -(-matching // self.size))
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with row:
            if st.button("← Back", disabled=self.number <= 1, key=f"{self.key}_back"):
                self.turn_to(self.number - 1)
            if st.button("Next →", disabled=self.number >= pages, key=f"{self.key}_next"):
                self.turn_to(self.number + 1)
            counted = f"{formats.count(matching)} {what}, page {formats.count(self.number)} of {formats.count(pages)}"
            st.html(f'<p class="sl-note">{counted}</p>', width="content")
        return row


def page_of(key: str, question: object, size: int) -> Paging:
    """Return the page to show of a list, the first one whenever what is listed changes.

    Args:
        key: of the list, unique in a session.
        question: what is listed and in which order; compared with the one before.
        size: rows of a page.
    """
    if st.session_state.get(f"{key}_question") != question:
        st.session_state[f"{key}_question"] = question
        st.session_state[f"{key}_page"] = 1
    return Paging(key, size, int(st.session_state.setdefault(f"{key}_page", 1)))
