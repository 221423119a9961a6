"""Uploads behind a real broker: Celery workers as processes of their own, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from chat_app import NoTracing, Served
from client_peers import RabbitMQ
from ingested_place import ACME, IngestedPlace, text_of
from span_receiver import SpanReceiver

import sightline
from sightline.testing import Spans
from sightline_app.api import create_app
from sightline_app.ingestion.celery_app import TASK
from sightline_app.ingestion.document import State
from sightline_app.ingestion.indexing import PASSAGES
from sightline_roles.host_gate import HostGate

if TYPE_CHECKING:
    from redis_place import RedisPlace
    from weaviate_place import Place

COUNT = 14


class Worker:
    """`sightline-app worker` in a session of its own."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        script = Path(sys.executable).with_name("sightline-app")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_"))}
        self._log = log
        with log.open("ab") as out:
            command = [str(script), "worker", "--name", log.stem]
            self.process = subprocess.Popen(
                command, env=inherited | env, stdout=out, stderr=out, start_new_session=True
            )

    def kill(self) -> None:
        """End it and its children as a crash would: kill -9."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it as a supervisor would."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-4000:]


@pytest.fixture(scope="module", name="receiver")
def _receiver() -> Iterator[SpanReceiver]:
    receiver = SpanReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(name="broker", params=["redis", "rabbitmq"])
def _broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a broker."""
    if request.param == "redis":
        place: RedisPlace = request.getfixturevalue("redis_place")
        yield place.url
        return
    if missing := RabbitMQ.missing():
        pytest.skip(f"!!! SKIPPED: {missing}")
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    with RabbitMQ(folder) as server:
        yield server.url


@pytest.fixture(name="uploads")
def _uploads(spans: Spans) -> Iterator[Spans]:
    """Spans of this process; Celery hands their trace on."""
    yield spans
    sightline.uninstrument()


def upload(url: str, text: str) -> str:
    """Upload a document, which is not indexed yet, and return its id."""
    answer = httpx.post(f"{url}/v1/documents", json={"name": "a.md", "text": text}, headers=ACME, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_killed_worker_loses_no_upload_and_doubles_none(
    weaviate_place: Place,
    broker: str,
    receiver: SpanReceiver,
    uploads: Spans,
    tmp_path: Path,
) -> None:
    """Each document is stored once, in one trace from its upload to its insert, whichever process did it."""
    place = IngestedPlace(tmp_path, weaviate_place, f"Celery{broker[:4]}", broker_secret_url=broker)
    before = place.stored()
    served = Served(HostGate(create_app(place.settings, NoTracing()), place.settings))
    env = place.env(receiver.url, SIGHTLINE_APP_BROKER_URL=broker)
    workers = [Worker(env, tmp_path / f"worker{number}.log") for number in (1, 2)]
    try:
        ids = [upload(served.url, text_of(number)) for number in range(COUNT)]
        bad = upload(served.url, "# Title")
        receiver.until(lambda spans: any(each.name == "document.insert" for each in spans))
        workers[0].kill()
        documents = place.until_settled("acme", [*ids, bad])
        last = upload(served.url, text_of(COUNT))
        place.until_settled("acme", [last])
        assert workers[1].stop() == 0, workers[1].tail()
    except BaseException:
        sys.stderr.write("\n".join(each.tail() for each in workers))
        raise
    finally:
        for each in workers:
            each.stop()
        served.stop()
    assert [each.state for each in documents] == [State.STORED] * COUNT + [State.FAILED]
    assert {place.stored(each) for each in (*ids, last)} == {2}
    assert place.stored() == before + 2 * (COUNT + 1)
    _check_traces([each.context.trace_id for each in uploads if each.name == "document.upload"], receiver)


def _check_traces(uploads: list[int], receiver: SpanReceiver) -> None:
    """What workers did goes on with the trace of an upload; of one that stopped, the last span is there."""
    inserts = [each for each in receiver.spans if each.name == "document.insert"]
    assert {each.trace_id for each in inserts} <= set(uploads)
    assert {each.attributes[PASSAGES] for each in inserts} == {2}
    last = {each.name for each in receiver.spans if each.trace_id == uploads[-1]}
    assert {"document.parse", "document.insert", f"run/{TASK}"} <= last
    for batch in (each for each in receiver.spans if each.name == "documents.batch"):
        assert len(batch.links) > 1
        assert set(batch.links) <= set(uploads)
