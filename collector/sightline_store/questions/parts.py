"""The parts of a window in which a search is asked, each of what tells of it.

Raw spans are read within the reach of the search alone (`conditions`). Requests whose hours are over have facts
(`rollups.facts`); what is newer, or older, is read as rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sightline_store.moments import sql_moment
from sightline_store.questions import conditions
from sightline_store.questions.asking import Asks, Filters
from sightline_store.questions.conditions import Condition, Raw
from sightline_store.questions.search import Kind, Term
from sightline_store.rollups import facts
from sightline_store.rollups.coverage import remembered


@dataclass(frozen=True)
class Part:
    """A part of a window, and how it is asked about.

    Attributes:
        window: the part, and what it is narrowed to.
        raw: what is done about terms that stand in raw spans.
        of_facts: whether facts are asked, else rows.
    """

    window: Filters
    raw: Raw = Raw.READ
    of_facts: bool = False

    def condition(self, terms: Sequence[Term]) -> Condition:
        """The condition that all terms hold."""
        return conditions.condition(terms, raw=self.raw, of_facts=self.of_facts)


def parts(
    client: Asks, filters: Filters, terms: Sequence[Term], *, by_cost: bool = False, with_facts: bool = True
) -> list[Part]:
    """Return the parts of a window, the newest first.

    Args:
        client: the store.
        filters: the window, and what it is narrowed to.
        terms: of `search.parse`.
        by_cost: whether costs are read for more than the terms.
        with_facts: whether facts are asked where there are any.

    Raises:
        StoreUnavailable: try again.
    """
    reading, rest, raw = list[Part](), filters, Raw.READ
    if any(map(conditions.reads_spans, terms)):
        first = reach(client, filters).replace(minute=0, second=0, microsecond=0)  # behind it are whole hours
        if first <= filters.start:
            return [Part(filters)]
        reading = [Part(replace(filters, start=first))]
        if not conditions.reaches_names(terms):
            return reading
        rest, raw = replace(filters, end=first), Raw.BEHIND
    if not with_facts:
        return [*reading, Part(rest, raw)]
    return reading + closed_and_open(client, rest, terms, raw=raw, by_cost=by_cost)


def closed_and_open(
    client: Asks, filters: Filters, terms: Sequence[Term], *, raw: Raw, by_cost: bool = False
) -> list[Part]:
    """Return the parts of a window of which facts and rows tell, the newest first; arguments as those of `parts`."""
    with_costs = by_cost or any(term.kind is Kind.COMPARES and term.key == "cost" for term in terms)
    # What else requests tell by themselves takes no longer of their rows, and that is one statement.
    is_dearer = by_cost or bool(filters.model) or raw is Raw.BEHIND or conditions.joins(terms)
    is_told = (is_dearer or bool(filters.tenant)) and conditions.facts_have(terms)
    fewest = None if is_dearer else facts.MANY_REQUESTS
    found = facts.stretch(client, filters, with_costs=with_costs, fewest=fewest) if is_told else None
    if found is None:
        return [Part(filters, raw)]
    begin, end = found
    newer = [Part(replace(filters, start=end), raw)] if end < filters.end else []
    older = [Part(replace(filters, end=begin), raw)] if begin > filters.start else []
    return [*newer, Part(replace(filters, start=begin, end=end), raw, of_facts=True), *older]


def reach(client: Asks, filters: Filters) -> datetime:
    """Return when the requests begin whose raw spans a search of a window may read; before it where all may be.

    Remembered for seconds: a list and what it is found among are asked of one window.

    Raises:
        StoreUnavailable: try again.
    """
    begin, end, behind = sql_moment(filters.start), sql_moment(filters.end), str(conditions.MAX_BEHIND)
    rows = remembered(client, "queries/search_reach.sql", {"from": begin, "to": end, "max_behind": behind})
    return datetime.fromtimestamp(rows[0]["reach_ms"] / 1000 if rows else 0, UTC)
