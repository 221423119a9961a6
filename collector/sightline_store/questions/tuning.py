"""What `sightline-app tune` measured, for the Retrieval page. Rows come back as those of `queries` do."""

from __future__ import annotations

from datetime import datetime

from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks, Row, ask


def index_tuning(client: Asks, start: datetime, end: datetime, *, limit: int = 100) -> list[Row]:
    """The newest run in a stretch of time: its indexes, the recommended one first, then layouts of tenants.

    `state` is chosen, tied, fits or below_target, '' for a layout; `recall_low` to `recall_high` is a 95 % interval.
    """
    return ask(client, "index_tuning", {"from": sql_moment(start), "to": sql_moment(end), "limit": limit})
