"""The filter bar: the same on every page, kept in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from html import escape

import streamlit as st

from sightline_dashboards.timeline import ranges
from sightline_dashboards.timeline.ranges import PRESETS, RANGE_KEYS, Against, RangeProblem, TimeRange
from sightline_dashboards.timeline.zone import reader_zone
from sightline_store.questions.asking import Filters

REFRESH_S = 5.0
"""Seconds between refreshes while the page is live."""
_CHOICES = {"tenant": "All tenants", "model": "All models", "route": "All routes"}
_AGAINST = {
    Against.BEFORE: "the same time before it",
    Against.DAY: "the same hours yesterday",
    Against.WEEK: "the same hours last week",
}
_VALUES = "filter_values"
_RANGE, _EARLIER, _TOLD, _PROBLEM, _WRITTEN_PROBLEM = (
    "range", "range_earlier", "range_told", "range_problem", "range_written_problem",
)  # fmt: skip
_FROM, _TO = "range_from", "range_to"
_MOST_EARLIER = 30


@dataclass(frozen=True)
class Selection:
    """What the reader chose in the bar."""

    range: TimeRange = field(default_factory=TimeRange)
    tenant: str = ""
    model: str = ""
    route: str = ""
    live: bool = False
    against: Against = Against.BEFORE
    now: datetime | None = field(default=None, compare=False)
    """When the run of the page began, which is now for all that it shows; None: the moment of each look."""

    def filters(self, now: datetime | None = None) -> Filters:
        """The range and its narrowing, for the store."""
        start, end = self.range.at(now or self.now or datetime.now(UTC))
        return Filters(start=start, end=end, tenant=self.tenant, model=self.model, route=self.route)

    def compared(self, filters: Filters) -> Filters:
        """What a part of the traffic is compared with."""
        start, end = ranges.compared(filters.start, filters.end, self.against, reader_zone())
        return replace(filters, start=start, end=end)

    @property
    def compared_label(self) -> str:
        """What it is compared with, in words."""
        now = datetime.now(UTC)
        start, end = self.range.at(now)
        label = "" if self.range.fixed else self.range.label(reader_zone(), now)
        return ranges.compared_label(end - start, self.against, label)

    @property
    def label(self) -> str:
        """The range in words, in the middle of a sentence."""
        text = self.range.label(reader_zone(), datetime.now(UTC))
        return text if self.range.fixed else text.lower()

    @property
    def refresh_s(self) -> float | None:
        """Seconds between refreshes, None where the page does not refresh: a range of one's own stays as it is."""
        return REFRESH_S if self.live and not self.range.fixed else None


def values() -> dict[str, list[str]]:
    """The tenants, models and routes of the window, as the bar has them."""
    return dict(st.session_state.get(_VALUES, {}))


def show_range(chosen: TimeRange) -> None:
    """Show another range from the next run of the page on; the one before stays reachable."""
    _remember(chosen)
    st.session_state[_PROBLEM] = st.session_state[_WRITTEN_PROBLEM] = ""


def chosen() -> Selection:
    """Return what the reader chose, from the address and the session. Called once a run, before the bar is shown."""
    now = datetime.now(UTC)
    for name in (*_CHOICES, "live", "against"):
        _read_from_url(name)
    shown_range = _range_of_url(now)
    st.session_state["live"] = str(st.session_state.get("live", "")) in {"1", "True"}
    if st.session_state.get("against") not in set(Against):
        st.session_state["against"] = Against.BEFORE.value
    return Selection(
        range=shown_range,
        tenant=str(st.session_state["tenant"]),
        model=str(st.session_state["model"]),
        route=str(st.session_state["route"]),
        live=st.session_state["live"],
        against=Against(st.session_state["against"]),
        now=now,
    )


def show(selection: Selection, values: Mapping[str, Sequence[str]]) -> None:
    """Show the bar and keep the address as it is chosen.

    Args:
        selection: what is chosen.
        values: of `queries.filter_values`: what can be chosen; a chosen value that is not among them stays selectable.
    """
    st.session_state[_VALUES] = {name: list(known) for name, known in values.items()}
    is_fixed = selection.range.fixed is not None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filterbar"):
        _range_control(selection.range, datetime.now(UTC))
        for name in _CHOICES:
            _choice(name, values.get(f"{name}s", ()))
        st.toggle(
            "Live",
            key="live",
            persist_state="session",
            disabled=is_fixed,
            help="A range of your own does not move" if is_fixed else f"Ask again every {REFRESH_S:.0f} s",
        )
    if problem := st.session_state.get(_PROBLEM):
        st.html(f'<p class="sl-note sl-failed" role="alert">{escape(problem)}</p>')
    _write_to_url("live", "1" if selection.live else "", "")
    _write_to_url("against", selection.against.value, Against.BEFORE.value)
    for name in _CHOICES:
        _write_to_url(name, getattr(selection, name), "")


