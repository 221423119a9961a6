"""Settings of the store: which ClickHouse, what it reads from Kafka, and how long rows stay."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Which ClickHouse to talk to."""

    url: str = "http://127.0.0.1:8123"
    """SIGHTLINE_STORE_URL: address of ClickHouse's HTTP interface. Default: the embedded node on this machine."""
    database: str = "otel"
    """SIGHTLINE_STORE_DATABASE: database that holds the tables. Default: otel."""
    user: str = "default"
    """SIGHTLINE_STORE_USER: ClickHouse user. Default: default."""
    password: str = ""
    """SIGHTLINE_STORE_PASSWORD: that user's password. Default: empty."""
    timeout_s: float = 60.0
    """SIGHTLINE_STORE_TIMEOUT_S: seconds that a statement may take. Default: 60."""
    prices_file: Path | None = None
    """SIGHTLINE_PRICES_FILE: your own prices (.csv, .toml or .json) over those of genai-prices; read by the collector,
    which enters prices into the store. Default: none."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"SIGHTLINE_STORE_URL is {self.url!r}; needs an address such as http://127.0.0.1:8123")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.database):
            raise ValueError(f"SIGHTLINE_STORE_DATABASE is {self.database!r}; needs a plain identifier such as otel")
        if self.timeout_s <= 0:
            raise ValueError(f"SIGHTLINE_STORE_TIMEOUT_S is {self.timeout_s}; needs more than 0 seconds")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> StoreSettings:
        """Read the variables named above; what is absent keeps its default."""
        return cls(
            url=env.get("SIGHTLINE_STORE_URL", cls.url).rstrip("/"),
            database=env.get("SIGHTLINE_STORE_DATABASE", cls.database),
            user=env.get("SIGHTLINE_STORE_USER", cls.user),
            password=env.get("SIGHTLINE_STORE_PASSWORD", cls.password),
            timeout_s=_number(env, "SIGHTLINE_STORE_TIMEOUT_S", cls.timeout_s),
            prices_file=Path(env["SIGHTLINE_PRICES_FILE"]) if env.get("SIGHTLINE_PRICES_FILE", "").strip() else None,
        )


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """Which topics the store itself reads OTLP from: `sightline-store kafka`."""

    brokers: str = ""
    """SIGHTLINE_KAFKA_BROKERS: brokers as host:port, several with commas between. Default: none, nothing is read."""
    traces_topic: str = "otlp_spans"
    """SIGHTLINE_KAFKA_TRACES_TOPIC: topic of the spans, empty reads none. Default: otlp_spans."""
    logs_topic: str = "otlp_logs"
    """SIGHTLINE_KAFKA_LOGS_TOPIC: topic of the log records, empty reads none. Default: otlp_logs."""
    metrics_topic: str = "otlp_metrics"
    """SIGHTLINE_KAFKA_METRICS_TOPIC: topic of the metrics, empty reads none. Default: otlp_metrics."""
    group: str = "sightline"
    """SIGHTLINE_KAFKA_GROUP: consumer groups are named so, with -traces, -logs and -metrics added; their offsets say
    how far reading is. Default: sightline."""
    consumers: int = 1
    """SIGHTLINE_KAFKA_CONSUMERS: consumers a topic, at most its partitions and the store's cores. Default: 1."""
    flush_interval_ms: int = 1000
    """SIGHTLINE_KAFKA_FLUSH_INTERVAL_MS: milliseconds that messages wait for more before they are stored.
    Default: 1000."""
    block_messages: int = 256
    """SIGHTLINE_KAFKA_BLOCK_MESSAGES: the most messages in one block, which is in memory as a whole. Default: 256."""
    security_protocol: str = ""
    """SIGHTLINE_KAFKA_SECURITY_PROTOCOL: plaintext, ssl, sasl_plaintext or sasl_ssl. Default: the client library's."""
    sasl_mechanism: str = ""
    """SIGHTLINE_KAFKA_SASL_MECHANISM: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Default: none."""
    sasl_username: str = ""
    """SIGHTLINE_KAFKA_SASL_USERNAME: user at the brokers. Default: none."""
    sasl_password: str = ""
    """SIGHTLINE_KAFKA_SASL_PASSWORD: that user's password; it becomes part of the table's definition. Default: none."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        for name in ("consumers", "flush_interval_ms", "block_messages"):
            if getattr(self, name) < 1:
                raise ValueError(f"SIGHTLINE_KAFKA_{name.upper()} is {getattr(self, name)}; needs at least 1")
        if not self.group:
            raise ValueError("SIGHTLINE_KAFKA_GROUP is empty; needs a name, such as sightline")

    def topics(self) -> dict[str, str]:
        """Signal to topic, of the signals that are read."""
        topics = {"traces": self.traces_topic, "logs": self.logs_topic, "metrics": self.metrics_topic}
        return {signal: topic for signal, topic in topics.items() if topic}

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> KafkaSettings:
        """Read the variables named above; what is absent keeps its default."""
        return cls(
            brokers=env.get("SIGHTLINE_KAFKA_BROKERS", cls.brokers).strip(),
            traces_topic=env.get("SIGHTLINE_KAFKA_TRACES_TOPIC", cls.traces_topic),
            logs_topic=env.get("SIGHTLINE_KAFKA_LOGS_TOPIC", cls.logs_topic),
            metrics_topic=env.get("SIGHTLINE_KAFKA_METRICS_TOPIC", cls.metrics_topic),
            group=env.get("SIGHTLINE_KAFKA_GROUP", cls.group),
            consumers=int(_number(env, "SIGHTLINE_KAFKA_CONSUMERS", cls.consumers)),
            flush_interval_ms=int(_number(env, "SIGHTLINE_KAFKA_FLUSH_INTERVAL_MS", cls.flush_interval_ms)),
            block_messages=int(_number(env, "SIGHTLINE_KAFKA_BLOCK_MESSAGES", cls.block_messages)),
            security_protocol=env.get("SIGHTLINE_KAFKA_SECURITY_PROTOCOL", cls.security_protocol),
            sasl_mechanism=env.get("SIGHTLINE_KAFKA_SASL_MECHANISM", cls.sasl_mechanism),
            sasl_username=env.get("SIGHTLINE_KAFKA_SASL_USERNAME", cls.sasl_username),
            sasl_password=env.get("SIGHTLINE_KAFKA_SASL_PASSWORD", cls.sasl_password),
        )


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """How long rows stay."""

    traces_days: int = 0
    """SIGHTLINE_STORE_RETENTION_TRACES_DAYS: days that raw spans stay, prompts and answers with them, and the counts of
    those that were sampled out; 0 keeps them for ever. Default: 0."""
    logs_days: int = 0
    """SIGHTLINE_STORE_RETENTION_LOGS_DAYS: days that raw log records stay; 0 is for ever. Default: 0."""
    metrics_days: int = 0
    """SIGHTLINE_STORE_RETENTION_METRICS_DAYS: days that metrics stay; 0 is for ever. Default: 0."""
    typed_days: int = 0
    """SIGHTLINE_STORE_RETENTION_TYPED_DAYS: days that requests, calls, retrievals, stages and errors stay; 0 is for
    ever. The counts that tell lost spans are kept a minute for as long, then as one row a process, until that has been
    silent for a year more. Default: 0."""
    scores_days: int = 0
    """SIGHTLINE_STORE_RETENTION_SCORES_DAYS: days that scores stay; 0 is for ever. Default: 0."""
    max_gib: float = 0.0
    """SIGHTLINE_STORE_RETENTION_MAX_GIB: size of all tables on disk, in GiB, over which the oldest days are dropped, of
    all signals at once; today always stays. 0 is no cap. Default: 0."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        for signal in ("traces", "logs", "metrics", "typed", "scores"):
            if self.days(signal) < 0:
                raise ValueError(
                    f"SIGHTLINE_STORE_RETENTION_{signal.upper()}_DAYS is {self.days(signal)}; needs 0 or more days"
                )
        if self.max_gib < 0:
            raise ValueError(f"SIGHTLINE_STORE_RETENTION_MAX_GIB is {self.max_gib}; needs 0 or more GiB")

    def days(self, signal: str) -> int:
        """The days that a signal's rows stay; 0 is for ever."""
        return int(getattr(self, f"{signal}_days"))

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> RetentionSettings:
        """Read the variables named above; what is absent keeps its default."""
        prefix = "SIGHTLINE_STORE_RETENTION_"
        signals = ("traces", "logs", "metrics", "typed", "scores")
        days = {f"{signal}_days": int(_number(env, f"{prefix}{signal.upper()}_DAYS", 0)) for signal in signals}
        return cls(**days, max_gib=_number(env, f"{prefix}MAX_GIB", 0.0))


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if text is None or not text.strip():
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; needs a number, default {default:g}") from None
