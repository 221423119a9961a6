"""The search box of the lists of requests and conversations: its text is in the address, its language in `search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, NoReturn

import streamlit as st

from sightline_dashboards import formats
from sightline_dashboards.controls import filterbar
from sightline_dashboards.elements import search as search_box
from sightline_dashboards.panels import rerun
from sightline_dashboards.plotting.theme import STAGES
from sightline_store.questions import asking, request_lists
from sightline_store.questions.conditions import reads_spans
from sightline_store.questions.search import SearchError, Term, parse

_KEYS: Final = (
    ("tenant:", "a tenant"),
    ("user:", "a user"),
    ("session:", "a session"),
    ("model:", "a model that answered"),
    ("stage:", "with a span of this stage"),
    ("service:", "the service that was asked"),
    ("route:", "an HTTP route"),
    ("trace:", "the beginning of a trace id"),
    ("error", "failed"),
    ("cost>", "USD"),
    ("ms>", "total time in ms"),
    ("ttft>", "ms to the first token"),
    ("tokens>", "of its model calls, in and out"),
    ("score.groundedness<", "0 to 1"),
    ("score.faithfulness<", "0 to 1, by RAGAS"),
    ("score.retrieval_hit_at_5=", "0 or 1"),
    ("gen_ai.request.", "any attribute, for example gen_ai.request.top_k:5"),
)
"""What a term of a search can begin with, and what it means."""
_LANGUAGE: Final = (
    ("two words", "both, in its questions, answers and steps, or the ids of session and user"),
    ('"two words"', 'as they stand; so do values with blanks, such as tenant:"a b"'),
    ("tenant:acme", "also user, session, model, stage, service, route, trace"),
    ("gen_ai.request.top_k:5", "any attribute of a span or its resource: its name has a dot"),
    ("cost>0.01", "in USD; also ms, ttft (ms), tokens, score.NAME and attributes, with < <= > >= ="),
    ("error", "failed"),
    ("-stage:cache", "without what follows"),
)
"""The language of the search by examples; all terms must hold."""


@dataclass(frozen=True)
class Searched:
    """A search that can be read.

    Attributes:
        text: as it was entered.
        terms: what it asks.
    """

    text: str
    terms: Sequence[Term]


def searched() -> Searched | None:
    """Return the search of the address; None where it cannot be read, which the box says."""
    read = _read()
    return read if isinstance(read, Searched) else None


def _read() -> Searched | SearchError:
    text = st.query_params.get("q", "")
    try:
        return Searched(text, parse(text))
    except SearchError as exc:
        return exc


def show(*, key: str) -> None:
    """Show the box."""
    text, read = st.query_params.get("q", ""), _read()
    entered = search_box(
        text,
        keys=_KEYS,
        values=_values(),
        key=f"{key}_search",
        placeholder="Words, tenant:acme, cost>0.01, error",  # as much as a phone shows
        error=(read.at, read.expected) if isinstance(read, SearchError) else None,
    )
    if entered is not None and entered.strip() != text:
        _search_for(entered.strip())


def show_language() -> None:
    """Show what can be searched for, behind a button."""
    with st.popover("How to search", type="tertiary", key="how_to_search"):
        for term, meaning in _LANGUAGE:
            st.html(f'<p class="sl-what"><code>{escape(term)}</code> {escape(meaning)}</p>')


def reach(client: asking.Asks, filters: asking.Filters, searched: Searched, *, only_errors: bool) -> str:
    """Return in which requests words and attributes were looked for, where not in all of them; "" where in all."""
    if not any(reads_spans(term) for term in searched.terms):
        return ""
    looked_at = request_lists.searched_requests(client, filters, search=searched.text, only_errors=only_errors)
    return reach_note(looked_at["requests"], looked_at["read"])


def reach_note(candidates: int, read: int) -> str:
    """Return in which requests words and attributes were looked for, where not in all of them; "" where in all.

    Args:
        candidates: requests that hold the search's other terms.
        read: how many of them were looked at, the newest.
    """
    if read >= candidates:
        return ""
    return (
        f"Words and attributes were looked for in the newest {formats.count(read)} of {formats.count(candidates)} "
        "requests: a shorter window reaches all of them."
    )


def _values() -> dict[str, list[str]]:
    """What can stand behind the keys of a search, as far as it is known without asking."""
    known = filterbar.values()
    return {
        "tenant": known.get("tenants", []),
        "model": known.get("models", []),
        "route": known.get("routes", []),
        "stage": [*STAGES[: STAGES.index("delivery")], "tool", "agent", "workflow"],
    }


def _search_for(text: str) -> NoReturn:
    """Put a search into the address and show what it finds."""
    if text:
        st.query_params["q"] = text
    else:
        st.query_params.pop("q", None)
    rerun()
