"""Settings of the store: which ClickHouse, what it reads from Kafka, and how long rows stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sightline_roles.settings import Settings, is_http_url, setting


@dataclass(frozen=True, kw_only=True)
class StoreSettings(Settings):
    """Which ClickHouse to talk to."""

    url: str = setting(
        "SIGHTLINE_STORE_URL",
        "http://127.0.0.1:8123",
        "Address of ClickHouse's HTTP interface; the default is the embedded node on this machine",
        read=lambda text: text.strip().rstrip("/"),
        check=is_http_url,
        need="an address such as http://127.0.0.1:8123",
    )
    database: str = setting(
        "SIGHTLINE_STORE_DATABASE",
        "otel",
        "Database that holds the tables",
        check=lambda name: re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None,
        need="a plain identifier such as otel",
    )
    user: str = setting("SIGHTLINE_STORE_USER", "default", "ClickHouse user")
    password: str = setting("SIGHTLINE_STORE_PASSWORD", "", "That user's password", read=str, secret=True)
    timeout_s: float = setting("SIGHTLINE_STORE_TIMEOUT_S", 60.0, "Seconds that a statement may take", above=0)
    prices_file: Path | None = setting(
        "SIGHTLINE_PRICES_FILE",
        None,
        "File of your own prices (.csv, .toml or .json), which win over those of genai-prices; read by the janitor, "
        "which enters prices into the store",
    )
    local_usd_per_s: float = setting(
        "SIGHTLINE_PRICES_LOCAL_USD_PER_S",
        0.0,
        "USD for each second of a call that is computed on machines of your own (Ollama, vLLM, llama.cpp, ONNX, …) and "
        "whose tokens cost nothing; read by the janitor",
        at_least=0,
    )


@dataclass(frozen=True, kw_only=True)
class KafkaSettings(Settings):
    """Which topics the store itself reads OTLP from: `sightline-store kafka`."""

    brokers: str = setting(
        "SIGHTLINE_KAFKA_BROKERS",
        "",
        "Brokers as host:port, several with commas between",
        default_text="none, nothing is read",
    )
    traces_topic: str = setting(
        "SIGHTLINE_KAFKA_TRACES_TOPIC",
        "otlp_spans",
        "Topic of the spans; a variable set to nothing reads none",
        empty_is_value=True,
    )
    logs_topic: str = setting(
        "SIGHTLINE_KAFKA_LOGS_TOPIC",
        "otlp_logs",
        "Topic of the log records; a variable set to nothing reads none",
        empty_is_value=True,
    )
    metrics_topic: str = setting(
        "SIGHTLINE_KAFKA_METRICS_TOPIC",
        "otlp_metrics",
        "Topic of the metrics; a variable set to nothing reads none",
        empty_is_value=True,
    )
    group: str = setting(
        "SIGHTLINE_KAFKA_GROUP",
        "sightline",
        "Beginning of the consumer groups' names, which end in -traces, -logs and -metrics; their offsets say how far "
        "reading is",
        check=bool,
        need="a name, such as sightline",
    )
    consumers: int = setting(
        "SIGHTLINE_KAFKA_CONSUMERS",
        1,
        "Consumers of a topic, at most as many as its partitions and the store's cores",
        at_least=1,
    )
    flush_interval_ms: int = setting(
        "SIGHTLINE_KAFKA_FLUSH_INTERVAL_MS",
        1000,
        "Milliseconds that messages wait for more before they are stored",
        at_least=1,
    )
    block_messages: int = setting(
        "SIGHTLINE_KAFKA_BLOCK_MESSAGES",
        256,
        "Most messages in one block, which is in memory as a whole",
        at_least=1,
    )
    security_protocol: str = setting(
        "SIGHTLINE_KAFKA_SECURITY_PROTOCOL",
        "",
        "`plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`",
        default_text="the client library's",
    )
    sasl_mechanism: str = setting(
        "SIGHTLINE_KAFKA_SASL_MECHANISM", "", "`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`", default_text="none"
    )
    sasl_username: str = setting("SIGHTLINE_KAFKA_SASL_USERNAME", "", "User at the brokers", default_text="none")
    sasl_password: str = setting(
        "SIGHTLINE_KAFKA_SASL_PASSWORD",
        "",
        "That user's password; it becomes part of the table's definition",
        read=str,
        secret=True,
    )

    def topics(self) -> dict[str, str]:
        """Signal to topic, of the signals that are read."""
        topics = {"traces": self.traces_topic, "logs": self.logs_topic, "metrics": self.metrics_topic}
        return {signal: topic for signal, topic in topics.items() if topic}


@dataclass(frozen=True, kw_only=True)
class RetentionSettings(Settings):
    """How long rows stay."""

    traces_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_TRACES_DAYS",
        0,
        "Days that raw spans stay, with their prompts and answers, and the counts of spans that were sampled out; 0 is "
        "for ever",
        at_least=0,
    )
    content_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_CONTENT_DAYS",
        0,
        "Days after which prompts, messages, answers, passages, queries, inputs and outputs of tools, and explanations "
        "of scores are removed from raw spans, log records and scores, which stay with all else in them; 0 is as long "
        "as these stay",
        at_least=0,
    )
    logs_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_LOGS_DAYS", 0, "Days that raw log records stay; 0 is for ever", at_least=0
    )
    metrics_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_METRICS_DAYS", 0, "Days that metrics stay; 0 is for ever", at_least=0
    )
    typed_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_TYPED_DAYS",
        0,
        "Days that requests, calls, retrievals, stages and errors stay; 0 is for ever. The counts from which lost "
        "spans are computed are kept for each minute as long, then as one row for each process until that process "
        "has been silent for another year",
        at_least=0,
    )
    scores_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_SCORES_DAYS", 0, "Days that scores stay; 0 is for ever", at_least=0
    )
    max_gib: float = setting(
        "SIGHTLINE_STORE_RETENTION_MAX_GIB",
        0.0,
        "Size of all tables but rollups on disk, in GiB, above which the oldest days are dropped, of all signals at "
        "once; today always stays. 0 is no limit",
        at_least=0,
    )
    traces_max_gib: float = setting(
        "SIGHTLINE_STORE_RETENTION_TRACES_MAX_GIB",
        0.0,
        "Size of raw spans on disk, in GiB, above which their oldest days are dropped, and no others; today always "
        "stays. 0 is no limit of their own",
        at_least=0,
    )
    typed_max_gib: float = setting(
        "SIGHTLINE_STORE_RETENTION_TYPED_MAX_GIB",
        0.0,
        "Size of requests, calls, retrievals, stages, errors and scores on disk, in GiB, above which their oldest days "
        "are dropped, and no others; today always stays. 0 is no limit of their own",
        at_least=0,
    )
    pack_after_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_PACK_AFTER_DAYS",
        1,
        "Days after which raw spans and log records are packed harder: a fifth fewer bytes, read as fast, for 20 to "
        "35 CPU seconds of merges a million spans. 0 is never",
        at_least=0,
    )
    rollups_days: int = setting(
        "SIGHTLINE_STORE_RETENTION_ROLLUPS_DAYS",
        400,
        "Days that rollups of days stay, whatever becomes of the rows that they were made of; those of hours stay for "
        "62 days at most, those of minutes for 2, and what lists read of single requests and spending by session for "
        "32. 0 is for ever",
        at_least=0,
    )
    rollups_max_gib: float = setting(
        "SIGHTLINE_STORE_RETENTION_ROLLUPS_MAX_GIB",
        2.0,
        "Size of rollups on disk, in GiB, above which the oldest are dropped: minutes first, then what lists read of "
        "single requests and spending by session, hours and days. 0 is no limit",
        at_least=0,
    )

    def days(self, signal: str) -> int:
        """The days that a signal's rows stay; 0 is for ever."""
        return int(getattr(self, f"{signal}_days"))


