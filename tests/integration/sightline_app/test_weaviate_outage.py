"""A real Weaviate that is killed, or hangs, while the app answers questions, and comes back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from chat_app import Model, Served, events
from role_process import free_port

from sightline import semconv
from sightline.testing import Spans
from sightline_app.api import create_app
from sightline_app.index import ingest
from sightline_app.settings import AppSettings, LimitSettings, StateSettings, UploadSettings, WeaviateSettings
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess
from sightline_demo_corpus.standard_library import StandardLibrary
from sightline_roles.host_gate import HostGate

pytestmark = pytest.mark.peers

TOKENS = 50
"""What the model reports for each whole answer."""
ACME = {"x-tenant-id": "acme"}
LONG = "How do I keep a list sorted? [words=60] [pause=0.05]"


class Place:
    """A Weaviate of its own, and an app in this process that searches it."""

    def __init__(self, folder: Path, binary: Path, model: Model) -> None:
        self._server = WeaviateSettings(port=free_port(), grpc_port=free_port(), data_dir=folder / "weaviate")
        self._binary = binary
        self.start()
        settings = AppSettings(
            data_dir=folder / "app",
            model_base_url=model.url,
            local_weaviate_port=self._server.port,
            local_weaviate_grpc_port=self._server.grpc_port,
            retrieval="weaviate",
            embedding="lexical",
            lexical_dimensions=16,
            search_timeout_s=1.0,
            state=StateSettings(mode="process"),
            limits=LimitSettings(tokens_per_day=10_000_000),
            uploads=UploadSettings(wait_s=0),
        )
        ingest(settings, StandardLibrary(("bisect",)), wait_s=60)
        self._app = Served(HostGate(create_app(settings, chat_app.NoTracing()), settings))
        self.url = self._app.url

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = WeaviateProcess(self._server, self._binary, os.environ)
        assert self._process.wait_until_ready(60)

    def kill(self) -> None:
        """End it as a crash would: kill -9."""
        self._process.process.kill()
        self._process.process.wait()

    def pause(self) -> None:
        """Let it hang: it takes connections and answers none."""
        self._process.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._process.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop app and server."""
        self._app.stop()
        self._process.stop()

    def ask(self, question: str = "How do I keep a list sorted?") -> httpx.Response:
        """Ask without a stream; whatever takes much longer than the search may take is an error."""
        return httpx.post(f"{self.url}/v1/chat", json={"question": question, "stream": False}, headers=ACME, timeout=30)

    def until_ready(self) -> None:
        """Wait until load balancers would send questions here."""
        deadline = time.monotonic() + 60
        while httpx.get(f"{self.url}/readyz", timeout=30).status_code != 200:
            assert time.monotonic() < deadline, "the app did not find Weaviate again"
            time.sleep(0.05)


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory, model_session: Model) -> Iterator[Place]:
    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        pytest.skip(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    place = Place(tmp_path_factory.mktemp("outage"), binary, model_session)
    yield place
    place.stop()


class Load:
    """Questions, one after the other in each of some threads, until it is stopped."""

    def __init__(self, place: Place, threads: int) -> None:
        self.answers: list[httpx.Response] = []
        self._place = place
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._running = [self._pool.submit(self._go) for _ in range(threads)]

    def _go(self) -> None:
        while not self._stopping.is_set():
            self.answers.append(self._place.ask())

    def until(self, holds: Callable[[list[int]], bool], what: str) -> None:
        """Wait until the statuses of all answers are so."""
        deadline = time.monotonic() + 60
        while not holds([answer.status_code for answer in list(self.answers)]):
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    def stop(self) -> list[httpx.Response]:
        """Wait for the last answers; a thread that failed fails the test."""
        self._stopping.set()
        for each in self._running:
            each.result(60)
        self._pool.shutdown()
        return self.answers


def spent(spans: Spans, question: str) -> int:
    """Tokens of the budget that are used when an answer ends beside which no other one runs."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for span in spans:
            told: dict[str, Any] = dict(span.attributes or {})
            if told.get(semconv.INPUT) == question and semconv.BUDGET_USED in told:
                return int(told[semconv.BUDGET_USED][0])
        time.sleep(0.02)
    raise AssertionError("the request's span did not end")


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_questions_fail_clearly_until_weaviate_is_back(place: Place, spans: Spans, how: str) -> None:
    """Streams that have their passages end; other questions are 503 with a sentence; an upload waits; then all go on.

    Each whole answer is charged once and each failed question not at all.
    """
    place.until_ready()
    place.ask("What was before?")
    before = spent(spans, "What was before?")
    body: dict[str, Any] = {"question": LONG}
    with ThreadPoolExecutor(3) as pool:
        begun = threading.Semaphore(0)

        def stream() -> str:
            text = ""
            with httpx.stream("POST", f"{place.url}/v1/chat", json=body, headers=ACME, timeout=60) as answer:
                for piece in answer.iter_text():
                    if "event: token" in piece and "event: token" not in text:
                        begun.release()
                    text += piece
            return text

        streams = [pool.submit(stream) for _ in range(3)]
        for _ in streams:
            assert begun.acquire(timeout=60)
        load = Load(place, 4)
        load.until(lambda seen: seen.count(200) >= 4, "no question was answered")
        if how == "killed":
            place.kill()
        else:
            place.pause()
        load.until(lambda seen: seen.count(503) >= 4, "no question failed")
        ready = httpx.get(f"{place.url}/readyz", timeout=30)
        health = httpx.get(f"{place.url}/healthz", timeout=30)
        uploaded = httpx.post(
            f"{place.url}/v1/documents", json={"name": "a.md", "text": f"The cat {how}."}, headers=ACME, timeout=30
        )
        if how == "killed":
            place.start()
        else:
            place.go_on()
        place.until_ready()
        count = len(load.answers)
        load.until(lambda seen: seen[count:].count(200) >= 4, "no question was answered again")
        answers = load.stop()
        told = [events(each.result(60))[-1] for each in streams]
    assert [name for name, _ in told] == ["done"] * 3
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.json()["error"]["type"] == "retrieval_unavailable"
            assert "did not answer" in answer.json()["error"]["message"]
            assert int(answer.headers["retry-after"]) > 0
    assert (ready.status_code, health.status_code) == (503, 503)
    part = ready.json()["parts"]["retrieval"]
    assert part == {"ready": False, "needed": True, "detail": "weaviate does not answer"}
    assert uploaded.status_code == 202
    deadline = time.monotonic() + 60
    while httpx.get(f"{place.url}{uploaded.headers['location']}", headers=ACME).json()["state"] != "stored":
        assert time.monotonic() < deadline, "the upload was not stored"
        time.sleep(0.05)
    assert "cat" in " ".join(each["text"] for each in place.ask("What of the cat?").json()["sources"])
    whole = sum(answer.status_code == 200 for answer in answers) + len(streams) + 1
    assert spent(spans, "What of the cat?") - before == TOKENS * whole
