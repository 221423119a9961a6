"""A right that one process holds at a time, among processes that share nothing but the store.

Each process writes claims into the table `leases`, with the store's clock, and repeats them while it lives. The process
whose first claim is the oldest, among those that are not older than the lease, holds the right. A process that dies
stops claiming, so the right passes on within the length of a lease; one that ends in order releases it at once. A
process that was silent for a whole lease claims anew, under another name, behind those that took over.

Why so: ClickHouse has no compare-and-swap for MergeTree tables, and `KeeperMap`, which has, needs a Keeper and a server
setting that neither the embedded store nor a single server has. Claims are plain rows, so the same code serves all of
them; on a cluster every server holds the table whole. The price: where a claim reaches a server later than `_SETTLE_S`,
two processes may both hold the right until the next claim, when both see the same oldest one. What is done under it
must do no harm when it is done twice.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable

from sightline_store.client import Client
from sightline_store.errors import StoreError

_TABLE = "leases"
_SETTLE_S = 0.5  # two claims that were made at once are both in the table by then
_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0


def holder(client: Client, name: str, lease_s: float) -> str:
    """The process that holds a right; '' where none does.

    Args:
        client: the store.
        name: of the right.
        lease_s: seconds after which a claim that is not repeated is lost.

    Raises:
        StoreError: the store is away, or there is no table of leases.
    """
    rows = client.query_rows(
        f"SELECT Owner FROM {_TABLE} WHERE Name = {{name:String}} GROUP BY Owner "  # noqa: S608  (a constant)
        "HAVING max(ClaimedAt) > now64(6) - toIntervalMillisecond({lease_ms:UInt32}) "
        "AND NOT argMax(Released, ClaimedAt) ORDER BY min(SinceUs), Owner LIMIT 1",
        {"name": name, "lease_ms": round(lease_s * 1000)},
    )
    return str(rows[0]["Owner"]) if rows else ""


class Lease:
    """This process's claim. `claim`, `keep`, `release` are for one thread at a time, `is_held` and `owner` for any."""

    def __init__(self, client: Client, name: str, lease_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Claim nothing yet.

        Args:
            client: the store; it has the table of leases.
            name: of the right.
            lease_s: seconds after which a process that does not repeat its claim has lost it; the same for all.
            clock: seconds that never go back.
        """
        self._client = client
        self._name = name
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

    @property
    def owner(self) -> str:
        """The name under which this process claims; another one after it was silent for a lease. '' before a claim."""
        return self._owner

    def claim(self) -> bool:
        """Claim, or repeat the claim; whether this process holds the right now.

        Raises:
            StoreError: the store is away, or refuses.
        """
        began_s = self._clock()
        is_new = began_s - self._claimed_s >= self._lease_s
        if is_new:
            self._owner, self._since_us = secrets.token_hex(8), self._client.now_us()
        self._client.insert_rows(_TABLE, ["Name", "Owner", "SinceUs"], [[self._name, self._owner, self._since_us]])
        self._claimed_s = began_s
        if is_new:
            time.sleep(_SETTLE_S)
        is_holder = holder(self._client, self._name, self._lease_s) == self._owner
        self._held_until_s = began_s + self._lease_s if is_holder else float("-inf")
        return is_holder

    def keep(
        self,
        stopped: threading.Event,
        every_s: float,
        on_claim: Callable[[bool | Exception], None] = lambda _: None,
    ) -> None:
        """Claim again and again until `stopped` is set, then release.

        Args:
            stopped: ends it.
            every_s: seconds between two claims; after a failure it waits at most so long.
            on_claim: called after each claim: whether the right is held, or what the claim failed with. What is no
                StoreError is a fault of this program; the next claim is tried all the same.
        """
        failures = 0
        while not stopped.is_set():
            try:
                is_held = self.claim()
            except Exception as exc:  # this thread is all that keeps the right: without it nobody would act, or say why
                failures += 1
                on_claim(exc)
                stopped.wait(min(every_s, retry_s(failures)))
                continue
            failures = 0
            on_claim(is_held)
            stopped.wait(every_s)
        with contextlib.suppress(StoreError):  # A claim that is not repeated ends by itself.
            self.release()

    def release(self) -> None:
        """Give the claim up, so that another process need not wait for its end.

        Raises:
            StoreError: the store is away, or refuses; the claim ends by itself.
        """
        self._held_until_s = float("-inf")
        if self._owner:
            row = [self._name, self._owner, self._since_us, True]
            self._client.insert_rows(_TABLE, ["Name", "Owner", "SinceUs", "Released"], [row])
            self._owner, self._claimed_s = "", float("-inf")


def retry_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(_FIRST_RETRY_S * 2 ** min(failures - 1, 10), _LONGEST_RETRY_S))