@dataclass(frozen=True, kw_only=True)
class JanitorSettings(Settings):
    """How often `sightline-store janitor` does the housekeeping, and how janitors agree."""

    lease_s: float = setting(
        "SIGHTLINE_JANITOR_LEASE_S",
        60.0,
        "Seconds after which another janitor takes over from one that died; the same for all janitors of a store",
        at_least=1,
        at_most=3600,
    )
    prices_interval_s: float = setting(
        "SIGHTLINE_JANITOR_PRICES_INTERVAL_S",
        30.0,
        "Seconds between look-ups of the prices of new models; 0 is never",
        at_least=0,
    )
    settle_interval_s: float = setting(
        "SIGHTLINE_JANITOR_SETTLE_INTERVAL_S",
        30.0,
        "Seconds between two runs that bring together the spans of traces that came in several INSERTs; 0 is never",
        at_least=0,
    )
    rollups_interval_s: float = setting(
        "SIGHTLINE_JANITOR_ROLLUPS_INTERVAL_S",
        60.0,
        "Seconds between two runs that make rollups of the minutes, hours and days that are over, which questions "
        "about long windows read; 0 is never",
        at_least=0,
    )
    retention_interval_s: float = setting(
        "SIGHTLINE_JANITOR_RETENTION_INTERVAL_S",
        3600.0,
        "Seconds between two runs of retention; 0 is never",
        at_least=0,
    )
