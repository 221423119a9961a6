"""Any endpoint with OpenAI's /v1/embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Embedded, Matrix, Progress, passage_text, unit
from sightline_app.errors import EmbeddingUnavailable


class OpenAIEmbedding:
    """Any endpoint with OpenAI's /v1/embeddings.

    Args:
        base_url: such as ``https://host/v1``.
        api_key: sent as a bearer token.
        model: model name.
        timeout_s: longest wait for an answer.
        dimensions: known from the index, or 0 before the first call.
    """

    provider = "openai"

    def __init__(self, base_url: str, api_key: str, model: str, timeout_s: float, dimensions: int = 0) -> None:
        self.name = f"openai:{model}"
        self.model = model
        self.version = hashlib.sha256(f"{base_url}|{model}".encode()).hexdigest()[:12]
        self.dimensions = dimensions
        self._model = model
        self._arguments: dict[str, Any] = {
            "base_url": base_url,
            "api_key": api_key,
            "timeout": timeout_s,
            "max_retries": 2,
        }
        self._client: Any = None

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length; 64 passages a call."""
        from openai import OpenAI, OpenAIError  # noqa: PLC0415

        rows: list[list[float]] = []
        try:
            with OpenAI(**self._arguments) as client:
                for start in range(0, len(passages), 64):
                    texts = [passage_text(passage) for passage in passages[start : start + 64]]
                    answer = client.embeddings.create(model=self._model, input=texts, encoding_format="float")
                    rows.extend(item.embedding for item in sorted(answer.data, key=lambda item: item.index))
                    progress(len(rows), len(passages))
        except OpenAIError as exc:
            raise EmbeddingUnavailable(f"{self.name} at {self._arguments['base_url']}: {exc}") from exc
        result = unit(np.asarray(rows, dtype=np.float32))
        self.dimensions = int(result.shape[1])
        return result

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector and the tokens that the endpoint reports."""
        from openai import AsyncOpenAI, OpenAIError  # noqa: PLC0415

        if self._client is None:
            self._client = AsyncOpenAI(**self._arguments)
        try:
            answer = await self._client.embeddings.create(model=self._model, input=[question], encoding_format="float")
        except OpenAIError as exc:
            raise EmbeddingUnavailable(f"{self.name} at {self._arguments['base_url']}: {exc}") from exc
        vector = unit(np.asarray(answer.data[0].embedding, dtype=np.float32))
        return Embedded(vector, int(answer.usage.prompt_tokens) if answer.usage else None)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
