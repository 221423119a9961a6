"""Redis, Kafka and RabbitMQ under ``instrument()``: real clients on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from client_peers import Peer, RabbitMQ, Redis
from instrument_trial import CALLER, SECRET, Trial, elsewhere, needs, trial
from scale_peers import Broker, why_no_kafka


def _peer(kind: type[Peer], folders: pytest.TempPathFactory) -> Iterator[Peer]:
    if kind.missing():
        pytest.skip(f"!!! SKIPPED: {kind.missing()}")
    with kind(folders.mktemp(kind.__name__.lower())) as running:
        yield running


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis."""
    for server in _peer(Redis, tmp_path_factory):
        yield server.url


@pytest.fixture(scope="module")
def rabbit_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A RabbitMQ."""
    for server in _peer(RabbitMQ, tmp_path_factory):
        yield server.url


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka broker."""
    if why_no_kafka():
        pytest.skip(f"!!! SKIPPED: {why_no_kafka()}")
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running.address


def use_redis(url: str) -> None:
    """A command, a pipeline and one that fails."""
    import redis

    with redis.Redis.from_url(url) as client:
        client.set("answer", SECRET)
        with client.pipeline() as pipeline:
            pipeline.get("answer").incr("hits").execute()
        with contextlib.suppress(redis.ResponseError):
            client.lpush("answer", "x")


async def use_redis_async(url: str) -> None:
    """The same, async."""
    import redis.asyncio

    async with redis.asyncio.Redis.from_url(url) as client:
        await client.set("answer", SECRET)
        async with client.pipeline() as pipeline:
            await pipeline.get("answer").incr("hits").execute()
        with contextlib.suppress(redis.ResponseError):
            await client.lpush("answer", "x")


@needs("redis", "opentelemetry-instrumentation-redis")
@pytest.mark.parametrize("act", [use_redis, use_redis_async])
def test_redis_commands_are_client_spans_of_the_caller(act: Any, redis_url: str) -> None:
    """One span a command and one a pipeline, values left out, a refused command is an error."""
    done = trial(act, "redis", told=(redis_url,))
    assert [(span.name, span.kind, span.parent, span.status) for span in done.spans] == [
        ("SET", "CLIENT", CALLER, "UNSET"),
        ("GET INCRBY", "CLIENT", CALLER, "UNSET"),
        ("LPUSH", "CLIENT", CALLER, "ERROR"),
    ]
    assert done.named("SET").attributes["db.statement"] == "SET ? ?"


def use_kafka_python(address: str) -> None:
    """Send one message and read it elsewhere."""
    import kafka

    topic = f"t{uuid.uuid4().hex[:8]}"
    producer = kafka.KafkaProducer(bootstrap_servers=address)
    producer.send(topic, SECRET.encode(), key=b"k")
    producer.flush()
    producer.close()

    def read() -> bytes:
        consumer = kafka.KafkaConsumer(
            topic, bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=20_000, group_id=topic
        )
        value: bytes = next(consumer).value
        consumer.close()
        return value

    assert elsewhere(read) == SECRET.encode()


def use_confluent(address: str) -> None:
    """Send one message and read it elsewhere."""
    import confluent_kafka

    topic = f"t{uuid.uuid4().hex[:8]}"
    producer = confluent_kafka.Producer({"bootstrap.servers": address})
    producer.produce(topic, SECRET.encode(), key=b"k")
    producer.flush(20)

    def read() -> Any:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": address, "group.id": topic, "auto.offset.reset": "earliest"}
        )
        consumer.subscribe([topic])
        deadline = time.monotonic() + 30
        while (message := consumer.poll(0.5)) is None or message.error():
            assert time.monotonic() < deadline
        consumer.close()
        return message.value()

    assert elsewhere(read) == SECRET.encode()


