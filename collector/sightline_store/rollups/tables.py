"""The tables of rollups: what each is made of, and which sets of rows it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag

MINUTE, HOUR, DAY = 60, 3600, 86_400
"""Lengths of periods, in seconds."""

MINUTES_DAYS, HOURS_DAYS = 2, 62
"""Days that minutes and hours stay: what a chart of a day is drawn of, and one of a month and the month before."""

MOST_ROWS = 5000
"""Rows that a table keeps of a period and set. A set of more is left out of the period, whose questions read rows then:
where a dimension has so many values, one of them has few rows."""

FORMAT = 3
"""What the rows of a period have that is made now, as rollup_periods.RowsFormat: 1 since 023_more_rollups.sql, 2 since
025_rollups_of_the_rest.sql, 3 since 026_rollups_by_route_and_model.sql."""

MOST_LOWEST = 50
"""Answers of a period in the lists of its lowest scores; SQL has the same number (sql/rollups/scores.sql)."""

PERIODS, LOOKS, SCORE_LOOKS = "rollup_periods", "rollup_looks", "rollup_score_looks"
FACTS, SPENDING, FACTS_MADE = "rollup_facts", "rollup_spending", "rollup_facts_made"
"""A row a request, what the calls of an hour spent, and the hours that have such rows: see `facts`."""
FACTS_DAYS = 32
"""Days that these stay: the longest window of the filter bar, and what is over of its first day."""
SCORES, RAW_SPANS = "scores", "otel_traces"
"""Sources of their own kind. A score counts for the time of the request whose answer it is about. Raw spans do not say
when they were stored, and may be gone before the typed rows are."""
TRACES = "traces"
"""Has a print as a source has: the routes and models of the traces that have rows in a minute."""
PRINTS: Mapping[str, str] = {
    SCORES: "rollups/score_prints.sql",
    RAW_SPANS: "rollups/span_prints.sql",
    TRACES: "rollups/trace_prints.sql",
}
"""Source to the question for its prints; that for all others is `rollups/prints.sql`."""


class Sets(IntFlag):
    """Sets of rows of a period, as bits of rollup_periods.Cut."""

    ALL = 1
    TENANT = 2
    ROUTE = 4
    MODEL = 8

    @property
    def by(self) -> str:
        """The word in the column By."""
        return (self.name or "").lower()


@dataclass(frozen=True)
class Rollup:
    """A table of sums.

    Attributes:
        source: the typed table that its minutes are made of. Those of `rollup_uses` are made of calls and searches too,
            which are sources of others: a change of any source makes a period anew in all tables.
        name: the table; its SQL is `sql/rollups/NAME.sql` and `sql/rollups/longer_NAME.sql`, without `rollup_`.
        adds_up: whether hours are made of minutes and days of hours. Else all are made of rows, by the first text.
    """

    source: str
    name: str
    adds_up: bool = True

    @property
    def minutes_file(self) -> str:
        """The INSERT that makes minutes out of rows."""
        return f"rollups/{self.name.removeprefix('rollup_')}.sql"

    @property
    def traces_in(self) -> str:
        """The table whose traces have routes and models that count: an answer is its request's."""
        return "requests" if self.source == SCORES else self.source

    @property
    def longer_file(self) -> str:
        """The INSERT that makes hours and days."""
        return f"rollups/longer_{self.name.removeprefix('rollup_')}.sql" if self.adds_up else self.minutes_file


ROLLUPS = (
    Rollup("requests", "rollup_requests"),
    Rollup("llm_calls", "rollup_calls"),
    Rollup("stages", "rollup_stages"),
    Rollup("retrievals", "rollup_retrievals"),
    Rollup("llm_calls", "rollup_callers", adds_up=False),
    Rollup("requests", "rollup_uses"),
    Rollup(SCORES, "rollup_scores"),
    Rollup("embeddings", "rollup_embeddings"),
    Rollup(RAW_SPANS, "rollup_spans"),
)
