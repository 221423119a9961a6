"""What slow clients cost the others: 3,000 that send the head of their request one byte a second, for 60 s.

First to the store, then to the collector. Each that is closed comes again a second later. Meanwhile one client at a
time asks properly, on a connection of its own: the store for SELECT 1, the collector to take a span. Reported are its
latency before and meanwhile, its failures, the most slow connections that were open at once, and how many of them are
left once their head's time is over.
Needs `ulimit -n` (the hard limit) of 4,096.
Usage: python benchmarks/slow_clients.py [CLIENTS] [SECONDS]
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import processes
import results
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_PROCESSES = multiprocessing.get_context("spawn")
_CLIENTS = 3000
_SECONDS = 60.0
_BEFORE_S = 5.0
_PAUSE_S = 0.02
_HEADER_TIMEOUT_S = 10.0
_HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


class _Connection(asyncio.Protocol):
    """One slow connection, open until the server closes it."""

    def __init__(self, open_now: set[_Connection]) -> None:
        self._open_now = open_now
        self.lost = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._open_now.add(self)
        transport.write(_HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_now.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)


class _Slow:
    """Clients that hold on as long as they are let."""

    def __init__(self, port: int, clients: int) -> None:
        self.opened = self.open_most = 0
        self._port = port
        self._open_now: set[_Connection] = set()
        self._ends = False
        self._drip = asyncio.create_task(self._dripping())
        self._comers = [asyncio.create_task(self._coming(number / clients)) for number in range(clients)]

    async def stop(self) -> int:
        """Come no more; returns how many are open still when every head's time is over."""
        self._ends = True
        await asyncio.sleep(_HEADER_TIMEOUT_S + 2)
        left = len(self._open_now)
        for task in (self._drip, *self._comers):
            task.cancel()
        await asyncio.gather(self._drip, *self._comers, return_exceptions=True)
        return left

    async def _coming(self, first_s: float) -> None:
        await asyncio.sleep(first_s)
        while not self._ends:
            with contextlib.suppress(OSError):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._open_now), "127.0.0.1", self._port
                )
                self.opened += 1
                self.open_most = max(self.open_most, len(self._open_now))
                await connection.lost
            await asyncio.sleep(1)

    async def _dripping(self) -> None:
        while True:
            for number, connection in enumerate(tuple(self._open_now)):
                if not connection.transport.is_closing():
                    connection.transport.write(b"a")
                if number % 100 == 99:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(1)


async def _ask(port: int, request: bytes) -> float:
    """Milliseconds until the answer's status; infinite where it is another than 200."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                is_good = b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        is_good = False
    return (time.perf_counter() - begun) * 1000 if is_good else float("inf")


async def _latencies(port: int, request: bytes, seconds: float) -> list[float]:
    found, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        found.append(await _ask(port, request))
        await asyncio.sleep(_PAUSE_S)
    return found


def _told(name: str, found: list[float]) -> dict[str, object]:
    good = sorted(each for each in found if each != float("inf"))
    cuts = statistics.quantiles(good, n=100) if len(good) > 1 else [float("nan")] * 99
    return {
        f"{name}_p50_ms": round(cuts[49], 2),
        f"{name}_p99_ms": round(cuts[98], 2),
        f"{name}_requests": len(found),
        f"{name}_failed": len(found) - len(good),
    }


async def _trial(port: int, request: bytes, clients: int, seconds: float) -> dict[str, object]:
    before = await _latencies(port, request, _BEFORE_S)
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_hold, args=(port, clients, theirs), daemon=True)
    process.start()
    await asyncio.to_thread(ours.recv)
    meanwhile = await _latencies(port, request, seconds)
    ours.send("stop")
    told = await asyncio.to_thread(ours.recv)
    process.join()
    return {**_told("before", before), **_told("meanwhile", meanwhile), **told}


def _hold(port: int, clients: int, pipe: Connection) -> None:
    """The slow clients, in a process of their own: those that ask properly shall not wait for them here."""

    async def hold() -> None:
        slow = _Slow(port, clients)
        pipe.send("started")
        await asyncio.to_thread(pipe.recv)
        left = await slow.stop()
        pipe.send({"slow_opened": slow.opened, "slow_open_most": slow.open_most, "slow_left": left})

    asyncio.run(hold())


def _post(path: str, body: bytes, content_type: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    """Measure and print one JSON line."""
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else _CLIENTS
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else _SECONDS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < clients + 256:
        sys.exit(f"the hard limit of open files is {hard}; {clients} clients need {clients + 256}: ulimit -Hn")
    wanted = clients + 1096
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    export = ExportTraceServiceRequest()
    export.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="n")
    span = _post("/v1/traces", export.SerializeToString(), "application/x-protobuf")
    result: dict[str, object] = {"bench": "slow_clients", "clients": clients, "seconds": seconds}
    with tempfile.TemporaryDirectory() as name:
        store, url = processes.store(Path(name))
        with store:
            port = int(url.rpartition(":")[2])
            told = asyncio.run(_trial(port, _post("/", b"SELECT 1", "text/plain"), clients, seconds))
            result |= {f"store_{key}": value for key, value in told.items()}
            collector, port = processes.collector(Path(name), url, "otel")
            with collector:
                told = asyncio.run(_trial(port, span, clients, seconds))
                result |= {f"collector_{key}": value for key, value in told.items()}
    results.keep(result)


if __name__ == "__main__":
    main()
