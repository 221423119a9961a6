"""Exact search, and the endpoint that embeds questions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from sightline_evals.drift import exact
from sightline_evals.errors import SourceUnavailable, UsageError

RNG = np.random.default_rng(5)
DOCUMENTS = RNG.normal(size=(90, 8)).astype(np.float32)
QUESTIONS = RNG.normal(size=(7, 8)).astype(np.float32)
NAMES = [f"d{i}" for i in range(len(DOCUMENTS))]


def _pages(size: int) -> Iterator[tuple[list[str], exact.Matrix]]:
    for start in range(0, len(NAMES), size):
        yield NAMES[start : start + size], DOCUMENTS[start : start + size]


def _cosines() -> Any:
    lengths = np.linalg.norm(QUESTIONS, axis=1, keepdims=True) * np.linalg.norm(DOCUMENTS, axis=1)
    return QUESTIONS @ DOCUMENTS.T / lengths


@pytest.mark.parametrize("page", [1, 13, 90])
@pytest.mark.parametrize("distance", exact.DISTANCES)
def test_the_nearest_are_those_of_all_distances_however_they_are_read(distance: str, page: int) -> None:
    """As sorting the distances to all documents at once."""
    squares = np.sum((QUESTIONS[:, None, :] - DOCUMENTS) ** 2, axis=2)
    likeness = {"cosine": _cosines(), "dot": QUESTIONS @ DOCUMENTS.T, "l2-squared": -squares}[distance]
    wanted = [[NAMES[place] for place in np.argsort(-row)[:5]] for row in likeness]
    assert exact.nearest(_pages(page), QUESTIONS, depth=5, distance=distance) == wanted


def test_of_equal_documents_the_first_that_was_read_is_nearer() -> None:
    """So the same collection gives the same canaries; fewer documents than wanted are all of them."""
    pages = [(["b", "a"], np.ones((2, 2), np.float32)), (["c"], np.ones((1, 2), np.float32))]
    assert exact.nearest(pages, np.ones((1, 2), np.float32), depth=5) == [["b", "a", "c"]]
    assert exact.nearest([], QUESTIONS, depth=5) == [[]] * len(QUESTIONS)


def test_vectors_of_another_model_are_refused() -> None:
    """By their length, which is said; a distance that is not known too."""
    with pytest.raises(UsageError, match="8 numbers, those of questions 3"):
        exact.nearest(_pages(10), QUESTIONS[:, :3], depth=5)
    with pytest.raises(UsageError, match="manhattan"):
        exact.nearest(_pages(10), QUESTIONS, depth=5, distance="manhattan")


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[Any]]]:
    """An endpoint of embeddings that answers in reverse order, and what it got; a model "x" answers with its name."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append((self.path, self.headers.get("authorization"), wanted))
            rows = [{"index": i, "embedding": [len(text), 1]} for i, text in enumerate(wanted["input"])]
            found = {"none": {}, "short": {"data": rows[1:]}}.get(wanted["model"], {"data": rows[::-1]})
            body = json.dumps(found).encode()
            self.send_response(401 if wanted["model"] == "secret" else 503 if wanted["model"] == "busy" else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/", got
    server.shutdown()
    server.server_close()


def test_questions_are_embedded_in_their_order(endpoint: tuple[str, list[Any]]) -> None:
    """Some at a time, with the given headers."""
    url, got = endpoint
    texts = ["a" * (i + 1) for i in range(70)]
    found = exact.embed(url, "m", texts, [("Authorization", "Bearer k")])
    assert found.tolist() == [[i + 1, 1] for i in range(70)]
    assert [len(wanted["input"]) for _, _, wanted in got] == [64, 6]
    assert got[0][:2] == ("/v1/embeddings", "Bearer k")


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("none", SourceUnavailable, "holds no embeddings"),
        ("short", SourceUnavailable, "1 of 2 questions"),
        ("secret", UsageError, "HTTP 401"),
        ("busy", SourceUnavailable, "HTTP 503"),
    ],
)
def test_an_endpoint_that_does_not_embed_is_told(
    endpoint: tuple[str, list[Any]], model: str, error: type[Exception], words: str
) -> None:
    """Whether trying again can help is told by the error's class."""
    with pytest.raises(error, match=words):
        exact.embed(endpoint[0], model, ["a", "b"])


def test_an_address_that_is_none_or_where_nobody_answers_is_told() -> None:
    """Usage, and infrastructure."""
    with pytest.raises(UsageError, match="no address"):
        exact.embed("localhost:8080", "m", ["a"])
    with pytest.raises(SourceUnavailable, match="refused"):
        exact.embed("http://127.0.0.1:9/v1", "m", ["a"])
