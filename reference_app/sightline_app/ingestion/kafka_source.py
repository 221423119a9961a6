"""Reads documents from a topic of Kafka, as a member of a consumer group, at least once.

An offset is committed when everything before it is stored or is a dead letter, and on the disk. A consumer that is
killed, or loses its partitions, leaves the rest to the next one, which reads some messages again: their documents are
stored already, or claimed, and nothing is doubled (`work`). While the vector store is away, the partitions are paused:
the consumer stays in its group, and reads no further.

Source: https://kafka.apache.org/documentation/#semantics
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import sightline
from sightline_app.errors import BrokerUnavailable, MissingExtra, RequestRefused, UploadsUnavailable
from sightline_app.ingestion import retrying
from sightline_app.ingestion.dead_letters import DeadLetters, Message
from sightline_app.ingestion.document import Document
from sightline_app.ingestion.indexing import DOCUMENT_BYTES, DOCUMENT_ID, DOCUMENT_TYPE, STAGE
from sightline_app.ingestion.kafka_message import Record, Unreadable, document_of, text_headers
from sightline_app.ingestion.work import LOCKED_S, DocumentWork
from sightline_app.settings import AppSettings, IngestionSettings

_POLL_MS = 200
_MOST_RECORDS = 64
_LAG_EVERY_S, _LOG_EVERY_S = 2.0, 30.0
_CONNECT_S = 3.0
_PROPAGATOR = TraceContextTextMapPropagator()
_log = logging.getLogger("sightline.app")

Partition = tuple[str, int]


class KafkaSource:
    """A member of the group.

    Args:
        settings: addresses, topic and group.
        work: stores documents.
        letters: take what is no document.
        stopping: set to let it end after the batch that it is busy with.
    """

    def __init__(
        self, settings: AppSettings, work: DocumentWork, letters: DeadLetters, stopping: threading.Event
    ) -> None:
        self._settings = settings
        self._work = work
        self._letters = letters
        self._stopping = stopping
        self._consumer: Any = None
        self._lag: Mapping[Partition, int] = {}
        self._next_lag = self._next_log = 0.0

    def lag(self) -> Mapping[Partition, int]:
        """Return how many messages of each partition that is read here are not committed, as of some seconds ago."""
        return self._lag

    def run(self) -> None:
        """Read until it is stopped; brokers that are away are waited for.

        Raises:
            MissingExtra: kafka-python is not installed.
        """
        away: tuple[type[Exception], ...] = (_kafka().errors.KafkaError, OSError, BrokerUnavailable, UploadsUnavailable)
        failures = 0
        while not self._stopping.is_set():
            try:
                self._consumer = open_consumer(self._settings.ingestion)
                self._consumer.subscribe([self._settings.ingestion.kafka_topic])
                while not self._stopping.is_set():
                    self._take(self._consumer.poll(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS))
                    failures = 0
                    self._look_at_lag()
            except away as exc:
                failures += 1
                if failures == 1:
                    _log.warning("Kafka or the disk is away: %s: %s", type(exc).__name__, exc)
                self._stopping.wait(retrying.delay_s(failures, 30.0))
            finally:
                self._close()

    def _close(self) -> None:
        self._lag = {}
        if self._consumer is not None:
            try:
                self._consumer.close(autocommit=False, timeout_ms=3000)
            except _kafka().errors.KafkaError as exc:
                _log.info("the consumer left without saying so: %s", exc)
            self._consumer = None

    def _take(self, polled: Mapping[Any, Sequence[Record]]) -> None:
        """Store what was read, then commit it."""
        records = [record for found in polled.values() for record in found]
        if not records:
            return
        documents = [found for record in records if (found := self._accept(record)) is not None]
        if self._store(documents):
            self._commit(records)

    def _accept(self, record: Record) -> Document | None:
        """Put the document of a message into the folder of uploads; None for what became a dead letter."""
        token = otel_context.attach(_PROPAGATOR.extract(text_headers(record), otel_context.Context()))
        try:
            with sightline.trace(f"{record.topic} process", stage=STAGE, capture="recorded"):
                sightline.annotate(_attributes(record, self._settings.ingestion.kafka_group))
                return self._keep(record)
        except (Unreadable, RequestRefused):
            return None
        finally:
            otel_context.detach(token)

    def _keep(self, record: Record) -> Document:
        """Keep a document, or the message as a dead letter.

        Raises:
            Unreadable, RequestRefused: it is a dead letter.
        """
        try:
            document, content = document_of(record, self._settings.uploads.max_bytes)
            sightline.identify(tenant=document.tenant)
            told = {DOCUMENT_ID: document.id, DOCUMENT_TYPE: document.media_type}
            sightline.annotate({**told, DOCUMENT_BYTES: document.size_bytes})
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            document = replace(document, traceparent=carrier.get("traceparent", ""))
            return self._work.folder.accept(document, content, self._settings.uploads.max_documents) or document
        except (Unreadable, RequestRefused) as exc:
            self._give_up(record, str(exc))
            raise

    def _give_up(self, record: Record, error: str) -> None:
        place = (record.topic, record.partition, record.offset)
        letter = Message(*place, record.key, record.value, list(record.headers), error, time.time())
        self._letters.keep(letter)
        sightline.annotate({"sightline_app.dead_letter": letter.id})
        _log.warning("%s is a dead letter: %s", letter.source, error)

    def _store(self, documents: Sequence[Document]) -> bool:
        """Wait until nothing is left to do for the documents; False where this consumer stops before."""
        failures = 0
        left = list(documents)
        while not self._stopping.is_set():
            why, wait_s = "", LOCKED_S
            for document in left:
                later = self._work.do(document)
                if later is not None and later.why:
                    why, wait_s = later.why, max(wait_s, later.after_s)
                    if not later.after_s:
                        break  # the store is away: so it is for the others
            left = [each for each in left if not self._is_settled(each)]
            if not left:
                return True
            if why:
                failures += 1
                if failures == 1:
                    _log.warning("messages wait: %s", why)
                wait_s = max(wait_s, retrying.delay_s(failures, self._settings.ingestion.longest_wait_s))
            self._wait(wait_s)
        return False

    def _is_settled(self, document: Document) -> bool:
        found = self._work.folder.find(document.tenant, document.id)
        return found is None or found.state.is_settled

    def _wait(self, wait_s: float) -> None:
        """Wait as a member of the group that reads nothing."""
        until = time.monotonic() + wait_s
        while not self._stopping.is_set() and time.monotonic() < until:
            paused = self._consumer.assignment()
            self._consumer.pause(*paused)
            for partition, records in self._consumer.poll(timeout_ms=_POLL_MS).items():
                self._consumer.seek(partition, records[0].offset)  # of a partition that came just now
            self._stopping.wait(min(LOCKED_S, max(0.0, until - time.monotonic())))
        self._consumer.resume(*self._consumer.paused())

    def _commit(self, records: Iterable[Record]) -> None:
        kafka = _kafka()
        lost = kafka.errors.CommitFailedError, kafka.errors.RebalanceInProgressError, kafka.errors.IllegalStateError
        mine = self._consumer.assignment()
        offsets: dict[Any, Any] = {}
        for record in records:
            partition = kafka.TopicPartition(record.topic, record.partition)
            if partition in mine:
                offsets[partition] = kafka.structs.OffsetAndMetadata(record.offset + 1, "", -1)
        try:
            if offsets:
                self._consumer.commit(offsets)
        except lost as exc:
            _log.info("the partitions went to another member, which reads the last messages again: %s", exc)

    def _look_at_lag(self) -> None:
        now = time.monotonic()
        if now < self._next_lag:
            return
        self._next_lag = now + _LAG_EVERY_S
        mine = list(self._consumer.assignment())
        ends = self._consumer.end_offsets(mine) if mine else {}
        self._lag = {
            (each.topic, each.partition): max(0, end - (self._consumer.position(each) or 0))
            for each, end in ends.items()
        }
        if now >= self._next_log and any(self._lag.values()):
            self._next_log = now + _LOG_EVERY_S
            _log.info("%d messages behind in %d partitions", sum(self._lag.values()), len(self._lag))


def open_consumer(settings: IngestionSettings) -> Any:
    """Return a consumer that commits only what it is told to.

    Raises:
        MissingExtra: kafka-python is not installed.
        BrokerUnavailable: no broker listens.
        KafkaError: no broker answers.
    """
    kafka = _kafka()
    _check_listening(settings)
    return kafka.KafkaConsumer(
        bootstrap_servers=_servers(settings),
        group_id=settings.kafka_group,
        client_id="sightline-app",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=_MOST_RECORDS,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2000,
        reconnect_backoff_max_ms=5000,
    )


def send_again(settings: IngestionSettings, message: Message) -> None:
    """Send a dead letter to its topic again, with its key and headers.

    Raises:
        BrokerUnavailable: no broker took it.
        MissingExtra: kafka-python is not installed.
    """
    kafka = _kafka()
    try:
        producer = kafka.KafkaProducer(bootstrap_servers=_servers(settings), client_id="sightline-app")
        try:
            sent = producer.send(message.topic, value=message.value, key=message.key, headers=message.headers)
            sent.get(timeout=30)
        finally:
            producer.close(timeout=5)
    except kafka.errors.KafkaError as exc:
        raise BrokerUnavailable(f"Kafka at {settings.kafka_servers} did not take it: {exc}") from exc


def _check_listening(settings: IngestionSettings) -> None:
    """Find a broker that listens: where none does, the client's own attempt leaves its sockets open.

    Raises:
        BrokerUnavailable: none does.
    """
    for server in _servers(settings):
        host, _, port = server.rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), _CONNECT_S):
            return
    raise BrokerUnavailable(f"no broker listens at SIGHTLINE_APP_KAFKA_SERVERS={settings.kafka_servers}")


def _kafka() -> Any:
    try:
        import kafka  # noqa: PLC0415
        import kafka.errors  # noqa: PLC0415
    except ImportError as exc:
        raise MissingExtra("SIGHTLINE_APP_KAFKA_SERVERS", "set", "workers") from exc
    return kafka


def _servers(settings: IngestionSettings) -> list[str]:
    return (settings.kafka_servers or "").split(",")


def _attributes(record: Record, group: str) -> dict[str, object]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.consumer.group.name": group,
        "messaging.operation.type": "process",
    }
