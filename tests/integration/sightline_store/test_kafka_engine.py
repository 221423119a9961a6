"""The store reads OTLP from a real Kafka by itself: SDK, official Collector, topic, rows."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValueList
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from role_process import Role, StartRole, free_port
from scale_peers import Broker, collector, why_no_kafka

from sightline_node.isolation import landlock
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.schema import kafka, migrate
from sightline_store.settings import KafkaSettings, StoreSettings

pytestmark = pytest.mark.skipif(bool(why_no_kafka()), reason=f"!!! SKIPPED: {why_no_kafka()}")
DATABASE = "from_kafka"
GATEWAY = Path(__file__).parents[3] / "deploy" / "collector" / "gateway-kafka.yaml"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests here."""
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[str]:
    """A store of this module's own: its process may connect to the broker's port, and to no other."""
    folder, port = tmp_path_factory.mktemp("kafka-store"), free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "SIGHTLINE_STORE_PORT": str(port),
        "SIGHTLINE_STORE_DATA_DIR": str(folder / "data"),
        "SIGHTLINE_KAFKA_BROKERS": broker.address,
    }
    role = Role(["sightline-store", "serve"], env, f"{url}/ping", folder / "log")
    try:
        role.start()
        yield url
    finally:
        role.stop()


@pytest.fixture(scope="module")
def client(store_url: str, broker: Broker) -> Iterator[Client]:
    """A store that reads three topics of the broker."""
    client = Client(StoreSettings(url=store_url, database=DATABASE))
    migrate.apply(client)
    for topic in ("otlp_spans", "otlp_logs", "otlp_metrics"):
        _producer(client, broker, topic)
    kafka.start(client, _settings(broker))
    yield client
    kafka.stop(client)
    client.command(f"DROP DATABASE {DATABASE}_producers SYNC")
    client.close()


def _settings(broker: Broker) -> KafkaSettings:
    return KafkaSettings(brokers=broker.address, flush_interval_ms=200)


def _producer(client: Client, broker: Broker, topic: str) -> None:
    """A table whose INSERTs are messages: ClickHouse is a Kafka producer too."""
    client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}_producers ENGINE = Memory")
    with suppress(QueryFailed):  # chDB says so of a Kafka table that it has made: see sightline_store.schema.kafka
        client.command(
            f"CREATE TABLE {DATABASE}_producers.{topic} (message String) ENGINE = Kafka SETTINGS "
            f"kafka_broker_list = '{broker.address}', kafka_topic_list = '{topic}', kafka_group_name = 'none', "
            "kafka_format = 'RawBLOB'"
        )
    # The first message makes the topic; it is none of ours and must be told apart.
    _send(client, topic, b"\xff not protobuf")


def _send(client: Client, topic: str, message: bytes) -> None:
    client.insert_raw(f"{DATABASE}_producers.{topic}", io.BytesIO(message), "RawBLOB", {})


def _until(ask: Callable[[], Any], timeout_s: float = 30) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, "the rows did not come in time"
        time.sleep(0.1)
    return answer


def _spans(client: Client, service: str) -> list[dict[str, Any]]:
    return client.query_rows(
        "SELECT * FROM otel_traces WHERE ServiceName = {service:String} ORDER BY Timestamp", {"service": service}
    )


def _trace_request(service: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    now = time.time_ns()
    span = resource_spans.scope_spans.add().spans.add(
        trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name="work", kind=1, start_time_unix_nano=now,
        end_time_unix_nano=now + 5_000_000,
    )  # fmt: skip
    span.attributes.add(key="sightline.stage").value.string_value = "request"
    return request


def test_messages_that_are_no_otlp_are_kept_with_their_place(client: Client) -> None:
    """Each topic's first message is nonsense: kafka_errors has its bytes, and reading goes on behind it."""
    rows = _until(
        lambda: (
            len(found := client.query_rows("SELECT DISTINCT Topic, Message FROM kafka_errors ORDER BY Topic")) == 3
            and found
        )
    )
    assert [row["Topic"] for row in rows] == ["otlp_logs", "otlp_metrics", "otlp_spans"]
    assert kafka.errors(client) == 3
    messages = client.query_bytes("SELECT hex(Message) FROM kafka_errors LIMIT 1", fmt="TSV").decode().strip()
    assert bytes.fromhex(messages) == b"\xff not protobuf"


def test_a_request_becomes_rows_of_the_official_and_the_typed_tables(client: Client) -> None:
    """A message is unfolded by the views of the collector's way, and the typed tables are filled behind it."""
    _send(client, "otlp_spans", _trace_request("by-kafka").SerializeToString())
    (row,) = _until(lambda: _spans(client, "by-kafka"))
    assert row["TraceId"] == "01" * 16
    assert row["Duration"] == 5_000_000
    typed = _until(lambda: client.query_rows("SELECT TraceId FROM requests WHERE ServiceName = 'by-kafka'"))
    assert [request["TraceId"] for request in typed] == ["01" * 16]


def test_deep_values_are_kept_as_they_were_sent(client: Client) -> None:
    """A map, and an array in an array, are deeper than the schema: their bytes stand in the attribute as base64."""
    request = _trace_request("nested")
    attributes = request.resource_spans[0].scope_spans[0].spans[0].attributes
    inner = attributes.add(key="map").value.kvlist_value
    inner.values.add(key="a").value.int_value = 7
    attributes.add(key="arrays").value.array_value.values.add().array_value.values.add().string_value = "deep"
    _send(client, "otlp_spans", request.SerializeToString())
    (row,) = _until(lambda: _spans(client, "nested"))
    prefix, _, kept = row["SpanAttributes"]["map"].partition(":")
    assert prefix == "protobuf"
    assert KeyValueList.FromString(base64.b64decode(kept)) == inner
    assert row["SpanAttributes"]["arrays"].startswith('["protobuf:')


def test_logs_and_metrics_come_too(client: Client) -> None:
    """The other two signals reach their official tables."""
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.body.string_value = "said"
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="load")
    metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_double=0.5)
    _send(client, "otlp_logs", logs.SerializeToString())
    _send(client, "otlp_metrics", metrics.SerializeToString())
    _until(lambda: client.query_rows("SELECT 1 FROM otel_logs WHERE Body = 'said'"))
    _until(lambda: client.query_rows("SELECT 1 FROM otel_metrics_gauge WHERE MetricName = 'load' AND Value = 0.5"))


