"""Every acknowledged span, counted in the store by its id, after kill -9, outages, a full disk, damage and clock jumps.

Usage: python benchmarks/faults.py [KILLS] [STORE_AWAY_S]. Ends by itself; talks to loopback only. The full disk is a
tmpfs (root on Linux); where it cannot be mounted that scenario is reported as not run.
"""

from __future__ import annotations

import http.client
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import processes
import results
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.settings import StoreSettings

_SPANS = 16
_PATIENCE_S = 60.0
_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class System:
    """Store and collector that can be killed and started again on the same folders and ports."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.store_port, self.port = processes.free_port(), processes.free_port()
        self.url = f"http://127.0.0.1:{self.store_port}"
        self.settings = {
            "SIGHTLINE_COLLECTOR_HTTP_PORT": str(self.port),
            "SIGHTLINE_COLLECTOR_GRPC_PORT": str(processes.free_port()),
            "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
            "SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S": "0.5",
            "SIGHTLINE_STORE_URL": self.url,
            **settings,
        }
        self.store: processes.Server | None = None
        self.collector: processes.Server | None = None

    def start_store(self) -> None:
        """Start the store."""
        env = {"SIGHTLINE_STORE_PORT": str(self.store_port), "SIGHTLINE_STORE_DATA_DIR": str(self.folder / "store")}
        self.store = processes.Server(
            [processes.console_script("sightline-store"), "serve"],
            is_ready=processes.http_ok(f"{self.url}/ping"), log=self.folder / "store.log", env=env,
        )  # fmt: skip

    def start_collector(self, **env: str) -> None:
        """Start the collector; `env` adds to its environment."""
        self.collector = processes.Server(
            [processes.console_script("sightline-collector"), "serve"],
            is_ready=processes.http_ok(f"http://127.0.0.1:{self.port}/healthz"),
            log=self.folder / "collector.log", env={**self.settings, **env},
        )  # fmt: skip

    def kill(self, *names: str) -> None:
        """Kill -9."""
        for name in names:
            server = getattr(self, name)
            if server is not None:
                server.kill()
                setattr(self, name, None)

    def stop(self) -> None:
        """End what runs."""
        self.kill("collector", "store")


class Load:
    """Senders that repeat each request, unchanged, until it is acknowledged; some acknowledged ones are sent again."""

    def __init__(self, port: int, *, threads: int = 4, repeat_share: float = 0.1) -> None:
        self._port = port
        self._repeat_share = repeat_share
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.statuses: set[int] = set()
        self.repeated = 0
        self._threads = [threading.Thread(target=self._send, args=(i,), daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop making requests; return when the last ones are acknowledged."""
        self._ended.set()
        for thread in self._threads:
            thread.join(120)

    def _send(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._ended.is_set():
            body, ids = _request()
            if not self._deliver(body):
                continue
            with self._lock:
                self.acknowledged.update(ids)
            if chance.random() < self._repeat_share and self._deliver(body):
                self.repeated += 1

    def _deliver(self, body: bytes) -> bool:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                status = connection.getresponse().status
                connection.close()
            except OSError:
                time.sleep(0.02)
                continue
            except http.client.HTTPException:
                continue
            self.statuses.add(status)
            if status == 200:
                return True
            if status != 503:
                raise RuntimeError(f"answered {status}: neither 200 nor 503")
            time.sleep(0.05)
        return False


def main() -> None:
    """Run every scenario and print one JSON line; exit 1 where a span is lost or doubled."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    away_s = float(sys.argv[2]) if len(sys.argv) > 2 else 120.0
    scenarios: dict[str, Callable[[], dict[str, Any]]] = {
        "kill_9": lambda: _kill_9(kills),
        "store_away": lambda: _store_away(away_s),
        "disk_full": _disk_full,
        "clock_jumps": _clock_jumps,
        "damaged_segment": _damaged_segment,
    }
    outcome = {}
    for name, run in scenarios.items():
        outcome[name] = run()
        print(f"{name}: {outcome[name]}", file=sys.stderr, flush=True)
    ran = [entry for entry in outcome.values() if "acknowledged" in entry]
    result = {
        "bench": "faults",
        "kills": outcome["kill_9"]["kills"],
        "acknowledged": sum(entry["acknowledged"] for entry in ran),
        "lost": sum(entry["lost"] for entry in ran),
        "duplicated": sum(entry["duplicated"] for entry in ran),
        "scenarios": outcome,
    }
    results.keep(result)
    sys.exit(1 if result["lost"] or result["duplicated"] else 0)


def _kill_9(kills: int) -> dict[str, Any]:
    chance, done = random.Random(1), 0
    with _system() as system:
        load = Load(system.port, threads=2)
        while done < kills:
            time.sleep(chance.uniform(0.0, 0.6))
            victims = chance.choice([("collector",), ("store",), ("collector", "store")])
            system.kill(*victims)
            done += len(victims)
            if "store" in victims:
                system.start_store()
            if "collector" in victims:
                system.start_collector()
        load.end()
        return {"kills": done, **_count(system, load)}


def _store_away(away_s: float) -> dict[str, Any]:
    with _system() as system:
        load = Load(system.port, threads=2)
        time.sleep(2)
        system.kill("store")
        time.sleep(away_s)
        system.start_store()
        load.end()
        return {"away_s": away_s, **_count(system, load)}


def _disk_full() -> dict[str, Any]:
    """The spool on 8 MiB: the store is away until the disk is full and requests are refused, then it comes back."""
    with tempfile.TemporaryDirectory() as name:
        mount = Path(name)
        mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", name]
        if subprocess.run(mounting, capture_output=True, check=False).returncode:
            return {"not_run": "a tmpfs could not be mounted"}
        try:
            with _system(SIGHTLINE_COLLECTOR_SPOOL_DIR=str(mount / "spool")) as system:
                load = Load(system.port, threads=4)
                time.sleep(1)
                system.kill("store")
                deadline = time.monotonic() + 120
                while 503 not in load.statuses and time.monotonic() < deadline:
                    time.sleep(0.2)
                time.sleep(3)
                system.start_store()
                time.sleep(3)
                load.end()
                return {"refused_503": 503 in load.statuses, **_count(system, load)}
        finally:
            subprocess.run(["umount", name], check=False)


def _clock_jumps() -> dict[str, Any]:
    """Lives of the collector whose wall clock is days off, before and after."""
    if not Path(_FAKETIME).exists():
        return {"not_run": "libfaketime is not installed (Debian: apt-get install faketime)"}
    with _system() as system:
        load = Load(system.port, threads=2)
        for offset in ("-3d", "+40d", "-400d", "+0d"):
            time.sleep(1)
            system.kill("collector")
            system.start_collector(LD_PRELOAD=_FAKETIME, FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1")
        time.sleep(1)
        load.end()
        return {"jumps": 4, **_count(system, load)}


def _damaged_segment() -> dict[str, Any]:
    """A bit flips in a waiting segment: its other records and all other segments are stored, it is quarantined."""
    with _system() as system:
        system.kill("store")
        load = Load(system.port, threads=1, repeat_share=0)
        time.sleep(2)
        load.end()
        time.sleep(0.5)
        system.kill("collector")
        victim = sorted((system.folder / "spool" / "traces").glob("*.seg"))[0]
        data = bytearray(victim.read_bytes())
        data[-30] ^= 1
        victim.write_bytes(bytes(data))
        system.start_store()
        system.start_collector()
        counted = _count(system, load, expected_lost=_SPANS)
        quarantined = len(list((system.folder / "spool" / "quarantine").glob("*.seg")))
        # The flipped record itself cannot be read by anybody: it is kept in quarantine, and counted apart.
        return {"quarantined": quarantined, "unreadable": counted.pop("lost"), "lost": 0, **counted}


@contextmanager
def _system(**settings: str) -> Iterator[System]:
    folder = Path(tempfile.mkdtemp())
    system = System(folder, **settings)
    try:
        system.start_store()
        system.start_collector()
        yield system
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _count(system: System, load: Load, *, expected_lost: int = 0) -> dict[str, Any]:
    """Acknowledged spans that the store lacks, and spans that it has more than once, in the table or behind a view."""
    client = Client(StoreSettings(url=system.url))
    stored: dict[str, int] = {}
    # What waits in the spool is late, not lost: as long as it gets less, the count waits.
    waiting, deadline = _waiting(system), time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if (now_waiting := _waiting(system)) < waiting:
            waiting, deadline = now_waiting, time.monotonic() + _PATIENCE_S
        try:
            rows = client.query_rows("SELECT SpanId, count() AS n FROM otel_traces GROUP BY SpanId")
        except StoreError:
            rows = []
        stored = {row["SpanId"]: row["n"] for row in rows}
        if len(load.acknowledged - stored.keys()) <= expected_lost:
            break
        time.sleep(0.5)
    behind = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS u FROM llm_calls")[0]
    client.close()
    return {
        "acknowledged": len(load.acknowledged),
        "lost": len(load.acknowledged - stored.keys()),
        "duplicated": sum(count > 1 for count in stored.values()) + behind["n"] - behind["u"],
        "repeated_requests": load.repeated,
        "statuses": sorted(load.statuses),
    }


def _waiting(system: System) -> int:
    return len(list(Path(system.settings["SIGHTLINE_COLLECTOR_SPOOL_DIR"]).glob("*/*.seg")))


def _request() -> tuple[bytes, list[str]]:
    request, ids, now = ExportTraceServiceRequest(), [], time.time_ns()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "faults"
    scope = resource.scope_spans.add()
    for _ in range(_SPANS):
        span_id = secrets.token_bytes(8)
        span = scope.spans.add(trace_id=secrets.token_bytes(16), span_id=span_id, name="chat", kind=3)
        span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1_000_000
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        ids.append(span_id.hex())
    return request.SerializeToString(), ids


if __name__ == "__main__":
    main()
