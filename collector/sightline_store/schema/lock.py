"""One upgrade of a store at a time: the lease `upgrade`, and a fence for a process that lost it without noticing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sightline_store.client import UPGRADE_CODE, Client
from sightline_store.errors import QueryFailed, StoreBusy, StoreError
from sightline_store.lease import Lease, holder
from sightline_store.schema import declared
from sightline_store.schema.state import NO_SUCH

_NAME = "upgrade"
_LEASE_S, _CLAIM_S = 15.0, 2.0


class Fence:
    """What each statement of an upgrade has to pass: the lock was held without a break since it was taken."""

    def __init__(self, client: Client, lease: Lease) -> None:
        self._client = client
        self._lease = lease
        self._owner = lease.owner

    def require(self) -> None:
        """Refuse to go on where the lock was lost, for example by a process that was paused: others may have upgraded.

        Raises:
            StoreBusy: begin again, with a new plan.
        """
        if not (self._lease.is_held and self._lease.owner == self._owner):
            reason = f"this process did not answer for {_LEASE_S:g} s and lost the lock on the schema"
            raise StoreBusy(self._client.settings.url, UPGRADE_CODE, reason)


@contextmanager
def held(client: Client, wait_s: float, clock: Callable[[], float] = time.monotonic) -> Iterator[Fence]:
    """Hold the lock on the store's schema.

    Args:
        client: the store; its database exists.
        wait_s: seconds to wait for another process at most.
        clock: seconds that never go back, by which the lease ends.

    Raises:
        StoreBusy: another process holds it for longer.
        StoreUnavailable: try again.
    """
    client.command(declared.tables()["leases"].render())  # it is there before the migrations that make all else
    lease = Lease(client, _NAME, _LEASE_S, clock)
    deadline = time.monotonic() + wait_s
    stopped = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(stopped, _CLAIM_S), name="upgrade-lock", daemon=True)
    try:
        while not lease.claim():
            if time.monotonic() > deadline:
                raise StoreBusy(client.settings.url, UPGRADE_CODE, "another process upgrades the store")
            time.sleep(_CLAIM_S)
        fence = Fence(client, lease)
        keeper.start()
        yield fence
    finally:
        stopped.set()
        if keeper.ident is not None:
            keeper.join()
        else:
            with contextlib.suppress(StoreError):  # A claim that is not repeated ends by itself.
                lease.release()


def is_held(client: Client) -> bool:
    """Whether some process upgrades the store now."""
    try:
        return holder(client, _NAME, _LEASE_S) != ""
    except QueryFailed as exc:
        if exc.code in NO_SUCH:
            return False
        raise