def test_from_an_sdk_through_the_official_collector(client: Client, broker: Broker, tmp_path: Path) -> None:
    """An SDK's spans, sent by the official Collector with the shipped gateway configuration, become rows."""
    if not collector("kafka").exists():
        pytest.skip(
            "!!! SKIPPED: no Collector with the Kafka exporter in the cache: `make otelcol` builds it (needs Go)"
        )
    port = free_port()
    with _gateway(broker, tmp_path, port):
        provider = TracerProvider(resource=Resource({"service.name": "sdk-app"}))
        exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        for _ in range(3):
            with provider.get_tracer("test").start_as_current_span("step", attributes={"n": 1, "ok": True}):
                pass
        provider.shutdown()
        rows = _until(lambda: len(found := _spans(client, "sdk-app")) == 3 and found)
    assert [row["SpanAttributes"] for row in rows] == [{"n": "1", "ok": "true"}] * 3


@contextmanager
def _gateway(broker: Broker, folder: Path, port: int) -> Iterator[None]:
    env = {
        **os.environ,
        "KAFKA_BROKERS": broker.address,
        "OTLP_HOST": "127.0.0.1",
        "OTLP_HTTP_PORT": str(port),
        "OTLP_GRPC_PORT": str(free_port()),
        "QUEUE_DIRECTORY": str(folder / "queue"),
    }
    with (folder / "otelcol.log").open("wb") as log:
        process = subprocess.Popen([str(collector("kafka")), "--config", str(GATEWAY)], env=env, stdout=log, stderr=log)
    try:
        _until(lambda: b"Everything is ready" in (folder / "otelcol.log").read_bytes())
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_stopping_leaves_no_table_and_keeps_what_could_not_be_read(client: Client, broker: Broker) -> None:
    """Stopped, the store reads nothing and still holds kafka_errors; started again, it has all three consumers."""
    unreadable = kafka.errors(client)
    kafka.stop(client)
    assert kafka.status(client) == []
    assert kafka.errors(client) == unreadable
    kafka.start(client, _settings(broker))
    assert {one.signal for one in kafka.status(client)} == {"traces", "logs", "metrics"}


def test_a_node_that_may_not_reach_the_brokers_says_so(roles: StartRole, broker: Broker, tmp_path: Path) -> None:
    """Started without the brokers, a confined node refuses to make tables that would be silent for ever."""
    if landlock.abi() < landlock.MIN_ABI:
        pytest.skip("!!! SKIPPED: this kernel has no Landlock")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data")}
    roles("sightline-store", "serve", env=env, health_url=f"{url}/ping")
    alone = Client(StoreSettings(url=url, database=DATABASE))
    alone.command(f"CREATE DATABASE {DATABASE}", database="")
    with pytest.raises(StoreError, match=f"may not connect to {broker.address}.*SIGHTLINE_KAFKA_BROKERS"):
        kafka.start(alone, _settings(broker))
    alone.close()


def test_watch_starts_reading_again_after_the_store_was_killed(
    client: Client, broker: Broker, roles: StartRole, tmp_path: Path
) -> None:
    """`kafka start --watch` outlives its store: what is sent while that is down is read in the next life."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    store = roles(
        "sightline-store",
        "serve",
        env={
            "SIGHTLINE_STORE_PORT": str(port),
            "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
            "SIGHTLINE_STORE_ALLOW_CONNECT": broker.address.rpartition(":")[2],
        },
        health_url=f"{url}/ping",
    )
    watched = Client(StoreSettings(url=url))
    migrate.apply(watched)
    env = {
        **os.environ,
        "SIGHTLINE_STORE_URL": url,
        "SIGHTLINE_KAFKA_BROKERS": broker.address,
        "SIGHTLINE_KAFKA_GROUP": "watched",
        "SIGHTLINE_KAFKA_FLUSH_INTERVAL_MS": "200",
    }
    command = [str(Path(sys.executable).with_name("sightline-store")), "kafka", "start", "--watch"]
    log = tmp_path / "watch.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
    try:
        _until(lambda: b"reading otlp_spans" in log.read_bytes())
        _send(client, "otlp_spans", _trace_request("first life").SerializeToString())
        _until(lambda: _spans(watched, "first life"))
        store.kill()
        _until(lambda: b"waiting for the store" in log.read_bytes())
        _send(client, "otlp_spans", _trace_request("second life").SerializeToString())
        store.start()
        _until(lambda: b"reading again" in log.read_bytes(), 60)
        # The brokers wait for the consumer that was killed before they let the next one read.
        _until(lambda: _spans(watched, "second life"), 60)
        # The first may be there twice, where the kill came before the brokers knew that it was read.
        assert len(_spans(watched, "second life")) == 1
        assert len(_spans(watched, "first life")) in {1, 2}
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        with suppress(StoreError):
            kafka.stop(watched)
        watched.close()
