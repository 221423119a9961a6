"""Exact search for canary questions: what a search finds that compares the question with every vector of a collection.

An approximate index (HNSW, quantized vectors) misses some of that. Pinned as what canaries should find (`expected`), it
makes their recall the recall against exact search, and later also shows documents that an index has lost.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline_evals.errors import SourceUnavailable, UsageError
from sightline_roles.settings import is_http_url

Matrix: TypeAlias = NDArray[np.float32]
Headers: TypeAlias = Sequence[tuple[str, str]]

DISTANCES: Final = ("cosine", "dot", "l2-squared")
_PAGE: Final = 500
_TEXTS_AT_ONCE: Final = 64


def nearest(
    pages: Iterable[tuple[Sequence[str], Matrix]], questions: Matrix, *, depth: int, distance: str = "cosine"
) -> list[list[str]]:
    """Find the documents nearest to each question among all of them.

    Args:
        pages: ids and float32[documents, numbers], some documents at a time; only the best are kept in memory.
        questions: float32[questions, numbers].
        depth: documents a question.
        distance: one of `DISTANCES`.

    Returns:
        Ids of each question's documents, the nearest first; of equal ones the first that was read.

    Raises:
        UsageError: documents have vectors of another length than the questions, or the distance is unknown.
    """
    if distance not in DISTANCES:
        raise UsageError(f"the distance {distance!r} is not among {', '.join(DISTANCES)}")
    ids: NDArray[np.object_] = np.empty((len(questions), 0), dtype=object)
    best = np.empty((len(questions), 0), dtype=np.float32)
    asked = _of_length_1(questions) if distance == "cosine" else questions
    for names, vectors in pages:
        if vectors.shape[1] != asked.shape[1]:
            raise UsageError(
                f"vectors of documents have {vectors.shape[1]} numbers, those of questions {asked.shape[1]}: "
                "questions must be embedded by the model of the collection"
            )
        likeness = np.concatenate([best, _likeness(asked, vectors, distance)], axis=1)
        every = np.concatenate([ids, np.tile(np.asarray(names, dtype=object), (len(asked), 1))], axis=1)
        order = np.argsort(-likeness, axis=1, kind="stable")[:, :depth]
        best, ids = np.take_along_axis(likeness, order, axis=1), np.take_along_axis(every, order, axis=1)
    return [[str(name) for name in row] for row in ids]


def _likeness(asked: Matrix, vectors: Matrix, distance: str) -> Matrix:
    match distance:
        case "cosine":
            return asked @ _of_length_1(vectors).T
        case "dot":
            return asked @ vectors.T
        case _:
            return np.asarray(2 * asked @ vectors.T - np.sum(vectors * vectors, axis=1), dtype=np.float32)


def _of_length_1(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class WeaviateCollection:
    """A collection in Weaviate, whose objects are read over its REST interface.

    Attributes:
        url: of the server, such as http://127.0.0.1:8080.
        name: of the collection.
        tenant: of a collection with tenants; empty otherwise.
        vector: name of the vector that is searched; empty where there is one.
        id_property: property that documents are called by on search spans; empty is the object's own id.
        headers: further header fields, such as an API key.

    Source: https://docs.weaviate.io/weaviate/manage-objects/read-all-objects
    """

    url: str
    name: str
    tenant: str = ""
    vector: str = ""
    id_property: str = ""
    headers: Headers = ()

    def distance(self) -> str:
        """By which the collection's index compares vectors.

        Raises:
            UsageError: there is no such collection, or no such vector.
            SourceUnavailable: the server does not answer.
        """
        found = _ask(f"{self.url}/v1/schema/{urllib.parse.quote(self.name, safe='')}", self.headers)
        named: dict[str, Any] = found.get("vectorConfig") or {"": found}
        if not self.vector and len(named) > 1:
            raise UsageError(f"{self.name} has the vectors {', '.join(sorted(named))}: say which with --vector")
        config = named.get(self.vector) if self.vector else next(iter(named.values()))
        if config is None:
            raise UsageError(f"{self.name} has no vector {self.vector!r}, but {', '.join(sorted(named))}")
        return str((config.get("vectorIndexConfig") or {}).get("distance") or "cosine")

    def pages(self) -> Iterator[tuple[list[str], Matrix]]:
        """Every object with a vector, some at a time: ids and float32[objects, numbers].

        Raises:
            UsageError: there is no such collection, tenant or property.
            SourceUnavailable: the server does not answer.
        """
        after = ""
        while True:
            wanted = {"class": self.name, "limit": str(_PAGE), "include": "vector", "after": after}
            if self.tenant:
                wanted["tenant"] = self.tenant
            found = _ask(f"{self.url}/v1/objects?{urllib.parse.urlencode(wanted)}", self.headers)
            objects = found.get("objects") or []
            if not objects:
                return
            after = str(objects[-1]["id"])
            pairs = [(self._id(each), vector) for each in objects if (vector := self._vector(each))]
            if pairs:
                yield [name for name, _ in pairs], np.asarray([vector for _, vector in pairs], dtype=np.float32)

    def _id(self, item: dict[str, Any]) -> str:
        if not self.id_property:
            return str(item["id"])
        try:
            return str(item["properties"][self.id_property])
        except KeyError as exc:
            raise UsageError(f"object {item['id']} of {self.name} has no property {self.id_property!r}") from exc

    def _vector(self, item: dict[str, Any]) -> Any:
        named = item.get("vectors") or {}
        return (named.get(self.vector) if self.vector else next(iter(named.values()), None)) or item.get("vector")


def embed(url: str, model: str, texts: Sequence[str], headers: Headers = ()) -> Matrix:
    """Embed questions by an endpoint that speaks OpenAI's API.

    Args:
        url: its base, such as http://127.0.0.1:8081/v1.
        model: by its name there.
        texts: what is embedded.
        headers: further header fields, such as an API key.

    Returns:
        float32[texts, numbers].

    Raises:
        UsageError: the address cannot be used, or the endpoint refuses.
        SourceUnavailable: it does not answer, or with something else.

    Source: https://platform.openai.com/docs/api-reference/embeddings/create
    """
    rows: list[Any] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        wanted = {"model": model, "input": list(texts[start : start + _TEXTS_AT_ONCE])}
        found = _ask(f"{url.rstrip('/')}/embeddings", headers, json.dumps(wanted).encode())
        try:
            rows += [each["embedding"] for each in sorted(found["data"], key=lambda each: each["index"])]
        except (KeyError, TypeError) as exc:
            raise SourceUnavailable(url, "what it answers holds no embeddings") from exc
    if len(rows) != len(texts) or len({len(row) for row in rows}) != 1:
        raise SourceUnavailable(url, f"it embedded {len(rows)} of {len(texts)} questions, or in several lengths")
    return np.asarray(rows, dtype=np.float32)


def _ask(url: str, headers: Headers, body: bytes | None = None, timeout_s: float = 60.0) -> dict[str, Any]:
    if not is_http_url(url):
        raise UsageError(f"{url!r} is no address; write one such as http://127.0.0.1:8080")
    request = urllib.request.Request(url, body)  # noqa: S310 - the scheme was checked
    if body is not None:
        request.add_header("Content-Type", "application/json")
    for name, value in headers:
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            found = json.load(answer)
    except urllib.error.HTTPError as exc:
        with exc:
            told = exc.read(500).decode(errors="replace").strip()
        if exc.code in (400, 401, 403, 404, 405, 422):
            raise UsageError(f"{url} answers HTTP {exc.code}: {told}") from exc
        raise SourceUnavailable(url, f"HTTP {exc.code}: {told}") from exc
    except (OSError, ValueError) as exc:
        raise SourceUnavailable(url, str(getattr(exc, "reason", exc)) or type(exc).__name__) from exc
    return found if isinstance(found, dict) else {}
