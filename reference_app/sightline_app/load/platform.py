"""What the platform holds of the requests that were sent: asked from the store over ClickHouse's HTTP interface."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from sightline_app.errors import Unavailable

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_IDS_PER_STATEMENT = 4000
_SETTLE_S = 30.0
_LOOK_S = 0.5
_MARGIN = timedelta(minutes=5)
"""Of the moments between which the store looks: its clock and the client's may differ."""
_STATEMENT = """
SELECT TraceId AS trace_id, max(TtftMs) AS ttft_ms, max(DurationMs) AS total_ms
FROM requests
WHERE Timestamp BETWEEN toDateTime64('{since}', 6, 'UTC') AND toDateTime64('{until}', 6, 'UTC')
    AND TtftDefinition IN ('delivered', '') AND TraceId IN ({ids})
GROUP BY TraceId
FORMAT JSONEachRow
"""


class StoreAway(Unavailable):
    """The store did not answer, or refused the question."""

    kind = "store_unavailable"


@dataclass(frozen=True)
class Held:
    """What the store holds of one request, in milliseconds; None where it says nothing."""

    ttft_ms: float | None
    total_ms: float | None


@dataclass(frozen=True)
class Store:
    """Where the store is."""

    url: str
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "otel"
    """Where the tables are; one that the address names (`?database=`) wins."""

    async def held(
        self,
        trace_ids: Sequence[str],
        began: datetime,
        took_s: float,
        flush_url: str,
        *,
        settle_s: float = _SETTLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> dict[str, Held]:
        """Return what is held of these traces, once all have arrived or no more come in time.

        Args:
            trace_ids: of the answers.
            began: begin of the run.
            took_s: its length in seconds.
            flush_url: asked once, so that the app sends what it holds back.
            settle_s: how long the last spans may take to arrive, in seconds.
            clock: seconds that never go back.

        Raises:
            StoreAway: the store did not answer.
        """
        wanted = [each for each in dict.fromkeys(trace_ids) if _TRACE_ID.fullmatch(each)]
        moments = (began - _MARGIN, began + timedelta(seconds=took_s) + _MARGIN)
        deadline = clock() + settle_s
        headers = {"x-clickhouse-user": self.user, "x-clickhouse-key": self.password}
        async with httpx.AsyncClient(timeout=settle_s, headers=headers) as client:
            with contextlib.suppress(httpx.HTTPError):  # an app that is gone has sent all at its end
                await client.get(flush_url)
            while True:
                found = await self._ask(client, wanted, moments)
                if len(found) == len(wanted) or clock() > deadline:
                    return found
                await asyncio.sleep(_LOOK_S)

    async def _ask(
        self, client: httpx.AsyncClient, trace_ids: Sequence[str], moments: tuple[datetime, datetime]
    ) -> dict[str, Held]:
        since, until = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments)
        address, found = httpx.URL(self.url), dict[str, Held]()
        if "database" not in address.params:
            address = address.copy_set_param("database", self.database)
        for start in range(0, len(trace_ids), _IDS_PER_STATEMENT):
            ids = ", ".join(f"'{each}'" for each in trace_ids[start : start + _IDS_PER_STATEMENT])
            try:
                answer = await client.post(address, content=_STATEMENT.format(since=since, until=until, ids=ids))
            except httpx.HTTPError as exc:
                raise StoreAway(f"the store at {self.url} did not answer: {str(exc) or type(exc).__name__}") from exc
            if answer.status_code != 200:
                told = " ".join(answer.text.split())[:200]
                raise StoreAway(f"the store at {self.url} answered {answer.status_code}: {told}")
            for row in map(json.loads, answer.text.splitlines()):
                found[row["trace_id"]] = Held(row["ttft_ms"], row["total_ms"])
        return found
