"""Embeddings on a server of the Open Inference Protocol: a double of it over HTTP, and a real Triton."""

from __future__ import annotations

import asyncio
import http.server
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import inference_server
import numpy as np
import pytest
from inference_server import InferenceServer, vector
from role_process import free_port

from sightline.testing import captured
from sightline_app import embeddings
from sightline_app.corpus import Passage, make_passage
from sightline_app.embeddings.inference_endpoint import InferenceEmbedding
from sightline_app.embeddings.protocol import Embedded, passage_text, unit
from sightline_app.errors import EmbeddingUnavailable, InvalidSetting
from sightline_app.settings import AppSettings, InferenceSettings
from sightline_app.stages.embed import embed

TRITON = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser() / "triton" / "bin" / "python"
"""Interpreter with `nvidia-pytriton`."""
TEXTS = ["one", "three geese", "ein Käse 🧀", "x", "seven"]


@pytest.fixture(name="server")
def _server() -> Iterator[InferenceServer]:
    with inference_server.running() as server:
        yield server


def made(server: InferenceServer, **changes: Any) -> InferenceEmbedding:
    """The embedding of a server."""
    return InferenceEmbedding(InferenceSettings(url=server.url, model="letters", **changes), 10.0)


def passages() -> list[Passage]:
    """One for each text."""
    return [make_passage(title="t", text=each, names=["n"], module="m", date="2026-01-02") for each in TEXTS]


def expected(texts: list[str]) -> Any:
    """Their unit vectors."""
    return unit(np.array([vector(text) for text in texts], np.float32))


def ask(embedding: InferenceEmbedding, question: str) -> Embedded:
    """Embed one question and close the connections."""

    async def go() -> Embedded:
        try:
            return await embed(embedding, question)
        finally:
            await embedding.close()

    return asyncio.run(go())


@pytest.mark.parametrize("extensions", [["binary_tensor_data"], []], ids=["binary", "json"])
def test_passages_and_questions_get_the_models_vectors(server: InferenceServer, extensions: list[str]) -> None:
    """Both ways on which tensors travel give the same, whatever the texts; no batch is larger than the server takes."""
    server.extensions = extensions
    embedding = made(server)
    seen: list[tuple[int, int]] = []
    vectors = embedding.embed_passages(passages(), lambda done, total: seen.append((done, total)))
    assert np.allclose(vectors, expected([passage_text(each) for each in passages()]), atol=1e-6)
    assert [len(texts) for texts, _ in server.asked] == [2, 2, 1]
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert np.allclose(ask(embedding, TEXTS[2]).vector, expected([TEXTS[2]])[0], atol=1e-6)


def test_span_of_a_question_names_the_server_and_is_the_parent_of_its_work(server: InferenceServer) -> None:
    """The header `traceparent` carries the embedding's span; tokens, which the protocol does not tell, are not 0."""
    with captured() as spans:
        ask(made(server), "one")
    span = spans.single(stage="embed")
    assert span.context is not None
    assert span.attributes is not None
    sent = server.asked[-1][1]["traceparent"].split("-")
    assert sent[1:3] == [format(span.context.trace_id, "032x"), format(span.context.span_id, "016x")]
    assert span.attributes["gen_ai.provider.name"] == "triton"
    assert span.attributes["gen_ai.request.model"] == "letters"
    assert span.attributes["gen_ai.embeddings.dimension.count"] == 3
    assert "gen_ai.usage.input_tokens" not in span.attributes


def test_text_may_be_an_element_instead_of_a_row(server: InferenceServer) -> None:
    """A model without a batch dimension of its own gets one list; without a configuration, the setting bounds it."""
    server.metadata["inputs"][0]["shape"] = [-1]
    server.max_batch_size = None
    embedding = made(server, batch_size=3)
    embedding.embed_passages(passages(), lambda done, total: None)
    assert [len(texts) for texts, _ in server.asked] == [3, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": [{"name": "IDS", "datatype": "INT64", "shape": [-1, -1]}]}, "its input IDS has INT64, not texts"),
        ({"inputs": [{"name": "A"}, {"name": "B"}]}, "its inputs are A, B; name one of them"),
        ({"outputs": []}, "its outputs are none"),
        ({"outputs": [{"name": "V", "datatype": "INT8", "shape": [-1, 3]}]}, "its output V has INT8"),
        ({"outputs": [{"name": "V", "datatype": "FP32", "shape": [-1, 7, 3]}]}, r"its output V has the shape"),
        ({"inputs": [{"name": "A", "datatype": "BYTES", "shape": [-1, 2]}]}, r"its input A has the shape"),
    ],
)
def test_model_with_other_tensors_is_refused_at_the_start(
    server: InferenceServer, change: dict[str, Any], said: str
) -> None:
    """The message names the tensor, what it is, and the setting."""
    server.metadata |= change
    with pytest.raises(InvalidSetting, match=f"SIGHTLINE_OIP_MODEL.*{said}"):
        made(server)


