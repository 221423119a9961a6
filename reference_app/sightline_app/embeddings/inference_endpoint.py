"""Any server of the Open Inference Protocol, such as Triton, KServe or MLServer, with a model from texts to vectors.

The model reads texts (BYTES): its tokenizer is on the server, in front of the network, as an ensemble or in Python.
That the server is ready, and that the model has such tensors, is checked when the embedding is made. Concurrent
questions go to the server one by one, since batching them is the server's own work. Each request carries
``traceparent``, so spans that the server exports are part of the question's trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
from opentelemetry.propagate import inject

from sightline_app.corpus import Passage
from sightline_app.embeddings import inference_messages as messages
from sightline_app.embeddings.protocol import Embedded, Matrix, Progress, passage_text, unit
from sightline_app.errors import EmbeddingUnavailable, InvalidSetting
from sightline_app.settings import InferenceSettings

KIND = "oip"
"""What names of such embeddings begin with in manifests, and the value of SIGHTLINE_EMBEDDING."""


class InferenceEmbedding:
    """One model of such a server.

    Args:
        settings: address, model, tensors and size of batches.
        timeout_s: longest wait for an answer.

    Raises:
        InvalidSetting: address or model are not set, or the model has no such tensors.
        EmbeddingUnavailable: the server is not ready or does not have the model.
    """

    def __init__(self, settings: InferenceSettings, timeout_s: float) -> None:
        if not (settings.url and settings.model):
            raise InvalidSetting("SIGHTLINE_EMBEDDING", KIND, "set SIGHTLINE_OIP_URL and SIGHTLINE_OIP_MODEL as well")
        self.name = f"{KIND}:{settings.model}"
        self.model = settings.model
        self._url = settings.url.rstrip("/")
        self._path = f"{self._url}/v2/models/{settings.model}"
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None
        with httpx.Client(timeout=timeout_s) as client:
            server = self._ready(client)
            metadata = self._get(client, self._path)
            self._batch_size = self._largest_batch(client, settings.batch_size)
        try:
            self._model = messages.read_model(metadata, settings.input, settings.output)
        except ValueError as exc:
            raise InvalidSetting("SIGHTLINE_OIP_MODEL", settings.model, f"{exc} ({self._path})") from exc
        self.provider = str(server.get("name") or KIND)
        self._binary = messages.BINARY in (server.get("extensions") or ())
        self.dimensions = self._model.dimensions
        told = "|".join([self._url, settings.model, self._model.input, self._model.output, *self._model.versions])
        self.version = hashlib.sha256(told.encode()).hexdigest()[:12]

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""
        parts: list[Matrix] = []
        with httpx.Client(timeout=self._timeout_s) as client:
            for start in range(0, len(passages), self._batch_size):
                texts = [passage_text(each) for each in passages[start : start + self._batch_size]]
                body, headers = messages.encode(texts, self._model, binary=self._binary)
                try:
                    response = client.post(f"{self._path}/infer", content=body, headers=headers)
                except httpx.HTTPError as exc:
                    raise self._unavailable(exc) from exc
                parts.append(self._vectors(response, len(texts)))
                progress(start + len(texts), len(passages))
        result = np.concatenate(parts)
        self.dimensions = int(result.shape[1])
        return result

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector; how many tokens the model read, the protocol does not say."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s)
        body, headers = messages.encode([question], self._model, binary=self._binary)
        inject(headers)
        try:
            response = await self._client.post(f"{self._path}/infer", content=body, headers=headers)
        except httpx.HTTPError as exc:
            raise self._unavailable(exc) from exc
        return Embedded(self._vectors(response, 1)[0], None)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _ready(self, client: httpx.Client) -> Mapping[str, Any]:
        """Return the server's metadata, once it says that it is ready."""
        try:
            status = client.get(f"{self._url}/v2/health/ready").status_code
        except httpx.HTTPError as exc:
            raise self._unavailable(exc) from exc
        if status != httpx.codes.OK:
            raise EmbeddingUnavailable(f"{self.name} at {self._url}: the server is not ready ({status})")
        return self._get(client, f"{self._url}/v2")

    def _largest_batch(self, client: httpx.Client, wanted: int) -> int:
        """Return how many texts a request may have: Triton says it in its configuration, other servers do not."""
        try:
            config = client.get(f"{self._path}/config")
            most = int(config.json()["max_batch_size"]) if config.status_code == httpx.codes.OK else 0
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            most = 0
        return min(wanted, most) if most else wanted

    def _get(self, client: httpx.Client, url: str) -> Mapping[str, Any]:
        try:
            response = client.get(url)
        except httpx.HTTPError as exc:
            raise self._unavailable(exc) from exc
        self._check(response)
        try:
            told = response.json()
        except ValueError as exc:
            raise self._unavailable(exc) from exc
        return told if isinstance(told, dict) else {}

    def _vectors(self, response: httpx.Response, rows: int) -> Matrix:
        self._check(response)
        try:
            return unit(messages.decode(response.content, response.headers, self._model, rows))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise self._unavailable(exc) from exc

    def _check(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.OK:
            said = " ".join(response.text.split())[:200]
            raise EmbeddingUnavailable(f"{self.name} at {self._url} answered {response.status_code}: {said}")

    def _unavailable(self, exc: Exception) -> EmbeddingUnavailable:
        return EmbeddingUnavailable(f"{self.name} at {self._url}: {exc or type(exc).__name__}")
