"""What the typed tables cost an INSERT: the whole schema beside otel_traces and its own view, in one store.

Both databases get the same segments, as the collector sends them, in turns. CPU is that of the store until the merges
that an INSERT starts are over. ratio is for segments of 35,000 spans (what a busy collector ships in a second),
ratio_small for those of a single request of 512, where a statement's analysis is most of the cost.
Usage: python benchmarks/insert.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import processes
import rag_load
import results

from sightline_collector.spool import record
from sightline_store import ingest, schema
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.settings import StoreSettings

_ROUNDS = 5
_RAW = {"otel_traces", "otlp_traces", "otlp_traces_to_otel_traces"}


@dataclass(frozen=True)
class _Load:
    """Segments of one size, and how many of them make a round."""

    requests: int
    inserts: int

    @property
    def spans(self) -> int:
        return self.requests * rag_load.SPANS_PER_REQUEST


_LARGE, _SMALL = _Load(requests=68, inserts=4), _Load(requests=1, inserts=24)


def main() -> None:
    """Measure and print one JSON line."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    requests = rag_load.make_requests(_LARGE.requests)
    segments = {load: b"".join(map(record.encode, requests[: load.requests])) for load in (_LARGE, _SMALL)}
    costs: dict[tuple[_Load, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        store, url = processes.store(Path(name))
        with store:
            clients = {"raw": _client(url, "raw"), "whole": _client(url, "whole")}
            for number in range(-1, rounds):  # the first one warms up
                for load, segment in segments.items():
                    for database, client in clients.items():
                        cost = _us_per_span(store, client, load, segment, number)
                        if number >= 0:
                            costs.setdefault((load, database), []).append(cost)
                if number >= 0:
                    latest = ", ".join(f"{kind[1]} {load.spans}: {costs[load, kind[1]][-1]:.1f}" for load, *kind in
                                       ((load, load, name) for load in segments for name in clients))  # fmt: skip
                    print(f"round {number + 1}, us of CPU a span: {latest}", file=sys.stderr)
    raw, whole, small_raw, small = (
        statistics.median(costs[load, database]) for load in segments for database in clients
    )
    results.keep(
        {
            "bench": "insert",
            "ratio": round(whole / raw, 2),
            "ratio_small": round(small / small_raw, 2),
            "us_per_span": round(whole, 1),
            "raw_us_per_span": round(raw, 1),
            "us_per_span_small": round(small, 1),
            "raw_us_per_span_small": round(small_raw, 1),
            "spans": _LARGE.spans,
            "spans_small": _SMALL.spans,
            "rounds": rounds,
        }
    )


def _client(url: str, database: str) -> Client:
    """A database with the whole schema, or with otel_traces and its view alone."""
    client = Client(StoreSettings(url=url, database=database))
    schema.apply(client)
    if database == "raw":
        views = "SELECT name, engine FROM system.tables WHERE database = 'raw' ORDER BY engine != 'MaterializedView'"
        for row in client.query_rows(views):
            if row["name"] not in _RAW:
                client.command(f"DROP TABLE {row['name']}")
    return client


def _us_per_span(store: processes.Server, client: Client, load: _Load, segment: bytes, number: int) -> float:
    """CPU of the store for a round of INSERTs and the merges that follow."""
    before = store.cpu_s()
    for index in range(load.inserts):
        ingest.insert_segment(client, Signal.TRACES, segment, f"{load.spans}-{number}-{index}")
    quiet = 0
    while quiet < 3:
        time.sleep(0.2)
        quiet = 0 if client.query_rows("SELECT count() AS n FROM system.merges")[0]["n"] else quiet + 1
    return (store.cpu_s() - before) / (load.inserts * load.spans) * 1e6


if __name__ == "__main__":
    main()
