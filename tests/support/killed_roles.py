"""A store and a collector as processes that are killed at random moments, and senders that give up nothing."""

from __future__ import annotations

import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from collector_role import start_collector
from role_process import Role, StartRole, free_port

from sightline_store.client import Client
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_PATIENCE_S = 60.0

NotesT = TypeVar("NotesT")


@dataclass(frozen=True)
class Pair:
    """Both roles, with their data in one folder."""

    store: Role
    collector: Role
    client: Client
    url: str
    """Of the collector's OTLP over HTTP."""
    spool: Path
    """The folder of the spans' segments."""

    def kill(self, chance: random.Random, times: int, least_s: float, most_s: float) -> None:
        """Kill collector, store or both, and start them again, after a random time each."""
        for _ in range(times):
            time.sleep(chance.uniform(least_s, most_s))
            victims: list[Role] = chance.choice([[self.collector], [self.store], [self.collector, self.store]])
            for victim in victims:
                victim.kill()
            for victim in reversed(victims):
                victim.start()

    def wait_until(self, is_done: Callable[[], bool]) -> str:
        """Poll until it is, or for a minute no segment has gone; returns which, for the caller's asserts.

        A collector that ended by itself is an error at once, with the end of its log: nothing will be shipped any more.
        """
        waiting, deadline = -1, time.monotonic() + _PATIENCE_S
        while not is_done():
            process = self.collector.process
            assert process is None or process.poll() is None, f"the collector has ended:\n{self.collector.tail()}"
            if time.monotonic() > deadline:
                return f"{waiting} segments have waited for {_PATIENCE_S:g} s:\n{self.collector.tail()}"
            time.sleep(0.1)
            now_waiting = len(list(self.spool.glob("*.seg")))
            if now_waiting != waiting:
                waiting, deadline = now_waiting, time.monotonic() + _PATIENCE_S
        return "no segment waits"


def none_of(statement: str, span_ids: Iterable[str]) -> bool:
    """Whether there are no such spans; else an AssertionError of one sentence, not thousands of ids."""
    found = sorted(span_ids)
    assert not found, f"{len(found)} {statement}: {', '.join(found[:3])}"
    return True


def start_pair(roles: StartRole, folder: Path, **settings: str) -> Pair:
    """A store with its tables and a collector that ships to it; `settings` are those of `start_collector`."""
    port = free_port()
    store_url = f"http://127.0.0.1:{port}"
    store = roles(
        "sightline-store",
        "serve",
        env={"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "store")},
        health_url=f"{store_url}/ping",
    )
    client = Client(StoreSettings(url=store_url))
    migrate.apply(client)
    collector = start_collector(roles, folder, store_url, **settings)
    return Pair(store, collector.role, client, collector.url, folder / "spool" / "traces")


class Sender(threading.Thread, Generic[NotesT]):
    """Sends requests one after the other; each again, unchanged, until it is answered."""

    def __init__(self, url: str, make: Callable[[], tuple[list[bytes], NotesT]]) -> None:
        """Nothing is sent before `start`.

        Args:
            url: of the collector.
            make: the next requests, and what is noted when all of them have been acknowledged.
        """
        super().__init__(daemon=True)
        self._url, self._make, self._ends = url, make, threading.Event()
        self.acknowledged: list[NotesT] = []
        self.statuses: set[int] = set()

    def run(self) -> None:
        """Send until told to end, and then until the last request is answered."""
        while not self._ends.is_set():
            bodies, notes = self._make()
            if all(self._send(body) for body in bodies):
                self.acknowledged.append(notes)

    def end(self) -> None:
        """Send no more; returns when the last request is answered."""
        self._ends.set()
        self.join(_PATIENCE_S + 30)
        assert not self.is_alive(), "not answered"

    def _send(self, body: bytes) -> bool:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            post = urllib.request.Request(
                f"{self._url}/v1/traces", body, {"Content-Type": "application/x-protobuf"}, method="POST"
            )
            try:
                with urllib.request.urlopen(post, timeout=10) as answer:
                    self.statuses.add(answer.status)
                    return True
            except urllib.error.HTTPError as exc:
                self.statuses.add(exc.code)
                exc.close()
            except OSError:
                pass
            time.sleep(0.05)
        return False
