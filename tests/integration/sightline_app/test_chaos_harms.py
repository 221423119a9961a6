"""Harms to a running app over a real Weaviate: each is seen, each is undone, also after the command was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
import redis
import weaviate
from chat_app import Model, Served
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_place import RedisPlace
from role_process import free_port
from weaviate.classes.query import MetadataQuery

from sightline_app.__main__ import main
from sightline_app.api import create_app
from sightline_app.chaos import command
from sightline_app.chaos.processes import Process
from sightline_app.index import ingest, read_manifest
from sightline_app.settings import AppSettings, ChaosSettings, StateSettings, UploadSettings, WeaviateSettings
from sightline_app.vector_stores.weaviate_search import FIELD_WEIGHTS, keyword_query, location, weaviate_address
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess
from sightline_demo_corpus.standard_library import StandardLibrary
from sightline_roles.host_gate import HostGate

pytestmark = pytest.mark.peers

KEY = "break-it"
QUESTION = "How do I insert into a sorted list?"


class Place:
    """A Weaviate of its own, and an app in this process that searches it and takes faults."""

    def __init__(self, folder: Path, binary: Path, model: Model) -> None:
        server = WeaviateSettings(port=free_port(), grpc_port=free_port(), data_dir=folder / "weaviate")
        self._process = WeaviateProcess(server, binary, os.environ)
        assert self._process.wait_until_ready(60)
        self.settings = AppSettings(
            data_dir=folder / "app",
            model_base_url=model.url,
            local_weaviate_port=server.port,
            local_weaviate_grpc_port=server.grpc_port,
            retrieval="weaviate",
            embedding="lexical",
            lexical_dimensions=16,
            search_timeout_s=1.0,
            state=StateSettings(mode="process"),
            uploads=UploadSettings(wait_s=0),
            chaos=ChaosSettings(secret_key=KEY),
        )
        ingest(self.settings, StandardLibrary(("bisect",)), wait_s=60)
        self._app = Served(HostGate(create_app(self.settings, chat_app.NoTracing()), self.settings))
        self.url = self._app.url
        self.model = model
        self.env = {
            "SIGHTLINE_APP_DATA_DIR": str(self.settings.data_dir),
            "SIGHTLINE_WEAVIATE_PORT": str(server.port),
            "SIGHTLINE_WEAVIATE_GRPC_PORT": str(server.grpc_port),
            "SIGHTLINE_APP_CHAOS_KEY": KEY,
            "SIGHTLINE_APP_STATE": "process",
            "OTEL_SDK_DISABLED": "true",
        }

    def passages(self) -> dict[str, tuple[Any, Any]]:
        """Properties and vector of every passage, by id."""
        with weaviate.connect_to_custom(**location(self.settings)) as client:
            found = client.collections.get(read_manifest(self.settings.data_dir).collection)
            return {
                str(each.uuid): (each.properties, each.vector["default"])
                for each in found.iterator(include_vector=True)
            }

    def keyword_scores(self) -> dict[str, float]:
        """How keyword search scores the passages for a question, by id."""
        with weaviate.connect_to_custom(**location(self.settings)) as client:
            query = client.collections.get(read_manifest(self.settings.data_dir).collection).query
            wanted = MetadataQuery(score=True)
            found = query.bm25(keyword_query(QUESTION), query_properties=FIELD_WEIGHTS, return_metadata=wanted)
            return {str(each.uuid): round(each.metadata.score or 0.0, 5) for each in found.objects}

    def has_newer_keyword_index(self) -> bool:
        """Whether the collection has the keyword index whose averages keep what was deleted."""
        name = read_manifest(self.settings.data_dir).collection
        told = httpx.get(f"{weaviate_address(self.settings)}/v1/schema/{name}", timeout=60).json()
        return bool(told["invertedIndexConfig"].get("usingBlockMaxWAND"))

    def ask(self, tenant: str = "acme") -> httpx.Response:
        """Ask a question whose answer is in the index."""
        body = {"question": QUESTION, "stream": False}
        return httpx.post(f"{self.url}/v1/chat", json=body, headers={"x-tenant-id": tenant}, timeout=60)

    def chaos(self, *arguments: str) -> list[str]:
        """The command line of a harm to this app."""
        return ["chaos", *arguments, "--url", self.url]

    def stop(self) -> None:
        """Stop both."""
        self._app.stop()
        self._process.stop()


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory, model_session: Model) -> Iterator[Place]:
    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        pytest.skip(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    place = Place(tmp_path_factory.mktemp("place"), binary, model_session)
    yield place
    place.stop()


@pytest.fixture(name="during")
def _during(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the command in this process; what is done while the harm lasts is handed in, its result comes back."""
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)

    def during(do: Callable[[], Any], *arguments: str) -> Any:
        found: list[Any] = []
        harm = command.HARMS[arguments[0]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(harm), "hold", lambda *_: found.append(do()))
            assert main(place.chaos(*arguments)) == 0
        return found[0]

    return during


def test_passages_are_lost_and_put_back_as_they_were(place: Place, during: Callable[..., Any]) -> None:
    """About the share that was asked for; afterwards every property, every vector and every score is the same."""
    before, scores = place.passages(), place.keyword_scores()
    left = during(place.passages, "passages-lost", "--share", "0.4")
    assert 0.3 * len(before) < len(left) < 0.9 * len(before)
    assert place.passages() == before
    assert not place.has_newer_keyword_index()
    assert scores
    assert place.keyword_scores() == scores
    assert not (place.settings.data_dir / "chaos" / "passages.jsonl").exists()


