"""Weaviate calls that fail, tracing that fails, tracing that is off: the caller gets what he would have got."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import weaviate
from opentelemetry.trace import StatusCode
from role_process import free_port
from weaviate.classes.config import Configure, DataType, Property
from weaviate.classes.query import NearMediaType
from weaviate_place import VECTOR, Do, Place, attributes, only

from sightline import semconv
from sightline.testing import Spans
from sightline.weaviate import WeaviateInstrumentor

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


ERRORS: dict[str, tuple[Callable[[Any], Any], str, str | None]] = {
    "no such collection": (
        lambda client: client.collections.get("Nowhere").query.bm25("x"),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "no vectoriser": (
        lambda client: client.collections.get("Docs").query.near_text("x"),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "no images": (
        lambda client: client.collections.get("Docs").query.near_image("aGVsbG8="),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "no media": (
        lambda client: client.collections.get("Docs").generate.near_media("aGVsbG8=", NearMediaType.AUDIO),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "wrong length": (
        lambda client: client.collections.get("Docs").query.near_vector([1.0]),
        "WeaviateQueryError",
        "UNKNOWN",
    ),
    "refused by the client": (
        lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit="many"),
        "WeaviateInvalidInputError",
        None,
    ),
    "no such object": (
        lambda client: client.collections.get("Docs").data.update(str(uuid.uuid4()), {"text": "x"}),
        "UnexpectedStatusCodeError",
        "404",
    ),
    "no such configuration": (
        lambda client: client.collections.get("Nowhere").config.get(),
        "UnexpectedStatusCodeError",
        "404",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_reach_the_caller_and_the_span(case: str, do: Do, spans: Spans) -> None:
    """The client's own exception, its type, and the server's status."""
    act, kind, status = ERRORS[case]
    with pytest.raises(weaviate.exceptions.WeaviateBaseError) as caught:
        do(act)
    assert type(caught.value).__name__ == kind
    span = only(spans)
    assert attributes(span)[semconv.ERROR_TYPE] == f"weaviate.exceptions.{kind}"
    assert attributes(span).get(semconv.DB_RESPONSE_STATUS_CODE) == status
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_uninstrument_puts_everything_back(place: Place, spans: Spans) -> None:
    """Off and on again, twice on is once; the client's classes are as they were."""
    from weaviate.collections.query import _QueryCollection
    from weaviate.connect.v4 import _ConnectionBase
    from weaviate.retry import _Retry

    instrumentor = WeaviateInstrumentor()
    assert instrumentor is WeaviateInstrumentor()
    assert instrumentor.instrument()
    docs = place.client.collections.get("Docs")
    kept = docs.query.near_vector
    docs.query.near_vector(VECTOR, limit=1)
    assert len(spans) == 1
    instrumentor.uninstrument()
    instrumentor.uninstrument()
    try:
        assert not instrumentor.is_instrumented_by_opentelemetry
        assert "near_vector" not in vars(_QueryCollection)
        assert _Retry.with_exponential_backoff.__module__ == "weaviate.retry"
        assert not hasattr(_Retry.with_exponential_backoff, "__wrapped__")
        assert not hasattr(_ConnectionBase.grpc_headers, "__wrapped__")
        docs.query.near_vector(VECTOR, limit=1)
        kept(VECTOR, limit=1)  # a bound method that somebody kept is a plain call again
        assert len(spans) == 1
    finally:
        instrumentor.instrument()
    docs.query.near_vector(VECTOR, limit=1)
    assert len(spans) == 2


def test_tracing_that_fails_breaks_no_call(
    do: Do, spans: Spans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever of ours raises: the caller gets his objects, the log gets one line."""
    from sightline import faults
    from sightline.weaviate import attributes, call

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken on purpose")

    faults.reset()
    monkeypatch.setattr(attributes, "request_attributes", broken)
    monkeypatch.setattr(call, "documents", broken)
    monkeypatch.setattr(call.Call, "before_attempt", broken)
    monkeypatch.setattr(call.Call, "after_attempt", broken)
    monkeypatch.setattr(call.Call, "headers", broken)
    for _ in range(2):
        answer = do(lambda client: client.collections.get("Docs").query.near_vector(VECTOR, limit=2))
        assert len(answer.objects) == 2
    monkeypatch.setattr(call.Operation, "target_attributes", broken)
    assert len(do(lambda client: client.collections.get("Docs").query.bm25("folder")).objects) == 1
    assert set(faults.counts().values()) <= {1, 2}
    assert len(faults.counts()) == 6
    assert len([line for line in caplog.records if line.name == "sightline"]) == 6
    assert spans.names() == ["retrieval Docs"] * 2
    faults.reset()


def test_unavailable_server_is_recorded_with_its_retries(
    place: Place, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client retries in silence while nobody listens; the span says how often."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    lost = weaviate.connect_to_custom(
        http_host="127.0.0.1",
        http_port=place.http,
        http_secure=False,
        grpc_host="127.0.0.1",
        grpc_port=free_port(),
        grpc_secure=False,
        skip_init_checks=True,
    )
    try:
        with pytest.raises(weaviate.exceptions.WeaviateQueryError):
            lost.collections.get("Docs").query.bm25("folder")
    finally:
        lost.close()
    told = attributes(only(spans))
    assert told[semconv.DB_RETRIES] == 5
    assert told[semconv.DB_RESPONSE_STATUS_CODE] == "UNAVAILABLE"
    gc.collect()


def test_recipe_of_the_readme_runs(place: Place) -> None:
    """Unchanged, except for the ports of the test's server."""
    readme = (Path(__file__).parents[3] / "instrumentation" / "README.md").read_text()
    (recipe,) = re.findall(r"^## Weaviate\n.*?```python\n(.*?)```", readme, re.MULTILINE | re.DOTALL)
    documents = place.client.collections.create(
        "Documents",
        properties=[Property(name="text", data_type=DataType.TEXT)],
        vector_config=Configure.Vectors.self_provided(),
    )
    documents.data.insert({"text": "copytree copies a folder"}, vector=[0.1, 0.2, 0.3])
    here = f"connect_to_local(port={place.http}, grpc_port={place.grpc}, skip_init_checks=True)"
    done = subprocess.run(
        [sys.executable, "-c", recipe.replace("connect_to_local()", here)],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "['copytree copies a folder']\n"), done.stderr
