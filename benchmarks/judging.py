"""What judging stored traces costs: traces a second and memory of `sightline-evals run` with the offline judge.

RAG traces of 8 spans with long texts stand in a store of their own. One run judges a fifth of them and one all of them,
to compare their peak memory. A third one judges all of them, sends the scores through a collector, is killed with
SIGKILL twice at moments of chance and goes on each time: in the end each trace must have each score once, in the report
and in the store.
Usage: python benchmarks/judging.py [TRACES]
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processes
import psutil
import rag_load
import results

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_TRACES = 10_000
_REQUESTS_AT_ONCE = 16
_METRICS = ("groundedness", "faithfulness", "context_precision")
_ARRIVAL_S = 120
_DATABASE = "judging"


@dataclass
class _Run:
    """An evaluation run as a process."""

    folder: Path
    env: dict[str, str]
    peak_mib: float = 0.0

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        """Start it; its report goes to `report.json`."""
        command = [sys.executable, "-m", "sightline_evals", "run", "--judge", "offline", "--json"]
        log = (self.folder / "run.log").open("ab")
        return subprocess.Popen(
            [*command, str(self.folder / "report.json"), *flags], env=self.env, stdout=log, stderr=log
        )

    def finish(self, process: subprocess.Popen[bytes], kill_at: float | None = None) -> None:
        """Wait for its end, or kill it when its journal has so many bytes."""
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                self.peak_mib = max(self.peak_mib, watched.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                break
            if kill_at is not None and self.kept_bytes() >= kill_at:
                process.kill()
            time.sleep(0.1)
        code = process.wait()
        if kill_at is None and code != 0:
            raise RuntimeError(f"exit code {code}: {(self.folder / 'run.log').read_text()[-2000:]}")

    def kept_bytes(self) -> float:
        """Size of the journal."""
        journals = list((self.folder / "cache" / "runs").glob("*/journal.jsonl"))
        return float(max((path.stat().st_size for path in journals), default=0))

    def report(self) -> dict[str, Any]:
        """What the run wrote."""
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return found


def main() -> None:
    """Measure and print one JSON line."""
    traces = int(sys.argv[1]) if len(sys.argv) > 1 else _TRACES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, url = processes.store(folder)
        with store:
            client = Client(StoreSettings(url=url, database=_DATABASE))
            migrate.apply(client)
            _fill(client, traces)
            collector, port = processes.collector(folder, url, _DATABASE)
            with collector:
                result = _measure(folder, client, {"url": url, "port": str(port)}, traces)
    results.keep({"bench": "judging", "traces": traces, **result})


def _measure(folder: Path, client: Client, places: dict[str, str], traces: int) -> dict[str, Any]:
    def run(name: str) -> _Run:
        (folder / name).mkdir()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("SIGHTLINE_", "OTEL_"))}
        own = {
            "SIGHTLINE_STORE_URL": places["url"],
            "SIGHTLINE_STORE_DATABASE": _DATABASE,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{places['port']}",
            "SIGHTLINE_EVALS_CACHE_DIR": str(folder / name / "cache"),
        }
        return _Run(folder / name, {**inherited, **own})

    flags = ("--since", "1h", "--deadline", "0", "--rescore")
    small, whole, killed = run("small"), run("whole"), run("killed")
    small.finish(small.start(*flags, "--limit", str(traces // 5), "--no-send"))
    whole.finish(whole.start(*flags, "--limit", str(traces), "--no-send"))
    facts = whole.report()["run"]
    judged_bytes = whole.kept_bytes()

    moments = random.Random()  # another pair of moments each time
    shares = sorted(moments.uniform(0.05, 0.95) for _ in range(2))
    began = time.monotonic()
    process = killed.start(*flags, "--limit", str(traces), "--send", "--run-id", "killed")
    for share in shares:
        killed.finish(process, share * judged_bytes)
        process = killed.start("--resume", "killed", "--send", "--deadline", "0")
    killed.finish(process)
    killed_s = time.monotonic() - began
    report = killed.report()
    told = Counter((score["case"], score["metric"]) for score in report["scores"])
    stored = _stored(client, sum(told.values()))
    wanted = {(case["case"], metric) for case in report["cases"] for metric in _METRICS}
    return {
        "judged": facts["samples"],
        "drawn_from": facts["drawn_from"],
        "traces_a_second": round(facts["samples"] / facts["duration_s"], 1),
        "peak_mib_fifth": round(small.peak_mib),
        "peak_mib_whole": round(whole.peak_mib),
        "killed_at": [round(share, 2) for share in shares],
        "killed_total_s": round(killed_s, 1),
        "scores_wanted": len(wanted),
        "scores_in_report_once": sum(told[key] == 1 for key in wanted),
        "scores_stored_once": sum(stored[key] == 1 for key in wanted),
        "scores_stored_twice": sum(number > 1 for number in stored.values()),
    }


def _stored(client: Client, wanted: int) -> Counter[tuple[str, str]]:
    """How often each score of the killed run is in the store, once as many are there as were made."""
    sql = "SELECT TraceId, Name, count() AS n FROM scores WHERE RunId = 'killed' GROUP BY TraceId, Name"
    until = time.monotonic() + _ARRIVAL_S
    while True:
        found = Counter({(row["TraceId"], row["Name"]): int(row["n"]) for row in client.query_rows(sql)})
        if sum(found.values()) >= wanted or time.monotonic() > until:
            return found
        time.sleep(0.5)


def _fill(client: Client, traces: int) -> None:
    requests = -(-traces // rag_load.TRACES_PER_REQUEST)
    for first in range(0, requests, _REQUESTS_AT_ONCE):
        count = min(_REQUESTS_AT_ONCE, requests - first)
        made = rag_load.make_requests(count, seed=first, first=first, long_texts=True)
        ingest.insert_segment(client, Signal.TRACES, b"".join(map(record.encode, made)), f"traces-{first}")
    until = time.monotonic() + _ARRIVAL_S
    while client.query_rows("SELECT count() AS n FROM requests")[0]["n"] < traces:
        if time.monotonic() > until:
            raise TimeoutError("the traces did not become requests")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
