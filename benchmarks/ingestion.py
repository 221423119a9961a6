"""Does a document get lost or doubled while its workers are killed, and what do batches bring? `make bench-backend`.

Real servers on loopback: Weaviate (or ClickHouse), Redis, Kafka and Temporal. In turn:

* throughput: small documents through one worker's code, embedded alone and together;
* Celery: documents are uploaded to the app while its workers are killed (SIGKILL) `--kills` times at random moments;
* Kafka: the same with members of a consumer group;
* Temporal: a collection is embedded again, and its worker is killed on the way;
* tuning: what `sightline-app tune` chooses.

Afterwards every document that was acknowledged is counted in the vector store. A part whose server cannot be had is
`null`, and standard error says so; so is the tuning where it fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import backend
import httpx
import processes
import results

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import scale_peers

from sightline_app.index import open_writer, read_manifest
from sightline_app.ingestion.document import State, document_id, new_document
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.loaded_index import LoadedIndex
from sightline_app.ingestion.work import DocumentWork
from sightline_app.settings import AppSettings
from sightline_app.state.redis_server import find_server

WORKERS = 2
_PARTS = ("throughput", "celery", "kafka", "temporal", "tune")
SETTLED_S = 900.0
"""Longest wait for the last document, after the last kill."""
_WORDS = (Path(__file__).parents[1] / "README.md").read_text().split()


def text_of(kind: str, number: int) -> str:
    """A document of two passages of some 60 words, that no other number has."""
    chance = random.Random(f"{kind}{number}")
    parts = []
    for part in ("One", "Two"):
        words = " ".join(chance.choices(_WORDS, k=60))
        parts.append(f"# {part}\n\nDocument {kind} {number}: {words}\n")
    return "\n".join(parts)


class Index:
    """The index under test."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.settings = AppSettings.from_env(env)
        self.folder = UploadFolder(self.settings.data_dir)

    def count(self) -> int:
        """Passages in the vector store."""
        manifest = read_manifest(self.settings.data_dir)
        return open_writer(self.settings, manifest.backend).count(manifest.collection)

    def lost_and_doubled(self, tenant: str, ids: Sequence[str], before: int) -> tuple[int, int]:
        """Wait until all is settled, and return documents that are not stored, and passages too few or too many.

        Args:
            tenant: whose documents they are.
            ids: of those that were acknowledged.
            before: passages that were there before.
        """
        deadline = time.monotonic() + SETTLED_S
        while True:
            found = [self.folder.find(tenant, each) for each in ids]
            left = sum(each is None or not each.state.is_settled for each in found)
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        stored = [each for each in found if each is not None and each.state is State.STORED]
        surplus = self.count() - before - sum(each.passages for each in stored)
        lost = len(ids) - len(stored) + max(0, -surplus)
        for each in found:
            if each is None or each.state is not State.STORED:
                backend.say(f"not stored: {each}")
        backend.say(f"  {lost} documents lost, {max(0, surplus)} passages too many")
        return lost, max(0, surplus)


class Killed:
    """Processes of one command, one of which is killed now and then and started again."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self._command = [processes.console_script("sightline-app"), *command]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_"))}
        self._env = {**inherited, **env}
        self._log = (folder / f"{command[0]}.log").open("ab")
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start one more."""
        self.running.append(
            subprocess.Popen(self._command, env=self._env, stdout=self._log, stderr=self._log, start_new_session=True)
        )

    def kill_one(self) -> None:
        """SIGKILL to one of them and to its children."""
        victim = self.running.pop(random.randrange(len(self.running)))
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()

    def stop(self) -> None:
        """SIGTERM to all, then SIGKILL."""
        for each in self.running:
            each.terminate()
        for each in self.running:
            try:
                each.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(each.pid, signal.SIGKILL)
                each.wait()
        self._log.close()

    def kill_at_random(self, kills: int) -> None:
        """Kill and start again, so many times, each some moments after a start: while it loads, and while it works."""
        for _ in range(WORKERS):
            self.start()
        for number in range(kills):
            time.sleep(random.uniform(1.0, 7.0))
            self.kill_one()
            self.start()
            backend.say(f"  killed {number + 1} of {kills}")


