"""Questions about what people asked in conversations, and about what people said of answers.

Their SQL is in `sql/queries/people`; rows are those of `queries`. A review is a score named `review` from a person: 1
is a good answer, 0 a bad one; the judge is the reviewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from sightline_store.questions import conditions, spending
from sightline_store.questions.asking import Asks, Filters, Row, sampled, send, sql
from sightline_store.questions.conditions import sql_text
from sightline_store.questions.search import parse

Queue = Literal["lowest", "disagreement", "complaints", "random"]

REVIEW: Final = "review"
"""Name of the score that says whether an answer is good."""
REVIEW_SENTENCES: Final = "review.groundedness"
"""Name of the score that is the share of an answer's sentences that the reviewer did not mark as wrong."""
REVIEW_CORRECTION: Final = "review.correction"
"""Name of the score, without a value, whose explanation is the answer as it should have been."""
MOST_REVIEWS: Final = 100_000
"""Reviews that are read at most."""

AMONG: Final = {
    "people/review_queue": "review_scored",
    "people/review_random": "review_sampled",
    "people/reviews": "review_given",
}
"""Questions that are about few traces, to the part that says about which."""

_SAMPLED_REQUESTS = 500_000
"""Of a window with more the random queue is chosen, and counted, among the first in its order."""
_FEWEST_COUNTED = 10_000
"""As long as so many are among those: the count is then within 1 % of the true one in two cases of three."""


def found_sessions(
    client: Asks, filters: Filters, *, search: str = "", only_errors: bool = False, limit: int = 50, offset: int = 0
) -> list[Row]:
    """One page of conversations, the newest first. `matching` in each row is the number on all pages. Times are in ms.

    Args:
        client: the store.
        filters: the window, and what it is narrowed to: requests outside of it are in no row.
        search: in the language of `search.parse`: conversations with a request that it finds, and these requests.
        only_errors: only requests that failed.
        limit: rows of a page.
        offset: rows before it.

    Raises:
        SearchError: the search cannot be read.
    """
    narrowed = conditions.condition(parse(search))
    params = {
        **filters.params(),
        "only_errors": int(only_errors),
        "limit": limit,
        "offset": offset,
        **narrowed.params,
    }
    return send(client, narrowed.put_into(sql("people/sessions")), params)


def with_session_totals(client: Asks, filters: Filters, rows: Sequence[Row]) -> list[Row]:
    """Conversations with what their model calls spent in the window; `cost_usd` is None where a price is missing."""
    if not rows:
        return []
    totals = session_totals(client, filters, sorted({row["session_id"] for row in rows}))
    spent = {(row["session_id"], row["tenant_name"]): row for row in totals}
    silent: Row = {"llm_calls": 0, "input_tokens": None, "output_tokens": None, "cost_usd": None}
    return [{**row, **spent.get((row["session_id"], row["tenant_name"]), silent)} for row in rows]


def sessions(client: Asks, filters: Filters, **how: Any) -> list[Row]:
    """One page of conversations with what they spent: `with_session_totals` of `found_sessions`, with its arguments."""
    return with_session_totals(client, filters, found_sessions(client, filters, **how))


def session_totals(client: Asks, filters: Filters, session_ids: Sequence[str]) -> list[Row]:
    """What the model calls of some sessions spent in the window; a name that two tenants use has a row of each."""
    return spending.of_sessions(client, filters, session_ids)


def review_queue(
    client: Asks, filters: Filters, queue: Queue, *, reviewer: str, most: int = 2, limit: int = 20
) -> list[Row]:
    """The answers that a reviewer is to read next; `waiting` in each row is the number of all of them.

    In a random order of many answers one in `sampled` is counted, and `waiting` is that many times as many.

    Args:
        client: the store.
        filters: the window, and what it is narrowed to.
        queue: by what they are chosen; see `review_queue.sql` and `review_random.sql`.
        reviewer: whose own reviews are left out.
        most: reviewers after whom an answer is done.
        limit: rows.
    """
    params = {**filters.params(), "reviewer": reviewer, "most": most, "limit": limit}
    if queue != "random":
        return send(client, among("people/review_queue"), {**params, "queue": queue})
    text = among("people/review_random")
    return sampled(
        lambda most_requests: send(client, text, {**params, "sampled_requests": most_requests}),
        _SAMPLED_REQUESTS,
        lambda row: row["waiting"] >= _FEWEST_COUNTED * row["sampled"],
    )


def reviews(client: Asks, filters: Filters, *, limit: int = MOST_REVIEWS) -> list[Row]:
    """The newest verdict (`value` 1 or 0) of each reviewer on each answer of the window, the newest first."""
    return send(client, among("people/reviews"), {**filters.params(), "limit": limit})


def among(name: str) -> str:
    """The text of a question that is about few traces, so that the calls of others are not looked through."""
    return conditions.filled(sql(name), {"among": "AND " + sql_text(f"parts/{AMONG[name]}.sql")})


def agreement(rows: Sequence[Row]) -> tuple[int, float | None, float | None]:
    """Of answers with two reviewers or more: how many pairs of verdicts, the share that agree, and Scott's pi.

    Pi is the agreement beyond chance, 1 where all agree and 0 where they agree as often as by chance; the chance is
    that of all verdicts of the pairs together (Scott, 1955). It is None where all verdicts are the same.

    Args:
        rows: of `reviews`; those without a value are left out.
    """
    verdicts: dict[str, list[bool]] = {}
    for row in rows:
        if row["value"] is not None:
            verdicts.setdefault(row["trace_id"], []).append(row["value"] > 0)
    pairs = [(a, b) for own in verdicts.values() for place, a in enumerate(own) for b in own[place + 1 :]]
    if not pairs:
        return 0, None, None
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    good = sum(a + b for a, b in pairs) / (2 * len(pairs))
    by_chance = good**2 + (1 - good) ** 2
    return len(pairs), agreed, (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else None
