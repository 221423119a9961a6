"""Settings of the work behind uploads: the broker, its workers, Kafka and Temporal."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting

_ADDRESSES = re.compile(r"[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*")


@dataclass(frozen=True, kw_only=True)
class IngestionSettings(OwnSettings):
    """How documents reach the index: who works on them, how often something is tried, and further sources."""

    broker_secret_url: str | None = setting(
        "SIGHTLINE_APP_BROKER_URL",
        None,
        "Redis (redis://host:6379/1, rediss://) or RabbitMQ (amqp://user:password@host:5672//, amqps://) between the "
        "app and `sightline-app worker`. Needs the `workers` extra",
        default_text="unset: the app indexes uploads itself, one after the other",
        secret=True,
    )
    queue: str = setting(
        "SIGHTLINE_APP_BROKER_QUEUE",
        "sightline-documents",
        "Queue in the broker; apps that share a broker without sharing a data folder need one each",
    )
    task_limit_s: float = setting(
        "SIGHTLINE_APP_TASK_LIMIT_S",
        900.0,
        "Seconds after which a worker gives a document up for this time; half a minute later its process is ended. "
        "Redis delivers a message again a minute after that",
        at_least=1,
        at_most=86_400,
    )
    attempts: int = setting(
        "SIGHTLINE_APP_INGEST_ATTEMPTS",
        10,
        "How often a document is begun before it becomes a dead letter; one that cannot be read is never begun again, "
        "and waiting for a server that is away does not count",
        at_least=1,
        at_most=1000,
    )
    longest_wait_s: float = setting(
        "SIGHTLINE_APP_INGEST_LONGEST_WAIT_S",
        300.0,
        "Bound of the seconds between two attempts; it begins with one and doubles",
        at_least=1,
        at_most=3600,
    )
    batch_documents: int = setting(
        "SIGHTLINE_APP_INGEST_BATCH",
        32,
        "Documents whose passages are embedded together, where small ones wait; 1 takes each alone",
        at_least=1,
        at_most=64,
    )
    batch_bytes: int = setting(
        "SIGHTLINE_APP_INGEST_BATCH_BYTES",
        200_000,
        "Size of the documents that are taken together, in bytes; a larger one is taken alone",
        at_least=0,
    )
    kafka_servers: str | None = setting(
        "SIGHTLINE_APP_KAFKA_SERVERS",
        None,
        "Addresses of Kafka brokers, host:port with commas between, for `sightline-app consume`. Needs the `workers` "
        "extra",
        check=lambda text: _ADDRESSES.fullmatch(text) is not None,
        need="host:port, with commas between several",
    )
    kafka_topic: str = setting("SIGHTLINE_APP_KAFKA_TOPIC", "documents", "Topic that documents are read from")
    kafka_group: str = setting(
        "SIGHTLINE_APP_KAFKA_GROUP", "sightline-app", "Consumer group; its members share the partitions of the topic"
    )
    temporal_address: str = setting(
        "SIGHTLINE_APP_TEMPORAL_ADDRESS",
        "127.0.0.1:7233",
        "Temporal server for `sightline-app reembed`, host:port. Needs the `temporal` extra",
    )
    temporal_namespace: str = setting("SIGHTLINE_APP_TEMPORAL_NAMESPACE", "default", "Namespace in Temporal")
    temporal_task_queue: str = setting(
        "SIGHTLINE_APP_TEMPORAL_TASK_QUEUE",
        "sightline-app",
        "Task queue in Temporal; apps that share a server without sharing a data folder need one each",
    )
