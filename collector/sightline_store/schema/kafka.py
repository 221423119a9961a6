"""ClickHouse reads OTLP from Kafka by itself: the SQL of `sql/kafka`, with brokers, topics and group filled in.

A Kafka-engine table reads `otlp_proto` messages of a topic, and the views that hang off `otlp_traces`, `otlp_logs` and
`otlp_metrics` are hung behind it too, taken from `declared`, so the two ways into the official tables cannot differ.
There is one difference on purpose: the collector turns deeply nested attribute values into JSON text and nobody does so
here, so such a value is kept as `protobuf:` and the base64 of the bytes that were sent.

On an embedded store the tables stand in a database of its own that lives in memory: chDB 4.4.0 cannot open a data
folder that holds a Kafka table. They are gone after a restart and the group's offsets are not, so `start` goes on
where reading ended.

Source: https://clickhouse.com/docs/engines/table-engines/integrations/kafka
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib import resources
from string import Template
from typing import Any

from sightline_store import ddl
from sightline_store.client import Client
from sightline_store.ddl import Column, Kind, Statement
from sightline_store.errors import QueryFailed, SchemaError, StoreError
from sightline_store.quoting import quote_string
from sightline_store.schema import declared, definitions
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
_TWINS = {
    "sightlineJsonScalar": "sightlineKafkaJsonScalar",
    "sightlineArray": "sightlineKafkaArray",
    "sightlineText": "sightlineKafkaText",
    "sightlineAttributes": "sightlineKafkaAttributes",
}
"""Functions that flatten values, and those of sql/kafka that keep what nests too deep."""


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
            brokers=quote_string(settings.brokers),
            topic=quote_string(topic),
            group=quote_string(f"{settings.group}-{signal}"),
            security=_security(settings),
            consumers=str(settings.consumers),
            flush_interval_ms=str(settings.flush_interval_ms),
            block_messages=str(settings.block_messages),
            message=quote_string(MESSAGES[signal]),
            schema=quote_string(_proto()),
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
        SchemaError: a rebuild of a table is not complete: it could not wait for rows that Kafka brings.
        StoreError: no brokers are set, or the store refused.
    """
    if not settings.brokers:
        raise StoreError("SIGHTLINE_KAFKA_BROKERS is not set: name the brokers, such as kafka-1:9092,kafka-2:9092")
    _require_no_rebuild(client)
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
    try:
        _require_no_rebuild(client)  # One that began meanwhile has not seen these tables.
    except SchemaError:
        stop(client)
        raise


def stop(client: Client) -> None:
    """Stop reading. The group's offsets stay with the brokers, and kafka_errors stays here."""
    client.command(f"DROP DATABASE IF EXISTS {client.settings.database}_kafka SYNC")


def status(client: Client) -> list[Consumer]:
    """One entry a consumer; [] where the store reads nothing."""
    rows = client.query_rows(_CONSUMERS, {"kafka": f"{client.settings.database}_kafka"})
    return [_consumer(row) for row in rows]


def is_reading(client: Client) -> bool:
    """Whether the store reads from Kafka by itself now."""
    return bool(client.query_rows(_STANDING, {"kafka": f"{client.settings.database}_kafka"}))


def _require_no_rebuild(client: Client) -> None:
    steps = {definitions.steps_table(table): table for table in definitions.TABLES}
    rows = client.query_rows(
        "SELECT name FROM system.tables WHERE database = {database:String} AND has({names:Array(String)}, name)",
        {"database": client.settings.database, "names": list(steps)},
    )
    if rows:
        table = steps[str(rows[0]["name"])]
        raise SchemaError(
            f"a rebuild of {table} runs or was interrupted, and the store cannot read from Kafka beside it: wait for "
            f"it, or finish it with `sightline-store rebuild {table}`"
        )


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
        source = f"url({quote_string(f'http://{address}/')}, 'RawBLOB', 'answer String')"
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
    return ddl.split(Template(text).substitute(values))


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


def _deep(kind: str) -> str:
    """The type of a column of an OTLP request, with a place for what nests too deep."""
    kind = kind.replace(_KINDS, "'array' = 5, 'kvlist' = 6, 'bytes' = 7")
    # Every value ends in bytes_value, those in arrays too: first these get both places, then all get kvlist_value.
    kind = kind.replace(_SCALAR, "double_value Float64, array_value String, " + _SHALLOW_VALUE)
    return kind.replace(_SHALLOW_VALUE, "kvlist_value String, bytes_value String)")


def _deep_columns(table: Statement) -> tuple[Column, ...]:
    return tuple(replace(column, type=_deep(column.type)) for column in table.columns)


def _shape(signal: str) -> str:
    """The columns of an OTLP request of a signal, as SQL."""
    return ",\n    ".join(column.render() for column in _deep_columns(declared.objects()[f"otlp_{signal}"]))


def _views(signal: str, database: str, kafka: str) -> list[str]:
    """What hangs off otlp_SIGNAL, hung off what Kafka gave: its views, and Null tables between with their views."""
    made: list[str] = []
    entry, sources, objects = f"otlp_{signal}", [f"otlp_{signal}"], declared.objects()
    for source in sources:
        for view in objects.values():
            if view.kind is not Kind.MATERIALIZED_VIEW or source not in view.sources():
                continue
            between = objects.get(view.target)
            if between is not None:
                sources.append(view.target)
                table = replace(between, database=kafka, condition="IF NOT EXISTS", columns=_deep_columns(between))
                made.append(table.render())
            read = f"{kafka}.{entry}_read" if source == entry else f"{kafka}.{source}"
            twin = replace(
                view.with_sources(lambda name, source=source, read=read: read if name == source else name).with_calls(  # type: ignore[misc]
                    lambda name: _TWINS.get(name, name)
                ),
                database=kafka,
                condition="IF NOT EXISTS",
                target_database=database if between is None else kafka,
            )
            if source == entry:
                twin = replace(twin, select=_without_errors(twin.select, f"FROM {read}"))
            made.append(twin.render())
    return made


def _without_errors(select: str, source: str) -> str:
    """Let a view leave out the rows that stand for unreadable messages."""
    select, with_where = re.subn(rf"({re.escape(source)}\s+WHERE )", r"\1_error = '' AND ", select)
    return select if with_where else select.replace(source, f"{source} WHERE _error = ''")


def _security(settings: KafkaSettings) -> str:
    given = {
        "kafka_security_protocol": settings.security_protocol,
        "kafka_sasl_mechanism": settings.sasl_mechanism,
        "kafka_sasl_username": settings.sasl_username,
        "kafka_sasl_password": settings.sasl_password,
    }
    return "".join(f"{name} = {quote_string(value)}, " for name, value in given.items() if value)
