"""Documents from a real Kafka: members of a group that come and go, messages that are none, a broker that is late."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ingested_place import IngestedPlace, text_of
from scale_peers import Broker, why_no_kafka

from sightline.testing import Spans
from sightline_app.index import open_writer
from sightline_app.ingestion.dead_letters import DeadLetters
from sightline_app.ingestion.document import State, document_id
from sightline_app.ingestion.kafka_source import KafkaSource, open_consumer, send_again
from sightline_app.ingestion.loaded_index import LoadedIndex
from sightline_app.ingestion.work import DocumentWork
from sightline_app.settings import AppSettings

if TYPE_CHECKING:
    from weaviate_place import Place

# kafka-python reads its own message schemas in a way that Python 3.11 deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning")

TOPIC = "documents"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C
COUNT = 24


class Member:
    """A consumer in a thread."""

    def __init__(self, settings: AppSettings) -> None:
        self._stopping = threading.Event()
        work = DocumentWork(settings, LoadedIndex(settings).target, open_writer, self._stopping.is_set)
        self.letters = DeadLetters(settings.data_dir)
        self.source = KafkaSource(settings, work, self.letters, self._stopping)
        self._thread = threading.Thread(target=self.source.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let it leave the group."""
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


class Topic:
    """What a producer sends."""

    def __init__(self, address: str) -> None:
        import kafka
        from kafka.admin import NewTopic

        admin = kafka.KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics([NewTopic(name=TOPIC, num_partitions=2, replication_factor=1)])
        admin.close()
        self._producer = kafka.KafkaProducer(bootstrap_servers=address)
        self.sent = 0
        """Messages that the broker has."""

    def send(self, value: bytes, partition: int, trace: int = 0) -> int:
        """Send a message and return its offset."""
        headers = [("traceparent", f"00-{trace:032x}-b7ad6b7169203331-01".encode())] if trace else []
        offset: int = self._producer.send(TOPIC, value, partition=partition, headers=headers).get(timeout=30).offset
        self.sent += 1
        return offset

    def close(self) -> None:
        """Let go of the connections."""
        self._producer.close()


def message(number: int) -> bytes:
    """A document as a message."""
    return json.dumps({"tenant": "acme", "name": f"{number}.md", "text": text_of(number)}).encode()


def committed(settings: AppSettings) -> int:
    """With how many messages of both partitions the group is done."""
    from kafka.structs import TopicPartition

    consumer: Any = open_consumer(settings.ingestion)
    try:
        return sum(consumer.committed(TopicPartition(TOPIC, number)) or 0 for number in (0, 1))
    finally:
        consumer.close(autocommit=False)


@pytest.fixture(name="broker")
def _broker(tmp_path: Path) -> Iterator[Broker]:
    if why_no_kafka():
        pytest.skip(f"!!! SKIPPED: {why_no_kafka()}")
    folder = tmp_path / "kafka"
    folder.mkdir()
    broker = Broker(folder)
    yield broker
    broker.__exit__()


def test_messages_become_documents_once_whoever_reads_them(
    weaviate_place: Place, broker: Broker, spans: Spans, tmp_path: Path
) -> None:
    """A member waits for the broker, shares its partitions with another one, and leaves; nothing is lost or doubled."""
    place = IngestedPlace(tmp_path, weaviate_place, "Kafka", kafka_servers=broker.address, batch_documents=4)
    before = place.stored()
    first = Member(place.settings)  # before there is a broker
    members = [first]
    broker.__enter__()
    topic = Topic(broker.address)
    try:
        ids = [document_id("acme", text_of(number).encode()) for number in range(COUNT)]
        for number in range(COUNT // 2):
            topic.send(message(number), number % 2, TRACE if number == 0 else 0)
        bad = topic.send(b"\xff no document", 1)
        place.until_settled("acme", ids[:1])
        members.append(Member(place.settings))
        for number in range(COUNT // 2, COUNT):
            topic.send(message(number), number % 2)
            topic.send(message(number - COUNT // 2), number % 2)  # and everything a second time
        place.until_settled("acme", ids[: COUNT // 2])
        first.stop()
        documents = place.until_settled("acme", ids)
        (letter,) = members[1].letters.all()
        send_again(place.settings.ingestion, letter.what)  # type: ignore[arg-type]
        members[1].letters.drop(letter)
        deadline = time.monotonic() + 60
        while committed(place.settings) < topic.sent + 1:
            assert time.monotonic() < deadline
        (again,) = members[1].letters.all()
    finally:
        for each in members:
            each.stop()
        topic.close()
    assert {each.state for each in documents} == {State.STORED}
    assert place.stored() == before + 2 * COUNT
    assert {place.stored(each) for each in ids} == {2}
    assert letter.id == f"documents-1-{bad}"
    assert "no JSON" in letter.error
    assert (again.id == letter.id, again.error) == (False, letter.error)
    own = [each.name for each in spans if each.context.trace_id == TRACE]
    assert own[0] == "documents process"
    assert own[-1] == "document.insert"
