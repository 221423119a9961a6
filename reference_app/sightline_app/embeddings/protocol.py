"""What every embedding offers: unit vectors of passages and of questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sightline_app.corpus import Passage

Matrix = NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Embedded:
    """A question's vector."""

    vector: NDArray[np.float32]
    """float32[dimensions], unit length."""
    input_tokens: int | None
    """Tokens that the model read; None where its server does not say."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What else the span of the embedding says: precision, batch, tokens cut off."""


class Embedding(Protocol):
    """Text to unit vectors."""

    name: str
    """Kind and model, as in the manifest of an index: ``all-MiniLM-L6-v2``, ``openai:text-embedding-3-small``,
    ``oip:minilm``."""
    model: str
    """Name of the model on spans."""
    provider: str
    """Who computes, as `gen_ai.provider.name` on spans; it decides what a token costs."""
    version: str
    """Vectors of different versions cannot be compared."""
    dimensions: int
    """Length of the vectors; 0 until known."""

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector.

        Raises:
            EmbeddingUnavailable: the endpoint did not answer.
        """

    async def close(self) -> None:
        """Let go of connections and threads, after the last question."""


def unit(matrix: NDArray[Any]) -> Matrix:
    """Scale rows to unit length; rows of zeros stay zeros."""
    lengths = np.linalg.norm(matrix, axis=-1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def passage_text(passage: Passage) -> str:
    """Return what models read of a passage: title, context and text."""
    return "\n".join(part for part in (passage.title, passage.context, passage.text) if part)