@contextlib.contextmanager
def coming(send: Callable[[int], None], pause_s: float) -> Iterator[list[int]]:
    """Send documents in a thread; yields the numbers of those that were acknowledged."""
    acknowledged: list[int] = []
    over = threading.Event()

    def run() -> None:
        number = 0
        while not over.wait(pause_s):
            send(number)
            acknowledged.append(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def throughput(index: Index, documents: int) -> dict[str, Any]:
    """Return passages a second in batches, and how many times that is of documents one by one."""
    rates = {}
    for kind, batch in (("warm", 32), ("single", 1), ("batched", 32)):
        settings = replace(index.settings, ingestion=replace(index.settings.ingestion, batch_documents=batch))
        work = DocumentWork(settings, LoadedIndex(settings).target, open_writer)
        count = 4 if kind == "warm" else documents
        for number in range(count):
            content = text_of(kind, number).encode()
            work.folder.accept(new_document("bench", f"{kind}{number}.md", None, content), content, 10**6)
        began = time.perf_counter()
        for document in work.folder.pending():
            work.do(document)
        took_s = time.perf_counter() - began
        stored = [each for each in work.folder.documents("bench") if each.name.startswith(kind)]
        assert all(each.state is State.STORED for each in stored), stored
        rates[kind] = sum(each.passages for each in stored) / took_s
        backend.say(f"  {kind}: {rates[kind]:.0f} passages a second")
    return {
        "ingest_passages_per_s": round(rates["batched"]),
        "batched_vs_single": round(rates["batched"] / rates["single"], 2),
    }


def celery(stack: contextlib.ExitStack, folder: Path, env: Mapping[str, str], kills: int) -> dict[str, Any]:
    """Upload while workers are killed."""
    if find_server() is None:
        backend.say("no Redis here: the Celery part is left out")
        return {"celery_lost": None, "celery_doubled": None}
    port = processes.free_port()
    redis = {"SIGHTLINE_REDIS_PORT": str(port), "SIGHTLINE_REDIS_DATA_DIR": str(folder / "redis")}
    command = [processes.console_script("sightline-redis")]
    ready = processes.port_open(port)
    stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "redis.log", env=redis))
    env = {**env, "SIGHTLINE_APP_BROKER_URL": f"redis://127.0.0.1:{port}/1", "SIGHTLINE_APP_UPLOAD_WAIT_S": "0"}
    env |= {"SIGHTLINE_APP_STATE": "process", "SIGHTLINE_APP_UPLOAD_MAX_DOCUMENTS": "100000"}
    app = backend.app(stack, folder, "app", env)
    index = Index(env)
    before = index.count()
    workers = Killed(["worker"], env, folder)

    def send(number: int) -> None:
        body = {"name": f"{number}.md", "text": text_of("celery", number)}
        answer = httpx.post(f"{app.url}/v1/documents", json=body, headers={"x-tenant-id": "celery"}, timeout=60)
        assert answer.status_code == 202, answer.text

    try:
        with coming(send, 0.15) as acknowledged:
            workers.kill_at_random(kills)
        backend.say(f"  {len(acknowledged)} uploads were acknowledged")
        ids = [document_id("celery", text_of("celery", number).encode()) for number in acknowledged]
        lost, doubled = index.lost_and_doubled("celery", ids, before)
    finally:
        workers.stop()
    return {"celery_lost": lost, "celery_doubled": doubled}


