"""What bringing traces together costs the store: CPU of `settle` with nothing new, with new rows, and with copies.

Segments as bench-insert's are stored: traces of 8 spans, whole. Then a run settles all of them, one where nothing came,
one after 1,024 new spans, and one after a segment of 10,240 spans came a second time. CPU is that of the store.
Usage: python benchmarks/settle.py [SEGMENTS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import processes
import rag_load
import results

from sightline_collector.spool import record
from sightline_store import ingest, settle
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_SEGMENTS = 6
_REQUESTS = 160
_NEW_REQUESTS, _COPIED_REQUESTS = 2, 20
_IDLE_RUNS = 5


def main() -> None:
    """Measure and print one JSON line."""
    segments = int(sys.argv[1]) if len(sys.argv) > 1 else _SEGMENTS
    with tempfile.TemporaryDirectory() as name:
        store, url = processes.store(Path(name))
        with store:
            client = Client(StoreSettings(url=url, database="settle"))
            migrate.apply(client)
            (row,) = client.query_rows("SELECT now64(6) AS now")
            copied: list[bytes] = []
            for number in range(segments):
                requests = rag_load.make_requests(_REQUESTS, seed=number, first=number * _REQUESTS, long_texts=True)
                copied = copied or requests[:_COPIED_REQUESTS]
                _insert(client, requests, f"whole-{number}")
            _wait(client)
            whole_s, done = _run(store, client, row["now"])
            _wait(client)
            idle_s = 0.0
            for _ in range(_IDLE_RUNS):
                seconds, done = _run(store, client, done.until)
                idle_s += seconds / _IDLE_RUNS
            new = rag_load.make_requests(_NEW_REQUESTS, seed=1000, first=segments * _REQUESTS, long_texts=True)
            _insert(client, new, "new")
            new_s, done = _run(store, client, done.until)
            _insert(client, copied, "copied")
            _wait(client)
            copies_s, done = _run(store, client, done.until)
    spans = segments * _REQUESTS * rag_load.SPANS_PER_REQUEST
    results.keep(
        {
            "bench": "settle",
            "spans": spans,
            "whole_cpu_s": round(whole_s, 2),
            "idle_cpu_s": round(idle_s, 3),
            "new_spans": _NEW_REQUESTS * rag_load.SPANS_PER_REQUEST,
            "new_cpu_s": round(new_s, 2),
            "copied_spans": _COPIED_REQUESTS * rag_load.SPANS_PER_REQUEST,
            "copies_cpu_s": round(copies_s, 2),
            "copied_rows_removed": sum(done.removed.values()),
        }
    )


def _insert(client: Client, requests: list[bytes], token: str) -> None:
    ingest.insert_segment(client, Signal.TRACES, b"".join(map(record.encode, requests)), token)


def _wait(client: Client) -> None:
    """Until the store has merged, and a run no longer looks again at the rows of the last seconds."""
    time.sleep(12)
    while client.query_rows("SELECT count() AS n FROM system.merges")[0]["n"]:
        time.sleep(0.2)


def _run(store: processes.Server, client: Client, since: datetime) -> tuple[float, settle.Settled]:
    """CPU of the store for a run, in seconds, and what it did."""
    before = store.cpu_s()
    done = settle.settle(client, since)
    return store.cpu_s() - before, done


if __name__ == "__main__":
    main()