def _range_control(chosen: TimeRange, now: datetime) -> None:
    """The range as a button that opens all that can be chosen, and the way back."""
    zone = reader_zone()
    earlier: list[TimeRange] = st.session_state.get(_EARLIER, [])
    with st.container(horizontal=True, gap="xsmall", width="content", key="rangecontrol"):
        if earlier:
            back_to = earlier[-1].label(zone, now)
            st.button("←", key="range_back", on_click=_go_back, help=f"Back to {back_to}", type="tertiary")
        with st.popover(chosen.label(zone, now), key=f"range_{'_'.join(chosen.params().values())}"):
            with st.container(horizontal=True, gap="xsmall", key="range_presets"):
                for name, (label, _) in PRESETS.items():
                    is_chosen = not chosen.fixed and chosen.preset == name
                    st.button(
                        label,
                        key=f"range_preset_{name}",
                        type="primary" if is_chosen else "secondary",
                        on_click=show_range,
                        args=(TimeRange(name),),
                    )
            _own_range(chosen, zone)
            st.selectbox(
                "Compare with",
                [each.value for each in Against],
                format_func=lambda value: _AGAINST[Against(value)],
                key="against",
                persist_state="session",
            )


def _own_range(chosen: TimeRange, zone: tzinfo) -> None:
    """The two ends of a range, as people write them."""
    start, end = chosen.preset, "now"
    if chosen.fixed:
        start, end = (ranges.typed_text(moment, zone) for moment in chosen.fixed)
    with st.form("range_form", border=False):
        with st.container(horizontal=True, gap="small"):
            for key, label, value in ((_FROM, "From", start), (_TO, "To", end)):
                st.session_state.setdefault(key, value)
                st.text_input(label, key=key, width=170)
        st.form_submit_button("Show this range", on_click=_show_written, key="range_show")
    if problem := st.session_state.get(_WRITTEN_PROBLEM):
        st.html(f'<p class="sl-note sl-failed" role="alert" data-testid="range-problem">{escape(problem)}</p>')
    st.html(f'<p class="sl-note">{escape(f"{ranges.HOW_TO_WRITE.capitalize()}. Times are of {zone}.")}</p>')


def _show_written() -> None:
    """Show the range of the two inputs, or why it cannot be shown."""
    now = datetime.now(UTC)
    try:
        show_range(ranges.typed(st.session_state[_FROM], st.session_state[_TO], reader_zone(), now))
    except RangeProblem as exc:
        st.session_state[_WRITTEN_PROBLEM] = str(exc)


def _go_back() -> None:
    """Show the range before this one, and forget this one."""
    if earlier := st.session_state.get(_EARLIER):
        show_range(earlier[-1])
        del st.session_state[_EARLIER][-2:]


def _range_of_url(now: datetime) -> TimeRange:
    """The range of the URL where that is newer than what the bar holds; what is shown stands in the URL then."""
    named = {key: st.query_params.get(key, "") for key in RANGE_KEYS}
    if any(named.values()) and named != st.session_state.get(_TOLD):
        try:
            _remember(ranges.of_params(named, now) or TimeRange())
            st.session_state[_PROBLEM] = ""
        except RangeProblem as exc:
            st.session_state[_PROBLEM] = f"{exc} The {_current().label(reader_zone(), now).lower()} is shown."
    chosen = st.session_state[_RANGE] = _current()
    params = chosen.params()
    for key in RANGE_KEYS:
        _write_to_url(key, params.get(key, ""), "")
    st.session_state[_TOLD] = {key: params.get(key, "") for key in RANGE_KEYS}
    return chosen


def _current() -> TimeRange:
    current = st.session_state.get(_RANGE)
    return current if isinstance(current, TimeRange) else TimeRange()


def _remember(chosen: TimeRange) -> None:
    """Keep a range as the one that is shown, and the one before it for the way back."""
    current = st.session_state.get(_RANGE)
    if isinstance(current, TimeRange) and current != chosen:
        st.session_state[_EARLIER] = [*st.session_state.get(_EARLIER, []), current][-_MOST_EARLIER:]
    if current != chosen:
        for key in (_FROM, _TO):
            st.session_state.pop(key, None)  # the inputs show the new range
    st.session_state[_RANGE] = chosen


def _choice(name: str, values: Sequence[str]) -> None:
    current = str(st.session_state[name])
    st.selectbox(
        name.capitalize(),
        ["", *sorted({*values, current} - {""})],
        format_func=lambda value: value or _CHOICES[name],
        key=name,
        persist_state="session",
        label_visibility="collapsed",
        width=150,
    )


def _read_from_url(name: str) -> None:
    """Take a value over from the URL where the URL is newer: a link was followed or the address edited.

    The value is set in each run: a widget of another page would else begin with its default where that page was opened
    by a click within a part of this one.
    """
    url_value = st.query_params.get(name)
    told = st.session_state.get(f"url_{name}")
    if url_value is not None and url_value != told:
        st.session_state[name] = url_value
    else:
        st.session_state[name] = st.session_state.get(name, told or "")


def _write_to_url(name: str, value: str, default: str) -> None:
    """Write a value into the URL; a default stays out of it."""
    if value == default:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
    st.session_state[f"url_{name}"] = None if value == default else value
