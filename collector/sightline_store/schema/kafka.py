"""ClickHouse reads OTLP from Kafka by itself: the SQL of `sql/kafka`, with brokers, topics and group filled in.

A Kafka-engine table reads `otlp_proto` messages of a topic, and the views that hang off `otlp_traces`, `otlp_logs` and
`otlp_metrics` are hung behind it too, taken from `sql/ddl`, so the two ways into the official tables cannot differ.
There is one difference on purpose: the collector turns deeply nested attribute values into JSON text and nobody does so
here, so such a value is kept as `protobuf:` and the base64 of the bytes that were sent.

On an embedded store the tables stand in a database of its own that lives in memory: chDB 4.4.0 cannot open a data
folder that holds a Kafka table. They are gone after a restart and the group's offsets are not, so `start` goes on
where reading ended.

Source: https://clickhouse.com/docs/engines/table-engines/integrations/kafka
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.schema import migrate
from sightline_store.settings import KafkaSettings

MESSAGES = {"traces": "TraceRequest", "logs": "LogsRequest", "metrics": "MetricsRequest"}
"""Signal to the message of `sql/otlp.proto` that a Kafka message holds."""
_LOGICAL_ERROR = 49
_NO_SUCH_TABLE = 60
_DNS_ERROR = 198
_NOT_PERMITTED = "Permission denied"
# In a value that no array holds: what a scalar has, and maps as the bytes that were sent.
_SHALLOW_VALUE = "bytes_value String)"
_SCALAR = "double_value Float64, bytes_value String)"
_KINDS = "'array' = 5, 'bytes' = 7"


def statements(settings: KafkaSettings, database: str, *, in_memory: bool) -> list[str]:
    """Every statement that makes a ClickHouse read, in order.

    Args:
        settings: brokers, topics, group.
        database: where the official tables are; the Kafka tables go into `database` + `_kafka`.
        in_memory: make that a database that a restart empties.
    """
    kafka = f"{database}_kafka"
    made = [f"CREATE DATABASE IF NOT EXISTS {kafka}" + (" ENGINE = Memory" if in_memory else "")]
    made += _shipped("functions")
    made += _shipped("errors", database=database)
    for signal, topic in settings.topics().items():
        made += _shipped(
            "consumer",
            kafka=kafka,
            database=database,
            signal=signal,
            shape=_shape(signal),
            brokers=_quoted(settings.brokers),
            topic=_quoted(topic),
            group=_quoted(f"{settings.group}-{signal}"),
            security=_security(settings),
            consumers=str(settings.consumers),
            flush_interval_ms=str(settings.flush_interval_ms),
            block_messages=str(settings.block_messages),
            message=_quoted(MESSAGES[signal]),
            schema=_quoted(_proto()),
        )
        made += _views(signal, database, kafka)
        made += _shipped("reading", kafka=kafka, signal=signal)
    return made


@dataclass(frozen=True)
class Consumer:
    """How far one consumer is."""

    signal: str
    assigned: int
    messages: int
    commits: int
    offsets: dict[str, int]
    last_error: str


def start(client: Client, settings: KafkaSettings) -> None:
    """Make the store read. Runs again without effect; a changed setting holds after `stop`.

    Raises:
        StoreError: no brokers are set, or the store refused.
    """
    if not settings.brokers:
        raise StoreError("SIGHTLINE_KAFKA_BROKERS is not set: name the brokers, such as kafka-1:9092,kafka-2:9092")
    embedded = _is_embedded(client)
    if embedded:
        _require_ports(client, settings)
    database = client.settings.database
    for statement in statements(settings, database, in_memory=embedded):
        try:
            client.command(statement)
        except QueryFailed as exc:
            # chDB 4.4.0 says so of a Kafka table that it has made and reads; whether it stands is looked up below.
            if not (embedded and exc.code == _LOGICAL_ERROR and "ENGINE = Kafka" in statement):
                raise
    standing = {row["name"] for row in client.query_rows(_STANDING, {"kafka": f"{database}_kafka"})}
    missing = {f"otlp_{signal}" for signal in settings.topics()} - standing
    if missing:
        raise StoreError(f"the store did not make {', '.join(sorted(missing))} in {database}_kafka")


def stop(client: Client) -> None:
    """Stop reading. The group's offsets stay with the brokers, and kafka_errors stays here."""
    client.command(f"DROP DATABASE IF EXISTS {client.settings.database}_kafka SYNC")


