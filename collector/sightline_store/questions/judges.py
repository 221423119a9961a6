"""Questions about judges: what they said beside what people said, and what runs of `sightline-evals health` found.

Each is one statement of `sql/queries/judge/*.sql`. Rows come back as those of `queries` do. Nothing is estimated here:
that is for `sightline-evals health`.
"""

from __future__ import annotations

from datetime import datetime

from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks, Filters, Row, ask


def judged(
    client: Asks,
    filters: Filters,
    *,
    name: str,
    judge: str,
    judge_version: str,
    human: str,
    human_note: str = "",
    limit: int = 200_000,
) -> list[Row]:
    """Answers of a window: one judge's newest value of a metric, and people's newest score of the name `human`.

    With `human_note` only people's scores with this note count, such as ``queue: random`` of reviews.
    """
    of_judge = {"name": name, "judge": judge, "judge_version": judge_version}
    of_people = {"human": human, "human_note": human_note}
    return ask(client, "judge/judged", {**filters.params(), **of_judge, **of_people, "limit": limit})


def judges(client: Asks, since: datetime, name: str, *, limit: int = 20) -> list[Row]:
    """Judges (`judge`, `judge_version`) that gave a score of a metric since a moment, with the number of `traces`."""
    return ask(client, "judge/judges", {"from": sql_moment(since), "name": name, "limit": limit})


def health(client: Asks, start: datetime, end: datetime, *, limit: int = 1000) -> list[Row]:
    """What runs of `sightline-evals health` found in a stretch of time, the newest first."""
    return ask(client, "judge/health", {"from": sql_moment(start), "to": sql_moment(end), "limit": limit})
