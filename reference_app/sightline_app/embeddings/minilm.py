"""all-MiniLM-L6-v2 in this process, by ONNX Runtime: the default embedding, and what it shares with others there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sightline
from sightline import semconv
from sightline_app.corpus import Passage
from sightline_app.embeddings import graph_cache, weights
from sightline_app.embeddings.batching import Batcher
from sightline_app.embeddings.precision import Precision
from sightline_app.embeddings.protocol import Embedded, Matrix, Progress, passage_text
from sightline_app.embeddings.weights import DIMENSIONS, MAX_TOKENS
from sightline_app.settings import MiniLMSettings

NAME = "all-MiniLM-L6-v2"
PRECISION = "sightline_app.embedding.precision"
"""Attribute: how the model multiplies, a `Precision`."""
BATCH_SIZE = "sightline_app.embedding.batch.size"
"""Attribute: questions that were embedded together with this one, itself included."""
BATCH_WAIT = "sightline_app.embedding.batch.wait"
"""Attribute: seconds that the question waited for its batch to start."""
TOKENS_CUT = "sightline_app.embedding.tokens_cut"
"""Attribute: word pieces of the question beyond what the model reads, which the vector does not hold."""

_BATCH_TOKENS = 512
"""Word pieces of one batch: larger ones cost up to a third more CPU time a word piece, since they leave the caches."""
_BATCH_TEXTS = 64
_log = logging.getLogger("sightline.app")


@dataclass(frozen=True)
class Tokens:
    """A text as the model reads it."""

    ids: list[int]
    """Word pieces, [CLS] and [SEP] included; at most 256."""
    cut: int
    """Word pieces of the text that the model does not read."""


class SentenceModel:
    """A model from word pieces to unit vectors, run by ONNX Runtime on the CPU.

    Args:
        graph: serialized ONNX model with the inputs ``input_ids`` and ``attention_mask``, int64[n, length]; its first
            output is float[n, dimensions].
        tokenizer: JSON of the library `tokenizers`.
        settings: threads and batching.
        max_tokens: word pieces that the model reads; the rest of a text is cut off.
    """

    name: str
    model: str
    version: str
    provider = "onnxruntime"
    precision: str | None = None
    """How it multiplies, on spans; None where that is not known."""
    dimensions: int

    def __init__(self, graph: bytes, tokenizer: str, settings: MiniLMSettings, max_tokens: int) -> None:
        import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415  # a quarter second others do not need
        from tokenizers import Tokenizer  # noqa: PLC0415

        self._max_tokens = max_tokens
        self._tokenizer: Any = Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()  # done here, where it is counted
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        # Threads that spin while they wait take the time of everything else on the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._batcher: Batcher[list[int], NDArray[np.float32]] = Batcher(
            lambda batch: list(self._vectors(batch)), settings.batch_wait_ms / 1000, settings.batch_size
        )

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the word pieces of each text, and how many are beyond what the model reads."""
        found = (each.ids for each in self._tokenizer.encode_batch(list(texts)))
        most = self._max_tokens
        return [
            Tokens(ids if len(ids) <= most else [*ids[: most - 1], ids[-1]], max(0, len(ids) - most)) for ids in found
        ]

    def _vectors(self, batch: Sequence[list[int]]) -> Matrix:
        """Return float32[n, dimensions] of one padded batch."""
        longest = max(map(len, batch))
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros((len(batch), longest), np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return np.asarray(self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0])

    def embed_texts(self, texts: Sequence[str], progress: Progress) -> Matrix:
        """Return float32[n_texts, dimensions], rows of unit length; texts of like length are computed together."""
        read = self.tokens(texts)
        cut = sum(each.cut > 0 for each in read)
        if cut:
            _log.info(
                "%d of %d texts have more than %d word pieces; the rest of them is not in their vectors",
                cut,
                len(read),
                self._max_tokens,
            )
        result = np.zeros((len(read), self.dimensions), np.float32)
        done = 0
        for rows in batches([len(each.ids) for each in read]):
            result[rows] = self._vectors([read[row].ids for row in rows])
            done += len(rows)
            progress(done, len(read))
        return result

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""
        return self.embed_texts([passage_text(each) for each in passages], progress)

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector, computed together with those of other requests; the wait is a stage."""
        (tokens,) = self.tokens([question])
        request = self._batcher.submit(tokens.ids)
        try:
            with sightline.trace("embedding batch", stage=semconv.STAGE_QUEUE):
                start = await request.started
            vector = await request.result
        except asyncio.CancelledError:
            request.cancel()
            raise
        attributes = {
            PRECISION: self.precision,
            BATCH_SIZE: start.size,
            BATCH_WAIT: round(start.waited_s, 6),
            TOKENS_CUT: tokens.cut,
        }
        return Embedded(vector, len(tokens.ids), attributes)

    async def close(self) -> None:
        """End the worker thread after what it computes now."""
        self._batcher.close()


class MiniLM(SentenceModel):
    """Sentence vectors of 384 dimensions.

    Args:
        settings: precision, threads and batching.
        cache_dir: where the built graph is kept.

    Raises:
        WeightsMissing: the package of the weights is not installed.
        WeightsRefused: one of its files is not what it should be.
    """

    name = NAME
    model = NAME
    dimensions = DIMENSIONS

    def __init__(self, settings: MiniLMSettings, cache_dir: Path) -> None:
        precision = Precision(settings.precision)
        tokenizer = weights.read(weights.TOKENIZER).decode()
        super().__init__(graph_cache.graph(cache_dir, precision), tokenizer, settings, MAX_TOKENS)
        self.precision = str(precision)
        self.version = version(precision)


def version(precision: Precision) -> str:
    """Return the version of the vectors that a precision gives."""
    return f"{precision}-{graph_cache.RULES_VERSION}-{weights.SHA256[weights.WEIGHTS][:8]}"


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the rows of each batch, longest texts first: what is padded is little, and memory shows its peak at once.

    Args:
        lengths: word pieces of each text.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    at = 0
    while at < len(order):
        size = min(_BATCH_TEXTS, max(1, _BATCH_TOKENS // lengths[order[at]]))
        yield order[at : at + size]
        at += size