async def use_aiokafka(address: str) -> None:
    """Send one message and read it elsewhere."""
    import aiokafka

    topic = f"t{uuid.uuid4().hex[:8]}"
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=address) as producer:
        await producer.send_and_wait(topic, SECRET.encode(), key=b"k")

    async def read() -> Any:
        async with aiokafka.AIOKafkaConsumer(
            topic, bootstrap_servers=address, auto_offset_reset="earliest", group_id=topic
        ) as consumer:
            return (await consumer.getone()).value

    assert await asyncio.to_thread(lambda: elsewhere(lambda: asyncio.run(read()))) == SECRET.encode()


def _sent_and_received(done: Trial) -> None:
    """One message: the receiver is in the sender's trace, below the sending span."""
    sent, received = done.spans
    assert (sent.kind, sent.parent) == ("PRODUCER", CALLER)
    assert (received.kind, received.parent) == ("CONSUMER", sent.name)
    assert received.same_trace


@needs("kafka-python", "opentelemetry-instrumentation-kafka-python")
def test_kafka_python_message_stays_in_one_trace(kafka: str) -> None:
    """Context and identity travel in the message's headers."""
    _sent_and_received(trial(use_kafka_python, "kafka-python", told=(kafka,)))


@needs("aiokafka", "opentelemetry-instrumentation-aiokafka")
def test_aiokafka_message_stays_in_one_trace(kafka: str) -> None:
    """Context and identity travel in the message's headers."""
    _sent_and_received(trial(use_aiokafka, "aiokafka", told=(kafka,)))


@needs("confluent-kafka", "opentelemetry-instrumentation-confluent-kafka")
def test_confluent_kafka_message_is_linked_to_who_sent_it(kafka: str) -> None:
    """The processing is in the consumer's own trace, without the caller's identity, and links to the sending."""
    done = trial(use_confluent, "confluent-kafka", told=(kafka,), apart=("recv",))
    (sent,) = [span for span in done.spans if span.kind == "PRODUCER"]
    assert sent.parent == CALLER
    (processed,) = [span for span in done.spans if span.name.endswith(" process")]
    assert processed.linked


def use_pika(url: str) -> None:
    """Publish, and consume elsewhere."""
    import pika

    queue = f"q{uuid.uuid4().hex[:8]}"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue)
        channel.basic_publish("", queue, SECRET.encode())

    def read() -> list[bytes]:
        got = []
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()

            def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
                got.append(body)
                channel.basic_ack(method.delivery_tag)
                channel.stop_consuming()

            channel.basic_consume(queue, on_message)
            channel.start_consuming()
            channel.queue_delete(queue)
        return got

    assert elsewhere(read) == [SECRET.encode()]


async def use_aio_pika(url: str) -> None:
    """Publish, and take it elsewhere."""
    import aio_pika

    name = f"q{uuid.uuid4().hex[:8]}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(name)
        await channel.default_exchange.publish(aio_pika.Message(SECRET.encode()), name)

    async def read() -> bytes:
        async with await aio_pika.connect(url) as connection:
            queue = await (await connection.channel()).get_queue(name)
            came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

            async def on_message(message: Any) -> None:
                async with message.process():
                    came.set_result(message.body)

            await queue.consume(on_message)
            found = await asyncio.wait_for(came, 20)
            await queue.delete(if_unused=False)
            return found

    assert await asyncio.to_thread(lambda: elsewhere(lambda: asyncio.run(read()))) == SECRET.encode()


@needs("pika", "opentelemetry-instrumentation-pika")
def test_pika_message_is_published_once_and_stays_in_one_trace(rabbit_url: str) -> None:
    """One message is one publishing span (pika's instrumentation alone makes two), and one receiving below it."""
    _sent_and_received(trial(use_pika, "pika", told=(rabbit_url,)))


@needs("aio-pika", "opentelemetry-instrumentation-aio-pika")
def test_aio_pika_message_stays_in_one_trace(rabbit_url: str) -> None:
    """Context and identity travel in the message's headers."""
    _sent_and_received(trial(use_aio_pika, "aio-pika", told=(rabbit_url,)))