def test_harm_of_a_killed_command_is_undone_later(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 in the middle: another harm is refused, `chaos undo` puts everything back."""
    before = place.passages()
    script = Path(sys.executable).with_name("sightline-app")
    env = {**os.environ, **place.env}
    log = place.settings.data_dir / "chaos.log"
    with log.open("w") as out:
        killed = subprocess.Popen(
            [script, *place.chaos("passages-lost", "--share", "0.5", "--for", "600")], env=env, stderr=out
        )
    deadline = time.monotonic() + 60
    while "are deleted" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        assert killed.poll() is None, log.read_text()
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    assert len(place.passages()) < len(before)
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)
    assert main(place.chaos("slow-search")) == 1
    assert main(place.chaos("undo")) == 0
    assert place.passages() == before


def test_faults_of_the_pipeline_come_and_go(place: Place, during: Callable[..., Any]) -> None:
    """A stale tenant finds less than others, the model gets one passage only; afterwards all is as before."""
    whole = {source["id"] for source in place.ask().json()["sources"]}

    def found() -> tuple[set[str], set[str]]:
        mine, theirs = (place.ask(tenant).json()["sources"] for tenant in ("acme", "globex"))
        return {each["id"] for each in mine}, {each["id"] for each in theirs}

    stale, others = during(found, "stale-tenant", "--tenant", "acme")
    assert others == whole != stale
    (cut,) = during(lambda: place.ask().json()["sources"], "context-cut")
    assert cut["id"] in whole
    assert {source["id"] for source in place.ask().json()["sources"]} == whole


def test_another_model_answers(place: Place, during: Callable[..., Any]) -> None:
    """It is started for the time of the harm and ended after it."""
    asked = len(place.model.prompts)
    answer = during(lambda: place.ask().json(), "model-swapped")
    assert len(place.model.prompts) == asked
    assert answer["note"] == "extractive, no LLM"
    assert place.ask().json()["note"] is None
    assert len(place.model.prompts) == asked + 1


def test_document_with_an_instruction_is_uploaded_and_deleted(place: Place, during: Callable[..., Any]) -> None:
    """Only its tenant has it."""

    def listed() -> list[str]:
        documents = httpx.get(f"{place.url}/v1/documents", headers={"x-tenant-id": "globex"}, timeout=30)
        return [each["name"] for each in documents.json()["documents"]]

    assert during(listed, "injected-document", "--tenant", "globex") == ["frequent-questions.md"]
    deadline = time.monotonic() + 60
    while listed():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_weaviate_that_is_stopped_goes_on(place: Place, during: Callable[..., Any]) -> None:
    """Questions fail while it is, and are answered afterwards."""
    assert during(lambda: place.ask().status_code, "weaviate-away") == 503
    deadline = time.monotonic() + 60
    while place.ask().status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_redis_that_is_stopped_goes_on(
    redis_place: RedisPlace, place: Place, during: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clients wait in vain, and get their answers afterwards."""
    monkeypatch.setenv("REDIS_URL", redis_place.url)

    def does_not_answer() -> bool:
        impatient = redis.Redis.from_url(redis_place.url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
        with impatient, pytest.raises(redis.TimeoutError):
            impatient.ping()
        return True

    assert during(does_not_answer, "redis-away")
    with redis_place.client() as client:
        assert client.ping()


def test_route_of_faults_is_guarded(place: Place) -> None:
    """It needs the key; an app without one has no such route; what it does not know is refused."""
    body = {"search_delay_s": 1.0, "for_s": 5}
    for headers in ({}, {"x-chaos-key": "wrong"}):
        refused = httpx.put(f"{place.url}/v1/chaos", json=body, headers=headers, timeout=30)
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "chaos_key_invalid")
    keyed = {"x-chaos-key": KEY}
    for wrong in ({"for_s": 0}, {"for_s": 3601}, {"for_s": 5, "delay": 1}, {"for_s": 5, "embedding": "fp32"}):
        assert httpx.put(f"{place.url}/v1/chaos", json=wrong, headers=keyed, timeout=30).status_code in {400, 409}
    assert httpx.get(f"{place.url}/v1/chaos", headers=keyed, timeout=30).json()["search_delay_s"] == 0.0


@contextmanager
def listening() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A process that listens on a port."""
    code = "import socket;s=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True);input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            yield int(child.stdout.readline()), child
        finally:
            child.send_signal(signal.SIGCONT)
            child.kill()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="NO /proc: servers are stopped on Linux only")
def test_listener_is_found_and_stopped() -> None:
    """By its port and its name; another program's is nobody's, and a later process with its number is another one."""
    with listening() as (port, child):
        found = Process.listening(port, ("python",))
        assert found is not None
        assert found.pid == child.pid
        assert Process.listening(port, ("redis-server",)) is None
        assert found.send(signal.SIGSTOP)
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert found.send(signal.SIGCONT)
        assert not replace(found, start=found.start + 1).send(signal.SIGSTOP)
    assert not found.send(signal.SIGCONT)