def status(client: Client) -> list[Consumer]:
    """One entry a consumer; [] where the store reads nothing."""
    rows = client.query_rows(_CONSUMERS, {"kafka": f"{client.settings.database}_kafka"})
    return [_consumer(row) for row in rows]


def errors(client: Client) -> int:
    """Messages that could not be read so far; their bytes are in kafka_errors."""
    try:
        return int(client.query_rows("SELECT count() AS n FROM kafka_errors")[0]["n"])
    except QueryFailed as exc:
        if exc.code == _NO_SUCH_TABLE:
            return 0
        raise


_STANDING = "SELECT name FROM system.tables WHERE database = {kafka:String} AND engine = 'Kafka'"
_CONSUMERS = """SELECT table, assignments.topic AS topics, assignments.partition_id AS partitions,
    assignments.current_offset AS offsets, num_messages_read, num_commits, exceptions.text AS exceptions
FROM system.kafka_consumers WHERE database = {kafka:String} ORDER BY table, consumer_id"""


def _consumer(row: dict[str, Any]) -> Consumer:
    offsets = {
        f"{topic}/{partition}": int(offset)
        for topic, partition, offset in zip(row["topics"], row["partitions"], row["offsets"], strict=True)
    }
    return Consumer(
        signal=str(row["table"]).removeprefix("otlp_"),
        assigned=len(offsets),
        messages=int(row["num_messages_read"]),
        commits=int(row["num_commits"]),
        offsets=offsets,
        last_error=str(row["exceptions"][-1]) if row["exceptions"] else "",
    )


def _is_embedded(client: Client) -> bool:
    """Whether the store is chDB: only it has an engine that reads Python's objects."""
    rows = client.query_rows("SELECT count() AS n FROM system.table_functions WHERE lower(name) = 'python'")
    return bool(rows[0]["n"])


def _require_ports(client: Client, settings: KafkaSettings) -> None:
    """Refuse brokers that the confined node may not connect to: its Kafka tables would be silent for ever.

    The node is asked to call each as if it spoke HTTP. Only what its own kernel refuses counts, at once and for good:
    the port, or, where it may connect to nothing, to ask for the address of any of them.
    """
    refused, nameless, brokers = "", 0, [each for each in map(str.strip, settings.brokers.split(",")) if each]
    for broker in brokers:
        _, colon, port = broker.rpartition(":")
        address = broker if colon and port.isdecimal() else f"{broker}:9092"
        source = f"url({_quoted(f'http://{address}/')}, 'RawBLOB', 'answer String')"
        patience = "http_max_tries = 1, http_connection_timeout = 2, http_receive_timeout = 2"
        try:
            client.command(f"SELECT sum(length(answer)) FROM {source} SETTINGS {patience}")  # noqa: S608  (quoted)
        except QueryFailed as exc:
            nameless += exc.code == _DNS_ERROR
            if _NOT_PERMITTED in exc.message or nameless == len(brokers):
                refused = address
    if refused:
        raise StoreError(
            f"the node's process may not connect to {refused}, or has no address for it: start `sightline-store serve` "
            f"with SIGHTLINE_KAFKA_BROKERS={settings.brokers}, or with the port in SIGHTLINE_STORE_ALLOW_CONNECT"
        )


def _shipped(name: str, **values: str) -> list[str]:
    text = resources.files("sightline_store.sql").joinpath("kafka", f"{name}.sql").read_text(encoding="utf-8")
    return [Template(statement).substitute(values) for statement in migrate.split_statements(text)]


