"""Waiting for the INSERTs that run now, by what the store says is running."""

from __future__ import annotations

import time

from sightline_store.client import Client
from sightline_store.errors import SchemaError

_POLL_S = 0.05

IS_INSERT = "query_kind IN ('Insert', 'AsyncInsertFlush')"
"""Of a row of system.processes: rows of asynchronous INSERTs are written by queries of a kind of their own, when the
INSERTs themselves are over."""


def wait_for_running(client: Client, wait_s: float, task: str) -> None:
    """Return when every INSERT that runs at the call has ended; later ones are not waited for.

    Args:
        client: the store.
        wait_s: seconds to wait at most.
        task: what waits, for the message: "rebuild llm_calls".

    Raises:
        SchemaError: one of them did not end in time.
    """
    running = _running(client)
    deadline = time.monotonic() + wait_s
    while running & _running(client):
        if time.monotonic() > deadline:
            raise SchemaError(f"INSERTs did not end in {wait_s:g} s: {task} when the store is quieter")
        time.sleep(_POLL_S)


def _running(client: Client) -> set[str]:
    rows = client.query_rows(f"SELECT query_id FROM system.processes WHERE {IS_INSERT}")  # noqa: S608  (a constant)
    return {str(row["query_id"]) for row in rows}
