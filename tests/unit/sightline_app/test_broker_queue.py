"""Documents behind a broker: which messages are sent, which again, and which are not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from amqp.exceptions import MessageNacked

from sightline_app.errors import BrokerUnavailable, InvalidSetting, MissingExtra
from sightline_app.ingestion import broker_queue, worker
from sightline_app.ingestion.broker_queue import BrokerQueue
from sightline_app.ingestion.celery_app import TASK, Publisher, make_app
from sightline_app.ingestion.document import Document, State, new_document
from sightline_app.ingestion.work import Later
from sightline_app.settings import AppSettings, IngestionSettings


class Broker:
    """Keeps the messages; a test can stop it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.away = False
        self.messages = 1

    def send(self, tenant: str, document: str) -> None:
        """Take a message."""
        if self.away:
            raise BrokerUnavailable("the broker does not answer")
        self.sent.append(document)

    def waiting(self) -> int:
        """Messages that no worker has."""
        if self.away:
            raise BrokerUnavailable("the broker does not answer")
        return self.messages

    def until(self, count: int) -> list[str]:
        """Wait for so many messages."""
        deadline = time.monotonic() + 30
        while len(self.sent) < count:
            assert time.monotonic() < deadline, self.sent
            time.sleep(0.005)
        return self.sent


@pytest.fixture(name="broker")
def _broker() -> Broker:
    return Broker()


@pytest.fixture(name="queue")
def _queue(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerQueue]:
    monkeypatch.setattr(broker_queue, "LOOK_S", 0.0)
    monkeypatch.setattr(broker_queue, "_LOOK_SHARE", 0)
    queue = BrokerQueue(AppSettings(data_dir=tmp_path), broker)
    yield queue
    asyncio.run(queue.close()) if queue._thread.is_alive() else None


def accept(queue: BrokerQueue, text: str = "Words.") -> Document:
    """Take an upload."""
    content = text.encode()
    return asyncio.run(queue.accept(new_document("acme", "a.md", None, content), content))[0]


def test_upload_and_deletion_send_one_message_each(queue: BrokerQueue, broker: Broker) -> None:
    """At once, and not again at the next looks; the same upload again sends none."""
    queue.start()
    document = accept(queue)
    assert broker.until(1) == [document.id]
    accept(queue)
    asyncio.run(queue.delete(document))
    assert broker.until(2) == [document.id] * 2


def test_broker_that_is_away_loses_no_upload(queue: BrokerQueue, broker: Broker) -> None:
    """The document is kept, the queue says why it waits, and sends the message when the broker is back."""
    broker.away = True
    document = accept(queue)
    assert queue._look() == "the broker does not answer"
    assert queue._look() == "the broker does not answer"
    broker.away = False
    assert queue._look() == ""
    assert broker.sent == [document.id]
    assert queue.waiting == 1


def test_documents_of_before_a_restart_are_sent(tmp_path: Path, queue: BrokerQueue, broker: Broker) -> None:
    """A process that ended left them marked; one that a worker is busy with is not sent."""
    one, two = accept(queue, "one"), accept(queue, "two")
    again = BrokerQueue(AppSettings(data_dir=tmp_path), broker)
    with again.folder.claimed(one):
        again._look()
    assert broker.sent == [two.id]


