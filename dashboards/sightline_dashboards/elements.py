"""Elements that Streamlit lacks: cards with sparklines, tables whose rows are links, the waterfall of a trace.

Each is a small script in `assets/` that gets data and puts text in as text: what is in the store is written by
strangers and never becomes markup. A click comes back to Python, which opens the page without a reload.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import streamlit as st

from sightline_dashboards import assets, navigation
from sightline_dashboards.access import audit
from sightline_dashboards.downloads import LABELS, MEDIA_TYPES, Format, Offer, file_of
from sightline_dashboards.formats import Tone


@dataclass(frozen=True)
class Card:
    """One number of a page's first row."""

    label: str
    value: str
    page: str
    """Page that explains the number, by its name in the URL."""
    note: str = ""
    change: str = ""
    tone: Tone = "neutral"
    spark: Sequence[float | None] = ()
    hint: str = ""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    label: str
    number: bool = False
    mono: bool = False
    link: bool = False
    """Its cells are real links, for the keyboard and for a new tab; a click anywhere in the row opens it too."""
    wrap: bool = False
    colour: bool = False
    sort: str = ""
    """Name by which the column sorts; '' does not sort."""
    hint: str = ""


@dataclass(frozen=True)
class TableRow:
    """One row: a text a column, and where a click leads."""

    cells: Sequence[str]
    page: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tones: Sequence[str] = ()
    titles: Sequence[str] = ()
    colour: str = ""


def cards(items: Sequence[Card], *, key: str) -> None:
    """Show cards in a row (two a row on a phone)."""
    data = [{**asdict(item), "spark": list(item.spark), "href": navigation.href(item.page)} for item in items]
    result = _component("cards")(key=key, data={"cards": data}, on_open_change=_nothing)
    if result.open:
        navigation.open_page(str(result.open))


def table(
    columns: Sequence[Column],
    rows: Sequence[TableRow],
    *,
    key: str,
    empty: str,
    sort: str = "",
    descending: bool = True,
    pair: str = "",
    on_pair: Callable[[TableRow, TableRow], None] | None = None,
    offer: Offer | None = None,
    find: str = "",
) -> str | None:
    """Show a table; return the name of the column whose header was just clicked, if any.

    Args:
        columns: of the table.
        rows: in order.
        key: of the element.
        empty: shown in place of no rows.
        sort: name by which the rows are sorted.
        descending: whether the greatest come first.
        pair: label of the button for two rows that a reader ticks; '' where none can be ticked. A row that can be
            has an address of its own.
        on_pair: called with the two, in the order in which they were ticked.
        offer: what a reader can take as a file; None: the cells as they are shown.
        find: label of the box that leaves the rows that hold a text; '' shows no box.
    """
    offered = offer or Offer(
        [{column.label: cell for column, cell in zip(columns, row.cells, strict=True)} for row in rows]
    )
    data = {
        "columns": [asdict(column) for column in columns],
        "rows": [
            {
                "cells": list(row.cells),
                "tones": list(row.tones),
                "titles": list(row.titles),
                "colour": row.colour,
                "href": navigation.href(row.page, **row.params) if row.page else "",
                "open": str(number) if row.page else "",
                "id": navigation.href(row.page, **row.params) if pair else "",
            }
            for number, row in enumerate(rows)
        ],
        "sort": {"key": sort, "descending": descending} if sort else None,
        "empty": empty,
        "pair": pair,
        "find": find,
        "files": [{"form": form.value, "label": LABELS[form]} for form in Format] if rows else [],
        "note": offered.note,
    }
    result = _component("table")(
        key=key,
        data=data,
        on_open_change=_nothing,
        on_sort_change=_nothing,
        on_pair_change=_nothing,
        on_take_change=_nothing,
    )
    if result.take in set(Format):
        _hand_over(offered, Format(result.take), key)
    if on_pair and result.pair:
        by_id = {navigation.href(row.page, **row.params): row for row in rows}
        chosen = [by_id[each] for each in result.pair if each in by_id]
        if len(chosen) == 2:
            on_pair(chosen[0], chosen[1])
    if result.open and int(result.open) < len(rows):
        row = rows[int(result.open)]
        navigation.open_page(row.page, **row.params)
    return str(result.sort) if result.sort else None


def search(
    value: str,
    *,
    keys: Sequence[tuple[str, str]],
    values: Mapping[str, Sequence[str]],
    key: str,
    placeholder: str,
    error: tuple[int, str] | None = None,
) -> str | None:
    """Show a search box that completes; return the text that was just entered.

    Args:
        value: its text.
        keys: what a term can begin with, each with what it means.
        values: key to the values that are suggested behind it.
        key: of the element.
        placeholder: shown while it is empty.
        error: number of the character, from 1, and what was expected there.
    """
    data = {
        "value": value,
        "keys": [{"put": put, "hint": hint} for put, hint in keys],
        "values": {name: list(known) for name, known in values.items()},
        "placeholder": placeholder,
        "error": {"at": error[0], "expected": error[1]} if error else None,
    }
    result = _component("search")(key=key, data=data, on_search_change=_nothing)
    return str(result.search["text"]) if result.search else None


def waterfall(drawn: str, *, selected: str, key: str) -> str | None:
    """Show a waterfall; return the span that was just clicked.

    The element marks a clicked span itself, so what it is given stays the same, and is not sent again, until another
    span is chosen elsewhere.

    Args:
        drawn: what `drawing.drawing` returns, as JSON. It goes to the browser as it is: Streamlit would write 50,000
            spans as JSON twice more.
        selected: span id of the span that is shown beside it.
        key: of the element.
    """
    given, clicked = st.session_state.get(f"{key}_given", selected), st.session_state.get(f"{key}_clicked", "")
    if selected not in {given, clicked}:
        given = selected
    st.session_state[f"{key}_given"] = given
    data = f'{{"selected":{json.dumps(given)},"drawn":{drawn}}}'.encode()
    result = _component("waterfall")(key=key, data=data, on_select_change=_nothing)
    if not result.select:
        return None
    st.session_state[f"{key}_clicked"] = str(result.select)
    return str(result.select)


def copying(*, key: str) -> None:
    """Make the buttons of `payloads.to_copy` work: they are HTML, which brings no script. It shows nothing.

    Args:
        key: of the element.
    """
    _component("copying")(key=key)


def _hand_over(offered: Offer, form: Format, name: str) -> None:
    """Give a file to the browser: the element does so when it is shown, and is gone in the next run."""
    rows, file_name = offered.read(), f"{name}.{form.value}"
    if offered.content:
        audit.content_taken(file_name, len(rows))
    file = {
        "id": uuid4().hex,
        "name": file_name,
        "type": MEDIA_TYPES[form],
        "base64": b64encode(file_of(rows, form)).decode(),
    }
    _component("download")(key=f"{name}_file", data=file)


def _nothing() -> None:
    """Streamlit gives a trigger a value only where a callback is named for it."""


@cache
def _component(name: str) -> Any:
    return st.components.v2.component(
        f"sightline_{name}",
        html='<div class="root"></div>',
        css=assets.text("shared.css") + assets.text(f"{name}.css"),
        js=assets.text(f"{name}.js"),
    )