def kafka(stack: contextlib.ExitStack, folder: Path, env: Mapping[str, str], kills: int) -> dict[str, Any]:
    """Send messages while members of the group are killed."""
    if why := scale_peers.why_no_kafka():
        backend.say(f"{why}: the Kafka part is left out")
        return {"kafka_lost": None, "kafka_doubled": None}
    from kafka import KafkaAdminClient, KafkaProducer
    from kafka.admin import NewTopic

    place = folder / "kafka"
    place.mkdir()
    broker = stack.enter_context(scale_peers.Broker(place))
    env = {**env, "SIGHTLINE_APP_KAFKA_SERVERS": broker.address, "SIGHTLINE_APP_UPLOAD_MAX_DOCUMENTS": "100000"}
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics([NewTopic(name="documents", num_partitions=4, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all")
    index = Index(env)
    before = index.count()
    members = Killed(["consume"], env, folder)

    def send(number: int) -> None:
        body = {"tenant": "kafka", "name": f"{number}.md", "text": text_of("kafka", number)}
        producer.send("documents", json.dumps(body).encode()).get(timeout=60)

    try:
        with coming(send, 0.15) as acknowledged:
            members.kill_at_random(kills)
        backend.say(f"  {len(acknowledged)} messages were acknowledged")
        ids = [document_id("kafka", text_of("kafka", number).encode()) for number in acknowledged]
        lost, doubled = index.lost_and_doubled("kafka", ids, before)
    finally:
        members.stop()
        producer.close()
    return {"kafka_lost": lost, "kafka_doubled": doubled}


def temporal(stack: contextlib.ExitStack, folder: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """Embed all again, with another embedding, by a worker that is killed on the way."""
    if why := scale_peers.why_no_temporal():
        backend.say(f"{why}: the Temporal part is left out")
        return {"temporal_resumed": None}
    place = folder / "temporal"
    place.mkdir()
    server = stack.enter_context(scale_peers.Temporal(place))
    env = {**env, "SIGHTLINE_APP_TEMPORAL_ADDRESS": server.address, "SIGHTLINE_EMBEDDING": "lexical"}
    index = Index(env)
    old, count = read_manifest(index.settings.data_dir), index.count()
    workers = Killed(["reembed", "--worker"], env, folder)

    def status() -> dict[str, Any]:
        command = [processes.console_script("sightline-app"), "reembed", "--status"]
        said = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(said.stdout)
        return found

    begin = [processes.console_script("sightline-app"), "reembed", "--detach", "--batch", "100"]
    try:
        subprocess.run(begin, env={**os.environ, **env}, check=True, capture_output=True)
        workers.start()
        seen = _until(status, lambda told: told.get("embedded", 0) > 0)
        workers.kill_one()
        backend.say(f"  killed the worker after {seen['embedded']} of {seen['passages']} passages")
        was_in_the_middle = seen["status"] == "running"
        workers.start()
        done = _until(status, lambda told: told["status"] != "running")
    finally:
        workers.stop()
    new = read_manifest(index.settings.data_dir)
    has_switched = new.version == done["version"] != old.version and index.count() == count
    return {"temporal_resumed": was_in_the_middle and done["state"] == "done" and has_switched}


def tune(env: Mapping[str, str], arguments: Sequence[str]) -> dict[str, Any]:
    """Return what `sightline-app tune` chooses on the passages that were ingested."""
    command = [processes.console_script("sightline-app"), "tune", "--json", "--no-charts", "--no-send", *arguments]
    said = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if not said.stdout:  # it failed; where no index reaches the target, it says what it measured
        backend.say(f"nothing was tuned: {said.stderr[-2000:]}")
        return {"tune": None}
    told = json.loads(said.stdout.splitlines()[-1])
    return {"tune": {"recall_target": told["recall_target"], "chosen": told["chosen"]}}


def _until(ask: Callable[[], dict[str, Any]], is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + SETTLED_S
    while True:
        told = ask()
        if is_enough(told):
            return told
        if time.monotonic() > deadline:
            raise RuntimeError(f"Temporal: {told}")
        time.sleep(2.0)


def main() -> None:
    """Run all parts and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="kills of each part; default 20")
    parser.add_argument("--documents", type=int, default=400, metavar="N", help="documents of the throughput")
    parser.add_argument("--seed", type=int, default=1, help="fixes the moments of the kills; default 1")
    parser.add_argument("--tune", default="", metavar="ARGUMENTS", help="more arguments of `sightline-app tune`")
    parser.add_argument(
        "--parts", default=",".join(_PARTS), help="default: %(default)s; of the others the last result is kept"
    )
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(_PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(_PARTS)}")
    random.seed(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="sightline-ingestion-"))
    result: dict[str, Any] = {"bench": "backend", **_kept(), "kills": options.kills}
    try:
        with contextlib.ExitStack() as stack:
            env = backend.start(stack, folder)
            backend.ingest(env)
            of_parts: dict[str, Callable[[], dict[str, Any]]] = {
                "throughput": lambda: throughput(Index(env), options.documents),
                "celery": lambda: celery(stack, folder, env, options.kills),
                "kafka": lambda: kafka(stack, folder, env, options.kills),
                "temporal": lambda: temporal(stack, folder, env),
                "tune": lambda: tune(env, options.tune.split()),
            }
            for part in _PARTS:
                if part in parts:
                    backend.say(part)
                    result |= of_parts[part]()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results.keep(result)


def _kept() -> dict[str, Any]:
    """Return what was found before."""
    file = results.RESULTS / "backend.json"
    return dict(json.loads(file.read_text())["result"]) if file.exists() else {}


if __name__ == "__main__":
    main()
