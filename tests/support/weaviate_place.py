"""A real Weaviate with collections to ask, a model behind it and a receiver of its spans: for tests of its clients."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.server
import json
import os
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import weaviate
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from role_process import free_port
from weaviate.classes.config import Configure, DataType, Property, ReferenceProperty, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.tenants import Tenant

from sightline import semconv
from sightline.testing import Spans
from sightline_app.settings import WeaviateSettings
from sightline_app.weaviate_server import WeaviateProcess

IDS = [str(uuid.UUID(int=number + 1)) for number in range(4)]

WORDS = ["copy a folder tree", "sort a list of numbers", "read a file line by line", "draw a random card"]

VECTOR = [0.9, 0.1, 0.0, 0.1]
Do = Callable[[Callable[[Any], Any]], Any]


class SpanSink:
    """Receives the spans that the server itself exports."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        handler = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=ExportTraceServiceRequest.FromString,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )
        name = "opentelemetry.proto.collector.trace.v1.TraceService"
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def _export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return ExportTraceServiceResponse()

    def child_of(self, span: ReadableSpan, timeout_s: float = 10.0) -> Any:
        """The server's span below one of ours (ids repeat from test to test, times do not)."""
        assert span.context is not None
        assert span.start_time is not None
        wanted = span.context.span_id.to_bytes(8, "big")
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for found in list(self.spans):
                if found.parent_span_id == wanted and found.start_time_unix_nano >= span.start_time:
                    return found
            time.sleep(0.05)
        raise AssertionError(f"Weaviate exported {len(self.spans)} spans, none below {span.name}")


class Vectoriser(http.server.BaseHTTPRequestHandler):
    """The model behind Weaviate's multi2vec-bind module: four numbers for a text, an image or a sound."""

    def do_GET(self) -> None:
        """Say that the model is ready."""
        self._answer({"model": "letters"})

    def do_POST(self) -> None:
        """Count letters of four kinds in each input."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(
            {
                f"{kind.removesuffix('s')}Vectors": [
                    [
                        1.0 + sum(text.count(sign) for sign in signs)
                        for signs in ("abcdef", "ghijkl", "mnopqr", "stuvwx")
                    ]
                    for text in texts
                ]
                for kind, texts in asked.items()
            }
        )

    def _answer(self, what: dict[str, Any]) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Place:
    """A server, with a sync client and an async one."""

    def __init__(self, folder: Path, binary: Path) -> None:
        self.sink = SpanSink()
        self.model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vectoriser)
        threading.Thread(target=self.model.serve_forever, daemon=True).start()
        self.http, self.grpc = free_port(), free_port()
        settings = WeaviateSettings(port=self.http, grpc_port=self.grpc, data_dir=folder)
        extra = {
            "ENABLE_MODULES": "multi2vec-bind,generative-dummy,reranker-dummy",
            "BIND_INFERENCE_API": f"http://127.0.0.1:{self.model.server_port}",
            "EXPERIMENTAL_OTEL_ENABLED": "true",
            "EXPERIMENTAL_OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "EXPERIMENTAL_OTEL_EXPORTER_OTLP_ENDPOINT": f"127.0.0.1:{self.sink.port}",
            "EXPERIMENTAL_OTEL_TRACES_SAMPLER_ARG": "0",  # only what a traced caller asks for
            "EXPERIMENTAL_OTEL_BSP_EXPORT_TIMEOUT": "100ms",
        }
        self.process = WeaviateProcess(settings, binary, {**os.environ, **extra})
        assert self.process.wait_until_ready(60)
        where: dict[str, Any] = {
            "http_host": "127.0.0.1",
            "http_port": self.http,
            "http_secure": False,
            "grpc_host": "127.0.0.1",
            "grpc_port": self.grpc,
            "grpc_secure": False,
            "skip_init_checks": True,
        }
        self.client = weaviate.connect_to_custom(**where)
        self.loop = asyncio.new_event_loop()
        self.async_client = weaviate.use_async_with_custom(**where)
        self.loop.run_until_complete(self.async_client.connect())

    def sync(self, what: Callable[[Any], Any]) -> Any:
        """Do something with the sync client."""
        return what(self.client)

    def asynchronous(self, what: Callable[[Any], Any]) -> Any:
        """Do something with the async client, in its loop."""

        async def go() -> Any:
            result = what(self.async_client)
            return await result if isinstance(result, Awaitable) else result

        return self.loop.run_until_complete(go())

    def close(self) -> None:
        """Stop everything."""
        self.client.close()
        self.loop.run_until_complete(self.async_client.close())
        self.loop.close()
        self.process.stop()
        self.sink.server.stop(None)
        self.model.shutdown()
        self.model.server_close()


def fill(client: Any) -> None:
    """Make the collections that the tests ask."""
    docs = client.collections.create(
        "Docs",
        properties=[
            Property(name="text", data_type=DataType.TEXT),
            Property(name="title", data_type=DataType.TEXT),
            Property(name="size", data_type=DataType.INT),
        ],
        references=[ReferenceProperty(name="next", target_collection="Docs")],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
        ),
        generative_config=Configure.Generative.custom("generative-dummy"),
        reranker_config=Configure.Reranker.custom("reranker-dummy"),
    )
    docs.data.insert_many(
        [
            DataObject(
                uuid=IDS[number],
                properties={"text": text, "title": text.split()[0], "size": number},
                vector=[1.0 if place == number else 0.1 for place in range(4)],
            )
            for number, text in enumerate(WORDS)
        ]
    )
    texts = client.collections.create(
        "Texts",
        properties=[Property(name="text", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.multi2vec_bind(text_fields=["text"]),
        generative_config=Configure.Generative.custom("generative-dummy"),
    )
    texts.data.insert_many([{"text": text} for text in WORDS])
    named = client.collections.create(
        "Named",
        vector_config=[Configure.Vectors.self_provided(name="short"), Configure.Vectors.self_provided(name="long")],
    )
    named.data.insert({}, vector={"short": [1.0, 0.0], "long": [1.0, 0.0, 0.0]})
    tenants = client.collections.create(
        "Rooms",
        properties=[Property(name="text", data_type=DataType.TEXT)],
        multi_tenancy_config=Configure.multi_tenancy(enabled=True),
        vector_config=Configure.Vectors.self_provided(),
    )
    tenants.tenants.create([Tenant(name="red"), Tenant(name="blue")])
    tenants.with_tenant("red").data.insert({"text": "red apple"}, vector=[1.0, 0.0])


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def documents(span: ReadableSpan) -> list[dict[str, Any]]:
    """The documents on a span."""
    found: list[dict[str, Any]] = json.loads(attributes(span)[semconv.RETRIEVAL_DOCUMENTS])
    return found


def only(spans: Spans) -> ReadableSpan:
    """The only span; it is a CLIENT span of Weaviate."""
    found = list(spans)
    assert len(found) == 1, spans.tree()
    assert found[0].kind is SpanKind.CLIENT
    assert attributes(found[0])[semconv.DB_SYSTEM_NAME] == "weaviate"
    return found[0]
