"""The traces in which guardrails raised an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from sightline_store.questions.asking import Asks, Filters, Row, ask, send
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.plan import Plan, Reads, plan
from sightline_store.rollups.tables import HOUR


def flagged_traces(client: Asks, filters: Filters) -> list[Row]:
    """The newest trace in which a guardrail raised an alarm, by the stage of the flagged span."""
    found = plan(client, filters, [Reads.STAGES], bucket_s=HOUR)
    windows = [filters] if found is None else list(_windows(client, filters, found))
    newest: dict[str, Row] = {}
    for window in windows:
        for row in ask(client, "flagged_traces", window.params()):
            newest.setdefault(row["stage"], row)
    return [newest[stage] for stage in sorted(newest)]


def _windows(client: Asks, filters: Filters, found: Plan) -> Iterator[Filters]:
    """The parts of a window in which a stage can have been flagged last, the newest first.

    They are what lies behind the rollups, the periods that rollups name, and what lies before the rollups.
    """
    params = {**filters.params(), **found.params()}
    periods = [
        tuple(datetime.fromtimestamp(row[column], UTC) for column in ("start_s", "end_s"))
        for row in send(client, sql_text("rollups/questions/flagged_periods.sql"), params)
    ]
    before, behind = (datetime.fromtimestamp(second, UTC) for second in (found.ranges[0][1], found.ranges[-1][2]))
    if periods and periods[0][1] == behind:
        behind = periods.pop(0)[0]  # no gap: they are asked together
    if behind < filters.end:
        yield replace(filters, start=behind)
    for start, end in periods:
        yield replace(filters, start=start, end=end)
    if filters.start < before:
        yield replace(filters, end=before)