def _proto() -> str:
    """The schema of `sql/otlp.proto` in which what nests too deep is read as bytes."""
    text = resources.files("sightline_store.sql").joinpath("otlp.proto").read_text(encoding="utf-8")
    text = "\n".join(line for line in text.splitlines() if line and not line.startswith("//"))
    text, scalars = re.subn(
        r"(message Scalar \{ oneof kind \{.*?)(bytes bytes_value = 7;)",
        r"\1bytes array_value = 5; bytes kvlist_value = 6; \2",
        text,
    )
    text, values = re.subn(
        r"(message AnyValue \{ oneof kind \{.*?)(bytes bytes_value = 7;)", r"\1bytes kvlist_value = 6; \2", text
    )
    if (scalars, values) != (1, 1):
        raise StoreError("sql/otlp.proto has no Scalar and AnyValue as sql/kafka expects them")
    return text


def _deep(sql: str) -> str:
    """The columns of an OTLP request with a place for what nests too deep."""
    sql = sql.replace(_KINDS, "'array' = 5, 'kvlist' = 6, 'bytes' = 7")
    # Every value ends in bytes_value, those in arrays too: first these get both places, then all get kvlist_value.
    sql = sql.replace(_SCALAR, "double_value Float64, array_value String, " + _SHALLOW_VALUE)
    return sql.replace(_SHALLOW_VALUE, "kvlist_value String, bytes_value String)")


def _shape(signal: str) -> str:
    for statement in _ddl():
        found = re.match(
            rf"CREATE TABLE IF NOT EXISTS otlp_{signal}\s*\((.*)\)\s*ENGINE = Null\Z", statement, re.DOTALL
        )
        if found:
            return _deep(found[1].strip())
    raise StoreError(f"sql/ddl makes no table otlp_{signal}")


def _views(signal: str, database: str, kafka: str) -> list[str]:
    """What hangs off otlp_SIGNAL, hung off what Kafka gave: its views, and Null tables between with their views."""
    made, sources, ddl = [], [f"otlp_{signal}"], _ddl()
    for source in sources:
        for statement in ddl:
            found = re.match(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS\s(.*)\Z", statement, re.DOTALL)
            if not found or not re.search(rf"\bFROM {source}\b", found[3]):
                continue
            view, target, select = found.groups()
            between = [
                text
                for text in ddl
                if re.match(rf"CREATE TABLE IF NOT EXISTS {target}\s.*ENGINE = Null\Z", text, re.DOTALL)
            ]
            if between:
                sources.append(target)
                made.append(_deep(between[0]).replace(f"EXISTS {target}", f"EXISTS {kafka}.{target}", 1))
            into = f"{kafka if between else database}.{target}"
            read = f"{source}_read" if source == f"otlp_{signal}" else source
            select = re.sub(rf"\bFROM {source}\b", f"FROM {kafka}.{read}", select)
            select = re.sub(r"\bsightline(JsonScalar|Array|Text|Attributes)\(", r"sightlineKafka\1(", select)
            if source == f"otlp_{signal}":
                select = _without_errors(select, f"FROM {kafka}.{read}")
            made.append(f"CREATE MATERIALIZED VIEW IF NOT EXISTS {kafka}.{view} TO {into} AS\n{select}")
    return made


def _without_errors(select: str, source: str) -> str:
    """Let a view leave out the rows that stand for unreadable messages."""
    select, with_where = re.subn(rf"({re.escape(source)}\s+WHERE )", r"\1_error = '' AND ", select)
    return select if with_where else select.replace(source, f"{source} WHERE _error = ''")


def _ddl() -> list[str]:
    return [statement for migration in migrate.migrations() for statement in migration.statements]


def _security(settings: KafkaSettings) -> str:
    given = {
        "kafka_security_protocol": settings.security_protocol,
        "kafka_sasl_mechanism": settings.sasl_mechanism,
        "kafka_sasl_username": settings.sasl_username,
        "kafka_sasl_password": settings.sasl_password,
    }
    return "".join(f"{name} = {_quoted(value)}, " for name, value in given.items() if value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
