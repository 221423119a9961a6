"""`sightline-app consume`: index the documents of a Kafka topic until a signal."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Observation

import sightline
from sightline_app.errors import InvalidSetting
from sightline_app.index import open_writer
from sightline_app.ingestion.dead_letters import DeadLetters
from sightline_app.ingestion.kafka_source import KafkaSource
from sightline_app.ingestion.loaded_index import LoadedIndex
from sightline_app.ingestion.work import DocumentWork
from sightline_app.scaling.signals import scale_signals
from sightline_app.settings import AppSettings

SERVICE = "rag-consumer"
"""`service.name` of its spans and metrics."""
LAG_METRIC = "sightline_app.kafka.lag"


def run(settings: AppSettings, options: argparse.Namespace) -> int:
    """Read until a signal."""
    del options
    if settings.ingestion.kafka_servers is None:
        raise InvalidSetting("SIGHTLINE_APP_KAFKA_SERVERS", "", "set it, such as 127.0.0.1:9092")
    tracing = sightline.configure(service_name=SERVICE, capture=settings.capture)
    signals = scale_signals(tracing)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    work = DocumentWork(settings, LoadedIndex(settings).target, open_writer, stopping.is_set)
    source = KafkaSource(settings, work, DeadLetters(settings.data_dir), stopping)

    def lag(_: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(
                messages, {"messaging.destination.name": topic, "messaging.destination.partition.id": str(part)}
            )
            for (topic, part), messages in source.lag().items()
        ]

    signals.meter.create_observable_gauge(LAG_METRIC, [lag], "{message}", "Messages that are not stored yet")
    try:
        source.run()
    finally:
        signals.close()
        tracing.force_flush(5.0)
        tracing.shutdown()
    return 0