def test_document_whose_worker_is_gone_is_sent_again_soon(
    queue: BrokerQueue, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while a worker holds it, and not before its wait is over where it is to be tried again."""
    monkeypatch.setattr(broker_queue, "_ABANDONED_S", 0.0)
    document = accept(queue)
    queue._look()
    queue._look()
    assert len(broker.sent) == 1  # nobody began: its message waits in the broker
    queue.folder.update(replace(document, state=State.EMBEDDING, attempts=1))
    with queue.folder.claimed(document):
        queue._look()
    assert len(broker.sent) == 1
    queue._look()
    assert len(broker.sent) == 2
    waiting = replace(document, state=State.EMBEDDING, error="away; it is tried again", retry_at=time.time() + 3600)
    queue.folder.update(waiting)
    queue._look()
    assert len(broker.sent) == 2


@pytest.mark.parametrize(
    ("messages", "steps"),
    [
        (7, ((29, 1), (31, 2), (90, 2), (92, 3), (211, 3), (213, 4))),
        (0, ((1.9, 1), (2.1, 2), (6, 2), (6.2, 3), (14.1, 3), (14.3, 4))),
    ],
)
def test_message_that_nobody_began_is_sent_again_after_growing_waits(
    queue: BrokerQueue,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    messages: int,
    steps: tuple[tuple[float, int], ...],
) -> None:
    """A long queue may still hold it; where the broker holds none, it was lost or is held by a busy worker."""
    broker.messages = messages
    accept(queue)
    queue._look()
    moment = time.monotonic()
    monkeypatch.setattr(broker_queue.time, "monotonic", lambda: moment)
    for passed, sent in steps:
        monkeypatch.setattr(broker_queue.time, "monotonic", lambda passed=passed: moment + passed)
        queue._look()
        assert len(broker.sent) == sent, passed


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_celery_is_set_so_that_a_killed_worker_loses_nothing(url: str) -> None:
    """Late acknowledgement, durable and confirmed messages, JSON only, and a visibility above the longest task."""
    app = make_app(IngestionSettings(broker_secret_url=url, task_limit_s=100), lambda task, tenant, document: None)
    conf = app.conf
    assert TASK in app.tasks
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier) == (True, True, 1)
    assert list(conf.accept_content) == ["json"]
    assert (conf.task_soft_time_limit, conf.task_time_limit) == (100, 130)
    if url.startswith("redis"):
        assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit
    else:
        assert conf.broker_transport_options["confirm_publish"]
        assert app.amqp.queues[conf.task_default_queue].durable
        assert conf.task_default_delivery_mode == 2  # persistent
    assert conf.task_ignore_result


@pytest.mark.parametrize("refusal", [MessageNacked(), TimeoutError()])
def test_message_that_is_not_confirmed_was_not_sent(monkeypatch: pytest.MonkeyPatch, refusal: Exception) -> None:
    """RabbitMQ refuses one, or is out of memory and says nothing."""
    publisher = Publisher(IngestionSettings(broker_secret_url="amqp://127.0.0.1:1//"))
    monkeypatch.setattr(publisher._task, "apply_async", Mock(side_effect=refusal))
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        publisher.send("acme", "a-document")


def test_broker_without_celery_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation of the app alone has no Celery."""
    monkeypatch.setitem(__import__("sys").modules, "celery", None)
    with pytest.raises(MissingExtra, match=r"sightline-platform\[workers\]"):
        make_app(IngestionSettings(broker_secret_url="redis://127.0.0.1:1/0"), lambda *_: None)


@pytest.mark.parametrize("url", ["http://a", "redis:/x", "127.0.0.1:6379"])
def test_address_of_another_kind_is_refused(url: str) -> None:
    """The message names the variable, and not what may hold a password."""
    with pytest.raises(ValueError, match="SIGHTLINE_APP_BROKER_URL") as refused:
        make_app(IngestionSettings.from_env({"SIGHTLINE_APP_BROKER_URL": url}), lambda *_: None)
    assert url not in str(refused.value)


class Again(Exception):
    """What Celery raises for a message that is to come again."""


class Task:
    """A message on its way: how often it came, and after how many seconds it comes again."""

    def __init__(self, retries: int = 0) -> None:
        self.request = SimpleNamespace(retries=retries)
        self.countdown = 0.0

    def retry(self, countdown: float, exc: Exception | None = None) -> Again:
        """Let it come again."""
        del exc
        self.countdown = countdown
        return Again()


@pytest.mark.parametrize(
    ("ends", "retries", "least_s", "most_s"),
    [
        (None, 0, 0, 0),
        (Later("broke off", 7.0), 3, 7, 7),
        (Later("weaviate does not answer"), 3, 4, 8),
        (Later("weaviate does not answer"), 50, 10, 20),
        (Later(""), 50, 1, 1),
        (OSError(28, "No space left on device"), 0, 0.5, 1),
        (InvalidSetting("SIGHTLINE_EMBEDDING", "x", "needs y"), 0, 0.5, 1),
    ],
)
def test_message_comes_again_where_that_can_help(
    tmp_path: Path, ends: Later | Exception | None, retries: int, least_s: float, most_s: float
) -> None:
    """After the wait of the document; with growing waits while a server is away; soon while an ingest runs."""
    settings = AppSettings(data_dir=tmp_path, ingestion=IngestionSettings(longest_wait_s=20))
    content = b"Words."
    document = new_document("acme", "a.md", None, content)
    tasks = worker.DocumentTasks(settings)
    work = tasks.work()
    work.folder.accept(document, content, 10)
    work.do = Mock(side_effect=[ends])  # type: ignore[method-assign]
    task = Task(retries)
    if ends is None:
        tasks.do(task, "acme", document.id)
    else:
        with pytest.raises(Again):
            tasks.do(task, "acme", document.id)
    assert least_s <= task.countdown <= most_s


def test_message_of_a_document_that_is_gone_ends(tmp_path: Path) -> None:
    """It was deleted, or its data folder is another one."""
    worker.DocumentTasks(AppSettings(data_dir=tmp_path)).do(Task(), "acme", "0f4a8c1e-6b7d-5e2f-9a3b-1c2d3e4f5a6b")
