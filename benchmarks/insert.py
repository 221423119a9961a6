"""What the typed tables cost an INSERT: the whole schema beside otel_traces and its own view, in one store.

otel_traces alone is filled as the official exporter does, whose INSERTs build the indexes over attributes at once;
Sightline leaves those to the merges (sightline_store/ingest.py), whose CPU counts here.
Both get the same segments, as the collector sends them, in turns: each holds traces of its own, later than those of the
segment before it, with texts as long as bench-query's. Each size has a pair of databases of its own. CPU is that of the
store, the merges that follow included, over all rounds but the first. ratio is for a segment of 80,000 spans, 52 MiB,
near the 64 at which the collector closes one; ratio_second for 35,000; ratio_small for a single request of 512 spans,
where a statement's analysis is most of the cost. A ratio of 1.5 says: the views and their tables take half of what
otel_traces takes alone.
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
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_ROUNDS = 7
_RAW = {"otel_traces", "otlp_traces", "otlp_traces_to_otel_traces"}


@dataclass(frozen=True)
class _Load:
    """Segments of one size, and how many of them make a round."""

    suffix: str
    requests: int
    inserts: int

    @property
    def spans(self) -> int:
        return self.requests * rag_load.SPANS_PER_REQUEST

    def segment(self, number: int) -> bytes:
        """The traces of a few seconds, those after the segment before."""
        first = number * self.requests
        requests = rag_load.make_requests(self.requests, seed=number, first=first, long_texts=True)
        return b"".join(map(record.encode, requests))


_LOADS = (_Load("", requests=160, inserts=3), _Load("_second", requests=68, inserts=4), _Load("_small", 1, inserts=24))


def main() -> None:
    """Measure and print one JSON line."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    costs: dict[tuple[_Load, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        store, url = processes.store(Path(name))
        with store:
            clients = {(load, of): _client(url, of + load.suffix) for load in _LOADS for of in ("raw", "whole")}
            for number in range(rounds + 1):  # the first one warms up
                for load in _LOADS:
                    segments = [load.segment(number * load.inserts + index) for index in range(load.inserts)]
                    for of in ("raw", "whole"):
                        us = _us_per_span(store, clients[load, of], load, segments, number)
                        print(f"round {number}, {load.spans} spans, {of}: {us:.1f} us of CPU a span", file=sys.stderr)
                        if number:
                            costs.setdefault((load, of), []).append(us)
    result: dict[str, object] = {"bench": "insert"}
    for load in _LOADS:
        raw, whole = (statistics.mean(costs[load, of]) for of in ("raw", "whole"))
        result |= {
            f"ratio{load.suffix}": round(whole / raw, 2),
            f"us_per_span{load.suffix}": round(whole, 1),
            f"raw_us_per_span{load.suffix}": round(raw, 1),
            f"spans{load.suffix}": load.spans,
        }
    results.keep({**result, "rounds": rounds})


def _client(url: str, database: str) -> Client:
    """A database with the whole schema, or with otel_traces and its view alone."""
    client = Client(StoreSettings(url=url, database=database))
    migrate.apply(client)
    if database.startswith("raw"):
        views_first = "WHERE database = {database:String} ORDER BY engine != 'MaterializedView'"
        for row in client.query_rows(f"SELECT name FROM system.tables {views_first}", {"database": database}):
            if row["name"] not in _RAW:
                client.command(f"DROP TABLE {row['name']}")
        for index in client.query_rows(
            "SELECT name, expr FROM system.data_skipping_indices WHERE database = {database:String} "
            "AND table = 'otel_traces' AND name LIKE '%attr%'",
            {"database": database},
        ):  # under another name they are built by the INSERT
            client.command(f"ALTER TABLE otel_traces DROP INDEX {index['name']}")
            kind = "TYPE bloom_filter(0.01) GRANULARITY 1"
            client.command(f"ALTER TABLE otel_traces ADD INDEX {index['name']}_at_once {index['expr']} {kind}")
    return client


def _us_per_span(store: processes.Server, client: Client, load: _Load, segments: list[bytes], number: int) -> float:
    """CPU of the store for a round of INSERTs and the merges that follow."""
    before = store.cpu_s()
    for index, segment in enumerate(segments):
        ingest.insert_segment(client, Signal.TRACES, segment, f"{load.spans}-{number}-{index}")
    quiet = 0
    while quiet < 3:
        time.sleep(0.2)
        quiet = 0 if client.query_rows("SELECT count() AS n FROM system.merges")[0]["n"] else quiet + 1
    return (store.cpu_s() - before) / (load.inserts * load.spans) * 1e6


if __name__ == "__main__":
    main()
