"""The right to do the housekeeping of a store, held by one process at a time.

Each process writes claims into the table `janitor_claims`, with the store's clock, and repeats them while it lives. The
process whose first claim is the oldest, among those that are not older than the lease, holds the right. A process that
dies stops claiming, so the right passes on within the length of a lease; one that ends in order releases it at once. A
process that was silent for a whole lease claims anew, behind those that took over.

Why so: ClickHouse has no compare-and-swap for MergeTree tables, and `KeeperMap`, which has, needs a Keeper and a server
setting that neither the embedded store nor a single server has. Claims are plain rows, so the same code serves all of
them; on a cluster every server holds the table whole. The price: where a claim reaches a server later than `_SETTLE_S`,
two processes may both hold the right until the next claim, when both see the same oldest one. Whatever the holder does
must therefore do no harm when it is done twice; the lease only spares the work.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from sightline_store.client import Client

_TABLE = "janitor_claims"
_HOLDER = f"""SELECT Owner FROM {_TABLE} GROUP BY Owner
HAVING max(ClaimedAt) > now64(6) - toIntervalMillisecond({{lease_ms:UInt32}}) AND NOT argMax(Released, ClaimedAt)
ORDER BY min(SinceUs), Owner LIMIT 1"""  # noqa: S608  (a constant)
_SETTLE_S = 0.5  # two claims that were made at once are both in the table by then


class Lease:
    """This process's claim. `claim` and `release` are for one thread, `is_held` for any."""

    def __init__(self, client: Client, lease_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Claim nothing yet.

        Args:
            client: the store; its tables exist.
            lease_s: seconds after which a process that does not repeat its claim has lost it; the same for all.
            clock: seconds that never go back.
        """
        self._client = client
        self._lease_s = lease_s
        self._clock = clock
        self._owner = ""
        self._since_us = 0
        self._claimed_s = float("-inf")
        self._held_until_s = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether this process holds the right, as far as its last claim says."""
        return self._clock() < self._held_until_s

    def claim(self) -> bool:
        """Claim, or repeat the claim; whether this process holds the right now.

        Raises:
            StoreError: the store is away, or refuses.
        """
        began_s = self._clock()
        is_new = began_s - self._claimed_s >= self._lease_s
        if is_new:
            (row,) = self._client.query_rows("SELECT toUnixTimestamp64Micro(now64(6)) AS now_us")
            self._owner, self._since_us = secrets.token_hex(8), int(row["now_us"])
        self._client.insert_rows(_TABLE, ["Owner", "SinceUs"], [[self._owner, self._since_us]])
        self._claimed_s = began_s
        if is_new:
            time.sleep(_SETTLE_S)
        rows = self._client.query_rows(_HOLDER, {"lease_ms": round(self._lease_s * 1000)})
        is_holder = bool(rows) and str(rows[0]["Owner"]) == self._owner
        self._held_until_s = began_s + self._lease_s if is_holder else float("-inf")
        return is_holder

    def release(self) -> None:
        """Give the claim up, so that another process need not wait for its end.

        Raises:
            StoreError: the store is away, or refuses; the claim ends by itself.
        """
        self._held_until_s = float("-inf")
        if self._owner:
            self._client.insert_rows(_TABLE, ["Owner", "SinceUs", "Released"], [[self._owner, self._since_us, True]])
            self._owner, self._claimed_s = "", float("-inf")
