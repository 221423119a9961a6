"""Ten thousand damaged requests against both ports of a real collector: it refuses them, and goes on."""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import psutil
import pytest
from collector_role import start_collector
from damaged_requests import SIGNALS, Mutator
from role_process import StartRole

from sightline_store.client import Client

_SEED = 20261124
_HTTP, _RAW, _GRPC = 7600, 400, 2000
_WORKERS = 4
_ANSWER_S = 10.0
_GROWTH_MIB = 50
_EXPORT = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}


class _Found:
    """What the workers saw."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.faults: list[str] = []
        self.slowest_s = 0.0

    def add(self, answer: str, took_s: float, *, is_fault: bool, what: object) -> None:
        with self.lock:
            self.answers[answer] += 1
            self.slowest_s = max(self.slowest_s, took_s)
            if is_fault or took_s > _ANSWER_S:
                self.faults.append(f"{answer} after {took_s:.1f} s: {str(what)[:600]}")


def _send_http(port: int, seed: int, count: int, found: _Found) -> None:
    mutator = Mutator(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    for _ in range(count):
        method, path, body, headers = mutator.http()
        began = time.monotonic()
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value.encode("latin-1", "replace"))
            connection.endheaders(body)
            answer = connection.getresponse()
            told = answer.read()
            status = answer.status
        except TimeoutError:
            found.add("timeout", time.monotonic() - began, is_fault=True, what=(method, path, headers, body))
            connection.close()
        except (http.client.HTTPException, OSError) as exc:
            # Refusing early may close the connection while a body is still on its way.
            found.add(type(exc).__name__, time.monotonic() - began, is_fault=False, what=exc)
            connection.close()
        else:
            is_fault = status >= 500 and status != 503
            found.add(str(status), time.monotonic() - began, is_fault=is_fault, what=(headers, told, body))
    connection.close()


def _send_raw(port: int, seed: int, count: int, found: _Found) -> None:
    mutator = Mutator(seed)
    for _ in range(count):
        data, began = mutator.raw(), time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S) as client:
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(200)
            except TimeoutError:
                found.add("timeout", time.monotonic() - began, is_fault=True, what=data)
                continue
            except OSError as exc:
                found.add(type(exc).__name__, time.monotonic() - began, is_fault=False, what=exc)
                continue
        status = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/") else "closed"
        is_fault = status[0] == "5" and status != "503"
        found.add(f"raw {status}", time.monotonic() - began, is_fault=is_fault, what=(data[:300], answer))


def _send_grpc(port: int, seed: int, count: int, found: _Found) -> None:
    mutator, chance = Mutator(seed), random.Random(seed)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(count):
            signal = chance.choice(SIGNALS)
            method = f"/{_EXPORT[signal]}/{chance.choice(['Export'] * 30 + ['Import', ''])}"
            body = mutator.protobuf(signal)
            metadata = [("x-odd", "y" * chance.choice([0, 100, 3000]))]
            if chance.random() < 0.05:
                metadata.append(chance.choice([("authorization", "Bearer x"), ("origin", "["), ("x-bin", b"\xff\x00")]))  # type: ignore[arg-type]
            began = time.monotonic()
            try:
                channel.unary_unary(method)(body, timeout=_ANSWER_S, metadata=metadata)
                code = "OK"
            except grpc.RpcError as exc:
                code = exc.code().name
            allowed = {
                "OK",
                "INVALID_ARGUMENT",
                "UNIMPLEMENTED",
                "UNAVAILABLE",
                "RESOURCE_EXHAUSTED",
                "PERMISSION_DENIED",
            }
            found.add(f"grpc {code}", time.monotonic() - began, is_fault=code not in allowed, what=(signal, body))


def _send_frames(port: int, seed: int, count: int, found: _Found) -> None:
    """HTTP/2 frames of gRPC whose length or compression flag lies."""
    chance = random.Random(seed)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
    for _ in range(count):
        kind = chance.randrange(10)
        junk = chance.randbytes(chance.randint(0, 100))
        frame = struct.pack(">I", chance.choice([len(junk), 0, 16384, 2**24 - 1]))[1:] + bytes(
            [kind, chance.randrange(64)]
        )
        data = preface + frame + struct.pack(">I", chance.choice([0, 1, 2**31 - 1])) + junk
        if chance.random() < 0.2:
            data = junk
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S) as client:
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
            except TimeoutError:
                found.add("frames timeout", time.monotonic() - began, is_fault=True, what=data)
                continue
            except OSError:
                pass
        found.add("frames closed", time.monotonic() - began, is_fault=False, what="")


def _run(http_port: int, grpc_port: int, found: _Found, *, seed: int, share: float) -> int:
    """All workers at once; returns how many requests they sent."""
    work: list[tuple[Callable[[int, int, int, _Found], None], int, int]] = [
        *[(_send_http, http_port, int(_HTTP * share) // _WORKERS)] * _WORKERS,
        (_send_raw, http_port, int(_RAW * share)),
        (_send_grpc, grpc_port, int(_GRPC * share) * 9 // 10),
        (_send_frames, grpc_port, int(_GRPC * share) // 10),
    ]
    threads = [
        threading.Thread(target=target, args=(port, seed * 100 + index, count, found), daemon=True)
        for index, (target, port, count) in enumerate(work)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return sum(count for _, _, count in work)


def _stats(port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    connection.request("GET", "/stats")
    stats: dict[str, float] = json.loads(connection.getresponse().read())
    connection.close()
    return stats


def _drained(port: int, spool: Path, timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if _stats(port)["spooled_bytes"] == 0 and not list(spool.glob("*/*.seg")) and not list(spool.glob("*/*.open")):
            return True
        time.sleep(0.2)
    return False


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ten_thousand_damaged_requests_leave_the_collector_well(
    roles: StartRole, tmp_path: Path, emptied: Callable[..., Client]
) -> None:
    """No 5xx but 503, no crash, no stall, flat memory, and what was accepted goes to the store or to dead-letter."""
    store = emptied().settings
    started = start_collector(
        roles, tmp_path, store.url, COLLECTOR_SEGMENT_MAX_AGE_S="0.5", STORE_DATABASE=store.database
    )
    collector, port, grpc_port, spool = started.role, started.port, started.grpc_port, tmp_path / "spool"
    assert collector.process is not None
    watched = psutil.Process(collector.process.pid)
    began = time.monotonic()
    warming = _Found()
    sent = _run(port, grpc_port, warming, seed=_SEED, share=0.15)
    assert warming.faults == [], "\n".join(warming.faults)
    warm_mib = watched.memory_info().rss / 2**20

    found = _Found()
    sent += _run(port, grpc_port, found, seed=_SEED + 1, share=0.85)
    grown_mib = watched.memory_info().rss / 2**20 - warm_mib
    print(f"{sent} requests in {time.monotonic() - began:.0f} s, slowest {found.slowest_s:.2f} s, "  # noqa: T201
          f"from {warm_mib:.0f} MiB by {grown_mib:.1f} MiB: {dict(found.answers)}")  # fmt: skip
    assert found.faults == [], "\n".join(found.faults[:20])
    assert sent >= 9_990
    assert collector.process.poll() is None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    assert grown_mib < _GROWTH_MIB
    assert "Traceback" not in collector.log.read_text(errors="replace"), collector.tail()

    assert _drained(port, spool), (_stats(port), sorted(spool.rglob("*")), collector.tail())
    stats = _stats(port)
    print(stats, f"{time.monotonic() - began:.0f} s")  # noqa: T201
    assert not (spool / "quarantine").exists()
    assert not (spool / "dead-letter").exists()  # what ClickHouse cannot read was refused at the door
    assert stats["stored_spans"] > 0
    assert stats["stored_points"] > 0
    assert stats["stored_logs"] > 0
