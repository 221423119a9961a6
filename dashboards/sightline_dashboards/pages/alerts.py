"""Alerts: which rules fire, what fired before, what is silent, and was everybody told?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import UTC, datetime
from html import escape

import streamlit as st

from sightline_dashboards import formats, source
from sightline_dashboards.alerts import board
from sightline_dashboards.alerts.board import Episode, Line
from sightline_dashboards.alerts.journal import StoreJournal
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.phases import Delivery, Silence, Told
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, note, page, panel
from sightline_dashboards.tables import local_time

_MARKS = {Status.FIRING: "▲ firing", Status.PENDING: "△ pending", Status.RESOLVED: "✓ resolved", Status.OK: "✓ ok"}
_BEGIN = """sightline-dashboards alerts rules > alerts.yaml   # rules to begin with: name channels, fit the limits
export SIGHTLINE_ALERTS_RULES=alerts.yaml
sightline-dashboards alerts test ttft-p95         # what a rule would have done over the past week
sightline-dashboards alerts run                   # evaluates every minute"""


def render() -> None:
    """Show the page."""
    page("Alerts", _body, states=False)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    journal, now = StoreJournal(source.client()), datetime.now(UTC)
    asked_states, asked_kept = store.submit(journal.states), store.submit(journal.kept, now)
    yield

    if not (states := asked_states.result()):
        empty_message("No rule has been evaluated yet. Sightline ships rules, and an evaluator beside the pages:")
        st.code(_BEGIN, language="bash")
        return
    kept = asked_kept.result()
    shown = board.lines(states, kept.silences, now)
    _evaluator(shown, now)
    with panel("Rules", counted(shown)):
        _rules(shown)
    filters = selection.filters(now)
    with panel("What fired", selection.label):
        _history(board.episodes(kept, filters.start, filters.end), now)
    left, right = st.columns(2, gap="small")
    with left, panel("Silences"):
        _silences(list(kept.silences), now)
    with right, panel("Messages that did not arrive", "of the last 30 days"):
        _undelivered(board.undelivered(kept))


def counted(shown: list[Line]) -> str:
    """How many rules are in which state: 1 firing, 8 ok."""
    counts = {status: sum(line.phase.state.status is status for line in shown) for status in _MARKS}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _evaluator(shown: list[Line], now: datetime) -> None:
    """Say so where nobody evaluates the rules: what is below is old then."""
    seen = max(line.phase.seen_at for line in shown)
    if now - seen > board.LATE:
        st.html(
            '<div class="sl-away" role="alert"><b>The rules were evaluated last '
            f"{escape(formats.age((now - seen).total_seconds()))}.</b> Nobody is told anything until "
            "<code>sightline-dashboards alerts run</code> is started again.</div>"
        )


def _rules(shown: list[Line]) -> None:
    columns = [
        Column("State"),
        Column("Rule", link=True, hint="Leads to the page that shows its metric"),
        Column("Since"),
        Column("Now", number=True),
        Column("Breached when"),
        Column("Events", number=True, hint="Of the window, on which the value rests"),
        Column("Severity"),
        Column("Tells"),
    ]
    table(columns, [_rule_row(line) for line in shown], key="alert_rules", empty="The rules file has no rules.")
    for line in shown:
        if line.phase.state.status in {Status.FIRING, Status.PENDING}:
            about = line.rule.about if line.rule else ""
            note(f"{line.phase.rule}: {line.phase.sentence}. {about}".replace("..", "."))


def _rule_row(line: Line) -> TableRow:
    phase, rule = line.phase, line.rule
    firing = phase.state.status is Status.FIRING
    tells = ", ".join(phase.channels) or "nobody"
    if line.silence:
        tells = f"silent until {_moment(line.silence.ends)}"
    return TableRow(
        cells=(
            _MARKS[phase.state.status],
            phase.rule,
            _moment(phase.state.since),
            line.value,
            line.condition,
            formats.count(phase.events) if rule else "",
            phase.severity,
            tells,
        ),
        page=rule.of.page if rule else "pipeline",
        params={name: value for name, value in rule.filters.given().items() if name != "service"} if rule else {},
        tones=["bad" if firing else "", "", "", "bad" if firing else "", "", "", "", ""],
        titles=[
            "",
            rule.about if rule else "",
            "",
            phase.sentence,
            "",
            "",
            "",
            line.silence.reason if line.silence else "",
        ],
    )


def _history(found: list[Episode], now: datetime) -> None:
    columns = [
        Column("Fired"),
        Column("Rule"),
        Column("Resolved"),
        Column("Lasted", number=True),
        Column("Worst", number=True),
        Column("What", wrap=True),
        Column("Told"),
    ]
    rows = []
    for episode in found:
        ends = episode.resolved.state.since if episode.resolved else None
        lasted = ((ends or now) - episode.fired.state.since).total_seconds()
        rows.append(
            TableRow(
                cells=(
                    _moment(episode.fired.state.since),
                    episode.fired.rule,
                    _moment(ends) if ends else "still firing",
                    formats.duration(lasted * 1e3),
                    episode.peak,
                    episode.fired.sentence,
                    episode.told,
                ),
                tones=["", "", "" if ends else "bad", "", "", "", ""],
            )
        )
    table(columns, rows, key="alert_history", empty="No rule fired in this window.")


def _silences(found: list[Silence], now: datetime) -> None:
    columns = [Column("Rule"), Column("From"), Column("Until"), Column("Why", wrap=True), Column("Set by")]
    rows = [
        TableRow(
            cells=(
                "every rule" if silence.rule == "*" else silence.rule,
                _moment(silence.begins) if silence.begins > now else "now",
                _moment(silence.ends),
                silence.reason or "no reason given",
                silence.author,
            )
        )
        for silence in found
    ]
    table(columns, rows, key="alert_silences", empty="No rule is silent.")
    note("`sightline-dashboards alerts silence RULE --for 2h --why TEXT`")


def _undelivered(found: list[Delivery]) -> None:
    columns = [
        Column("Rule"),
        Column("Channel"),
        Column("State"),
        Column("Attempts", number=True),
        Column("Why", wrap=True),
    ]
    rows = [
        TableRow(
            cells=(
                f"{each.phase[0]} {each.phase[2]}",
                each.channel,
                "given up" if each.told is Told.ABANDONED else f"next attempt {_moment(each.next_at)}",
                formats.count(each.attempts),
                each.problem,
            ),
            tones=["", "", "bad" if each.told is Told.ABANDONED else "", "", ""],
        )
        for each in found
    ]
    table(columns, rows, key="alert_undelivered", empty="Every message arrived.")


def _moment(at: datetime) -> str:
    return local_time(at.timestamp() * 1e3, seconds=False)
