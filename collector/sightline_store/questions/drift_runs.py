"""What runs of `sightline-evals drift` found, for the pages: their verdicts, one run's comparisons, a signal over time.

Rows come back as those of `queries` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks, Row, ask

_SENT_WITHIN = timedelta(hours=1)
"""How long the events of one run may lie apart."""


def runs(client: Asks, start: datetime, end: datetime, *, limit: int = 300) -> list[Row]:
    """The verdicts of the runs in a stretch of time, the newest first; `outcome` is drift, no drift or why neither."""
    return ask(client, "drift_runs", {"from": sql_moment(start), "to": sql_moment(end), "limit": limit})


def comparisons(client: Asks, run: Mapping[str, Any], *, limit: int = 50) -> list[Row]:
    """What one run (a row of `runs`) compared, alarms first; `state` is drift, suspected, quiet or too_little_data."""
    at = datetime.fromtimestamp(run["at_ms"] / 1000, UTC)
    params = {"from": sql_moment(at - _SENT_WITHIN), "to": sql_moment(at + _SENT_WITHIN), "run_id": run["run_id"]}
    return ask(client, "drift_comparisons", {**params, "limit": limit})


def history(
    client: Asks, start: datetime, end: datetime, signals: Sequence[str], *, keys: Sequence[str] = (), limit: int = 1000
) -> list[Row]:
    """Rows of `comparisons` of some signals, run by run, the oldest first; `keys` narrows to theirs."""
    params = {"from": sql_moment(start), "to": sql_moment(end), "signals": list(signals), "keys": list(keys)}
    return ask(client, "drift_history", {**params, "limit": limit})