def test_tensor_that_is_not_there_is_named(server: InferenceServer) -> None:
    """With the names that there are."""
    with pytest.raises(InvalidSetting, match="its outputs are VECTOR; there is no SENTENCE"):
        made(server, output="SENTENCE")


def test_server_that_is_not_ready_or_lacks_the_model_is_unavailable(server: InferenceServer) -> None:
    """The app does not start, and the message says which of both."""
    with pytest.raises(EmbeddingUnavailable, match=r"answered 404: .*unknown model"):
        InferenceEmbedding(InferenceSettings(url=server.url, model="other"), 10.0)
    server.ready = False
    with pytest.raises(EmbeddingUnavailable, match=r"the server is not ready \(503\)"):
        made(server)
    with pytest.raises(EmbeddingUnavailable, match=r"oip:letters at http://127\.0\.0\.1:1: "):
        InferenceEmbedding(InferenceSettings(url="http://127.0.0.1:1", model="letters"), 10.0)
    with pytest.raises(InvalidSetting, match="SIGHTLINE_OIP_URL"):
        InferenceEmbedding(InferenceSettings(model="letters"), 10.0)


@pytest.mark.parametrize(
    "broken",
    [
        lambda body: b"",
        lambda body: body[:-1],
        lambda body: body.replace(b"[1, 3]", b"[3, 1]"),
        lambda body: body.replace(b"VECTOR", b"OTHERS"),
        lambda body: body.replace(b"FP32", b"INT8"),
        lambda body: body[:-12] + np.array([np.nan, 1, 1], "<f4").tobytes(),
        lambda body: body.replace(b"{", b"[", 1),
    ],
    ids=["empty", "cut", "shape", "name", "datatype", "nan", "json"],
)
def test_damaged_response_is_an_error_and_no_vector(server: InferenceServer, broken: Any) -> None:
    """Whatever is wrong with it."""
    embedding = made(server)
    server.broken = broken
    with pytest.raises(EmbeddingUnavailable, match="oip:letters at http"):
        ask(embedding, "one")


def test_index_is_not_asked_with_another_version_of_the_model(server: InferenceServer, tmp_path: Path) -> None:
    """A newer version on the server gives other vectors: the app asks for another ingest."""
    settings = AppSettings(
        embedding="oip", inference=InferenceSettings(url=server.url, model="letters"), data_dir=tmp_path
    )
    first = embeddings.choose(settings, lambda: pytest.fail("the lexical embedding was fitted"))
    loaded = embeddings.load(first.name, first.version, first.dimensions, tmp_path, settings)
    assert (loaded.name, loaded.version) == ("oip:letters", first.version)
    server.metadata["versions"] = ["2"]
    with pytest.raises(InvalidSetting, match=f"built with oip:letters {first.version}.*ingest --force"):
        embeddings.load(first.name, first.version, first.dimensions, tmp_path, settings)
    other = replace(settings, inference=replace(settings.inference, output="VECTOR"))
    assert embeddings.wish(other) != embeddings.wish(settings)


class _Traces(http.server.BaseHTTPRequestHandler):
    """Receives what Triton exports: JSON from its server, Protobuf from its Python backend."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(name="triton")
def _triton(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A real Triton; its address, and the bodies of the traces that it exports."""
    if not TRITON.exists():
        pytest.skip(f"NO TRITON: {TRITON} is no interpreter with nvidia-pytriton (see docs/examples.md)")
    bodies: list[bytes] = []
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Traces", (_Traces,), {"bodies": bodies}))
    thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    ports = [free_port() for _ in range(3)]
    script = Path(inference_server.__file__).with_name("triton_model.py")
    command = [str(TRITON), str(script), *map(str, ports), f"http://127.0.0.1:{sink.server_port}/v1/traces"]
    with (tmp_path / "triton.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    try:
        _wait_until_ready(f"http://127.0.0.1:{ports[0]}/v2/models/letters/ready", process, tmp_path / "triton.log")
        yield f"http://127.0.0.1:{ports[0]}", bodies
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        sink.shutdown()
        thread.join()
        sink.server_close()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"Triton did not start:\n{log.read_text(errors='replace')[-3000:]}")


def test_real_triton_gives_the_vectors_and_its_spans_join_the_trace(triton: tuple[str, list[bytes]]) -> None:
    """Metadata, batches, raw tensors and `traceparent` are as Triton itself understands them."""
    url, exported = triton
    embedding = InferenceEmbedding(InferenceSettings(url=url, model="letters"), 30.0)
    vectors = embedding.embed_passages(passages(), lambda done, total: None)
    assert np.allclose(vectors, expected([passage_text(each) for each in passages()]), atol=1e-6)
    with captured() as spans:
        assert np.allclose(ask(embedding, TEXTS[2]).vector, expected([TEXTS[2]])[0], atol=1e-6)
    context = spans.single(stage="embed").context
    assert context is not None
    trace = format(context.trace_id, "032x")
    deadline = time.monotonic() + 60
    while not any(trace.encode() in body or bytes.fromhex(trace) in body for body in exported):
        assert time.monotonic() < deadline, f"{len(exported)} exports of Triton, none with the trace"
        time.sleep(0.1)
