"""A local double of the part of Pinecone's data plane API that the app uses: one index, exact, in memory.

It refuses what Pinecone refuses (zeros, wrong dimensions, nested metadata, too many vectors in a request), and can be
told to show writes late, as Pinecone does. It proves how the client is used, and nothing about Pinecone itself.

Source: https://docs.pinecone.io/reference/api/2025-10/data-plane
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_MOST_VECTORS, _MOST_BYTES = 1000, 2_000_000


class Refused(Exception):
    """A request that Pinecone answers with an error."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Namespace:
    """Vectors by id, and the moment from which each is found."""

    vectors: dict[str, tuple[Any, dict[str, Any], float]] = field(default_factory=dict)

    def visible(self) -> dict[str, tuple[Any, dict[str, Any], float]]:
        """Return what a search finds now."""
        now = time.monotonic()
        return {name: each for name, each in self.vectors.items() if each[2] <= now}


class PineconeDouble:
    """The server, on a free port of loopback.

    Args:
        dimensions: of the index.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.late_s = 0.0
        """Seconds until a write is seen."""
        self.keys: set[str] = set()
        """API keys that were sent."""
        self._namespaces: dict[str, Namespace] = {}
        self._lock = threading.Lock()
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                double.keys.add(self.headers["api-key"])
                try:
                    answer, status = double._answer(self.path, body), 200
                except Refused as exc:
                    answer, status = {"code": 3, "message": str(exc), "details": []}, exc.status
                sent = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, body: bytes) -> dict[str, Any]:
        asked = json.loads(body or b"{}")
        with self._lock:
            if path == "/vectors/upsert":
                return self._upsert(asked, len(body))
            if path == "/query":
                return self._query(asked)
            if path == "/vectors/delete":
                return self._delete(asked)
            if path == "/describe_index_stats":
                return self._stats()
        raise Refused(f"no such endpoint: {path}", 404)

    def _upsert(self, asked: dict[str, Any], size: int) -> dict[str, Any]:
        vectors = asked["vectors"]
        if len(vectors) > _MOST_VECTORS or size > _MOST_BYTES:
            raise Refused(f"{len(vectors)} vectors and {size} bytes in a request")
        found = self._namespaces.setdefault(asked.get("namespace", ""), Namespace())
        visible_from = time.monotonic() + self.late_s
        for each in vectors:
            values = self._checked(each["values"])
            for value in each.get("metadata", {}).values():
                is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
                if not (is_list or isinstance(value, str | int | float | bool)):
                    raise Refused("Metadata value must be a string, number, boolean or list of strings")
            found.vectors[each["id"]] = (values, each.get("metadata", {}), visible_from)
        return {"upsertedCount": len(vectors)}

    def _checked(self, values: list[float]) -> Any:
        if len(values) != self.dimensions:
            raise Refused(f"Vector dimension {len(values)} does not match the dimension of the index {self.dimensions}")
        if not any(values):
            raise Refused("Dense vectors must contain at least one non-zero value")
        vector = np.asarray(values, np.float32)
        return vector / np.linalg.norm(vector)

    def _query(self, asked: dict[str, Any]) -> dict[str, Any]:
        namespace = self._namespaces.get(asked.get("namespace", ""), Namespace())
        vector = self._checked(asked["vector"])
        wanted = asked.get("filter")
        found = {name: each for name, each in namespace.visible().items() if wanted is None or matches(wanted, each[1])}
        names = list(found)
        scores = np.stack([found[name][0] for name in names]) @ vector if names else np.zeros(0)
        best = np.argsort(-scores, kind="stable")[: asked["topK"]]
        return {
            "namespace": asked.get("namespace", ""),
            "matches": [
                {
                    "id": names[place],
                    "score": float(scores[place]),
                    **({"metadata": found[names[place]][1]} if asked.get("includeMetadata") else {}),
                }
                for place in best
            ],
            "usage": {"readUnits": 1},
        }

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked.get("namespace", "")
        if name not in self._namespaces:
            raise Refused("Namespace not found", 404)
        held = self._namespaces[name].vectors
        if asked.get("deleteAll"):
            del self._namespaces[name]
        elif "filter" in asked:
            for each in [key for key, value in held.items() if matches(asked["filter"], value[1])]:
                del held[each]
        else:
            for each in asked["ids"]:
                held.pop(each, None)
        return {}

    def _stats(self) -> dict[str, Any]:
        counts = {name: {"vectorCount": len(each.visible())} for name, each in self._namespaces.items()}
        total = sum(each["vectorCount"] for each in counts.values())
        return {"namespaces": counts, "dimension": self.dimensions, "indexFullness": 0, "totalVectorCount": total}


def matches(wanted: dict[str, Any], metadata: dict[str, Any]) -> bool:
    """Whether metadata holds a filter, in the part of Pinecone's filter language that the app uses."""
    for key, condition in wanted.items():
        if key == "$and":
            if not all(matches(each, metadata) for each in condition):
                return False
            continue
        value = metadata.get(key)
        for operator, operand in condition.items():
            if operator == "$eq":
                holds = value == operand
            elif operator == "$in":
                holds = value in operand
            elif operator == "$gte":
                holds = value is not None and value >= operand
            else:
                raise Refused(f"unknown operator {operator}")
            if not holds:
                return False
    return True
