"""One upgrade of a store at a time, among processes that share nothing but the store.

Each process that wants to upgrade writes claims into a small table in memory, with the store's clock, and repeats them
while it is alive. The live process that claimed first holds the lock. A process that dies stops claiming, so the lock
is free `_SILENT_S` later; a store that restarts forgets all claims.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sightline_store.client import Client
from sightline_store.errors import SchemaError, StoreError

_TABLE = "sightline_upgrade"
_CLAIMS = f"""CREATE TABLE IF NOT EXISTS {_TABLE} (owner String, beat DateTime64(6) DEFAULT now64(6), released Bool)
ENGINE = Memory SETTINGS max_rows_to_keep = 10000"""
_HOLDER = f"""SELECT owner, min(beat) AS first FROM {_TABLE}
GROUP BY owner HAVING max(beat) > now64(6) - toIntervalSecond({{silent_s:UInt32}}) AND NOT max(released)
ORDER BY first, owner LIMIT 1"""  # noqa: S608  (a constant)
_BEAT_S, _SILENT_S = 2.0, 15
_SETTLE_S = 0.5  # two claims that were made at once are both in the table by then
_POLL_S = 0.5


@contextmanager
def held(client: Client, wait_s: float) -> Iterator[None]:
    """Hold the lock on the store's schema; claims are removed at the end.

    Args:
        client: the store; its database exists.
        wait_s: seconds to wait for another process at most.

    Raises:
        SchemaError: another process holds it for longer.
        StoreUnavailable: try again.
    """
    owner = secrets.token_hex(8)
    client.command(_CLAIMS)
    _claim(client, owner)
    stopped = threading.Event()
    beats = threading.Thread(target=_beat, args=(client, owner, stopped), name="upgrade-lock", daemon=True)
    beats.start()
    try:
        time.sleep(_SETTLE_S)
        deadline = time.monotonic() + wait_s
        while _holder(client) not in {owner, ""}:
            if time.monotonic() > deadline:
                raise SchemaError(f"another process upgrades the store for more than {wait_s:g} s: try again later")
            time.sleep(_POLL_S)
        yield
    finally:
        stopped.set()
        beats.join()
        with contextlib.suppress(StoreError):  # Silence releases it as well, later.
            client.insert_rows(_TABLE, ["owner", "released"], [[owner, True]])


def is_held(client: Client) -> bool:
    """Whether some process upgrades the store now."""
    rows = client.query_rows(
        "SELECT name FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": client.settings.database, "table": _TABLE},
    )
    return bool(rows) and _holder(client) != ""


def _beat(client: Client, owner: str, stopped: threading.Event) -> None:
    while not stopped.wait(_BEAT_S):
        with contextlib.suppress(StoreError):  # The upgrade itself says that the store is away.
            _claim(client, owner)


def _claim(client: Client, owner: str) -> None:
    client.insert_rows(_TABLE, ["owner", "released"], [[owner, False]])


def _holder(client: Client) -> str:
    rows = client.query_rows(_HOLDER, {"silent_s": _SILENT_S})
    return str(rows[0]["owner"]) if rows else ""
