"""Embeddings: an OpenAI-compatible endpoint, a local ONNX model, or the built-in lexical one.

``auto`` takes the first that can be had, in this order:

1. ``openai``: when ``SIGHTLINE_EMBEDDINGS_BASE_URL`` is set;
2. ``onnx``: when the ``onnx`` extra (fastembed) is installed and the model's files are cached or can be downloaded;
3. ``lexical``: TF-IDF with truncated SVD (latent semantic analysis), fitted on the corpus at ingest. No model is
   involved: it knows only the words of the corpus and which of them occur together.

What was chosen is part of the index: questions are embedded with the embedding that the passages were embedded with.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sightline_app.analysis import expansions, terms
from sightline_app.corpus import Passage
from sightline_app.errors import CorpusError, EmbeddingUnavailable, InvalidSetting
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.settings import AppSettings

Matrix = NDArray[np.float32]
Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)
_RULES_VERSION = "5"
_EXPANSION_WEIGHT = 0.4
_HUB = ("huggingface.co", 443)


@dataclass(frozen=True)
class Embedded:
    """A question's vector (float32[dimensions], unit length) and the tokens it cost."""

    vector: NDArray[np.float32]
    input_tokens: int


class Embedding(Protocol):
    """Text to unit vectors."""

    name: str
    """``lexical``, ``onnx:model`` or ``openai:model``: what spans and the dashboard show."""
    version: str
    """Changes when vectors of one version cannot be compared with another's."""
    dimensions: int
    """Length of the vectors; 0 until known."""

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector.

        Raises:
            EmbeddingUnavailable: the endpoint did not answer.
        """


def unit(matrix: NDArray[Any]) -> Matrix:
    """Scale rows to unit length; rows of zeros stay zeros."""
    lengths = np.linalg.norm(matrix, axis=-1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


class LexicalEmbedding:
    """TF-IDF over stems and the parts of names, reduced by truncated SVD.

    Args:
        lexicon: document frequencies of the corpus that it was fitted on.
        vocabulary: term -> column.
        projection: float32[n_terms, dimensions], inverse document frequency already inside.
        version: hash of the corpus and the rules.
    """

    name = "lexical"

    def __init__(self, lexicon: Lexicon, vocabulary: dict[str, int], projection: Matrix, version: str) -> None:
        self.lexicon = lexicon
        self._vocabulary = vocabulary
        self._projection = projection
        self.version = version
        self.dimensions = int(projection.shape[1])

    @classmethod
    def fit(cls, passages: Sequence[Passage], lexicon: Lexicon, content: str, dimensions: int) -> LexicalEmbedding:
        """Fit on a corpus.

        Args:
            passages: the corpus.
            lexicon: its document frequencies.
            content: version of the corpus, part of the embedding's version.
            dimensions: wanted; fewer come out of a corpus too small for them.
        """
        from scipy.sparse import csr_matrix  # noqa: PLC0415
        from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415

        vocabulary = {
            term: column for column, term in enumerate(lexicon.vocabulary(least=2 if len(passages) > 50 else 1))
        }
        rows, columns, values = [], [], []
        for row, passage in enumerate(passages):
            weights = _weights({t: c for t, c in weighted_terms(passage).items() if t in vocabulary}, lexicon)
            for term, value in weights.items():
                rows.append(row)
                columns.append(vocabulary[term])
                values.append(value)
        shape = (len(passages), len(vocabulary))
        if min(shape) == 0:
            raise CorpusError("the corpus holds no words that could be indexed")
        matrix = csr_matrix((np.asarray(values, dtype=np.float32), (rows, columns)), shape=shape)
        wanted = min(dimensions, min(shape) - 1)
        if wanted < 2:  # a corpus of a passage or two: the terms themselves are the dimensions
            components = np.eye(len(vocabulary), dtype=np.float32)[:, : max(dimensions, 2)]
        else:
            reduction = TruncatedSVD(n_components=wanted, algorithm="randomized", n_iter=4, random_state=0)
            reduction.fit(matrix)
            components = np.ascontiguousarray(reduction.components_.T, dtype=np.float32)
        told = f"{_RULES_VERSION}|{components.shape[1]}|{content}"
        return cls(lexicon, vocabulary, components, hashlib.sha256(told.encode()).hexdigest()[:12])

    def _project(self, counts: dict[str, float]) -> NDArray[np.float32]:
        weights = _weights(counts, self.lexicon)
        known = [(self._vocabulary[term], value) for term, value in weights.items() if term in self._vocabulary]
        if not known:
            return np.zeros(self.dimensions, dtype=np.float32)
        columns, values = zip(*known, strict=True)
        return np.asarray(np.asarray(values, dtype=np.float32) @ self._projection[list(columns)], dtype=np.float32)

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""
        result = np.zeros((len(passages), self.dimensions), dtype=np.float32)
        for row, passage in enumerate(passages):
            result[row] = self._project(weighted_terms(passage))
            if row % 256 == 255 or row + 1 == len(passages):
                progress(row + 1, len(passages))
        return unit(result)

    def embed_text(self, text: str) -> Embedded:
        """Return the vector of any text; related words count a little."""
        counts: dict[str, float] = {}
        found = terms(text)
        for term in found:
            counts[term] = counts.get(term, 0.0) + 1.0
        for term in expansions(text):
            counts[term] = _EXPANSION_WEIGHT
        return Embedded(unit(self._project(counts)), len(text.split()))

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector; all zeros when the corpus knows none of its words."""
        return self.embed_text(question)

    def save(self, folder: Path) -> None:
        """Write ``lexical.npz`` and ``lexical.json``: numbers and text, nothing that runs when loaded."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lexical.npz").open("wb") as out:
            np.savez_compressed(out, projection=self._projection.astype(np.float16))
        self.lexicon.save(folder / "lexicon.json")
        vocabulary = sorted(self._vocabulary, key=self._vocabulary.__getitem__)
        (folder / "lexical.json").write_text(json.dumps({"version": self.version, "vocabulary": vocabulary}))

    @classmethod
    def load(cls, folder: Path) -> LexicalEmbedding:
        """Read what :meth:`save` wrote.

        Raises:
            CorpusError: missing or damaged.
        """
        try:
            stored = json.loads((folder / "lexical.json").read_text())
            with np.load(folder / "lexical.npz", allow_pickle=False) as arrays:
                projection = arrays["projection"].astype(np.float32)
        except (OSError, ValueError, KeyError) as exc:
            raise CorpusError(
                f"the embedding in {folder} cannot be read ({exc}); run `sightline-app ingest --force`"
            ) from exc
        vocabulary = {term: column for column, term in enumerate(stored["vocabulary"])}
        return cls(Lexicon.load(folder / "lexicon.json"), vocabulary, projection, stored["version"])


def _weights(counts: dict[str, float], lexicon: Lexicon) -> dict[str, float]:
    """Return unit-length TF-IDF weights with damped counts."""
    raw = {
        term: (1.0 + float(np.log(count))) * lexicon.idf(term) if count >= 1 else count * lexicon.idf(term)
        for term, count in counts.items()
    }
    length = float(np.sqrt(sum(value * value for value in raw.values()))) or 1.0
    return {term: value / length for term, value in raw.items()}


def _passage_text(passage: Passage) -> str:
    return "\n".join(part for part in (passage.title, passage.context, passage.text) if part)


class OpenAIEmbedding:
    """Any endpoint with OpenAI's /v1/embeddings.

    Args:
        base_url: such as ``https://host/v1``.
        api_key: sent as a bearer token.
        model: model name.
        timeout_s: longest wait for an answer.
        dimensions: known from the index, or 0 before the first call.
    """

    def __init__(self, base_url: str, api_key: str, model: str, timeout_s: float, dimensions: int = 0) -> None:
        self.name = f"openai:{model}"
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
                    texts = [_passage_text(passage) for passage in passages[start : start + 64]]
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
        return Embedded(vector, int(answer.usage.prompt_tokens) if answer.usage else 0)


class OnnxEmbedding:
    """A sentence-embedding model run by fastembed (ONNX Runtime, CPU).

    Args:
        model: fastembed's model name.
        cache_dir: where model files are kept.
        download: whether files may be fetched when they are not cached.
    """

    def __init__(self, model: str, cache_dir: Path, *, download: bool) -> None:
        from fastembed import TextEmbedding  # noqa: PLC0415

        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        folder = str(cache_dir / "models")
        self.name = f"onnx:{model}"
        self.version = hashlib.sha256(self.name.encode()).hexdigest()[:12]
        self._model: Any = TextEmbedding(model_name=model, cache_dir=folder, local_files_only=not download)
        self.dimensions = len(next(iter(self._model.embed(["size"]))))

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return float32[n_passages, dimensions], rows of unit length."""
        rows = []
        for vector in self._model.passage_embed([_passage_text(passage) for passage in passages]):
            rows.append(vector)
            progress(len(rows), len(passages))
        return unit(np.asarray(rows, dtype=np.float32))

    async def embed_question(self, question: str) -> Embedded:
        """Return the question's vector, computed in a thread."""
        vector = await asyncio.to_thread(lambda: next(iter(self._model.query_embed([question]))))
        return Embedded(unit(np.asarray(vector, dtype=np.float32)), len(question.split()))


def find_onnx(settings: AppSettings) -> OnnxEmbedding | None:
    """Return the ONNX embedding if its package and files can be had, within a few seconds; never raises."""
    if importlib.util.find_spec("fastembed") is None:
        return None
    with contextlib.suppress(ImportError):  # fastembed's own log, which tells of each file it does not find
        from loguru import logger as fastembed_log  # noqa: PLC0415

        fastembed_log.disable("fastembed")
    quiet = [logging.getLogger(name) for name in ("fastembed", "huggingface_hub")]
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.CRITICAL)
        with contextlib.suppress(Exception):
            return OnnxEmbedding(settings.onnx_model, settings.cache_dir, download=False)
        if not _reachable(_HUB):
            _log.info("%s is neither cached nor reachable: the built-in lexical embedding is used", settings.onnx_model)
            return None
        with contextlib.suppress(Exception):
            return OnnxEmbedding(settings.onnx_model, settings.cache_dir, download=True)
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
    return None


def _reachable(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1.5):
            return True
    except OSError:
        return False


def choose(settings: AppSettings, fit: Callable[[], LexicalEmbedding]) -> Embedding:
    """Return the embedding to index with.

    Args:
        settings: what is wished for.
        fit: builds the lexical embedding, called only when it is the choice.

    Raises:
        InvalidSetting: the one asked for by name cannot be had.
    """
    if settings.embedding in {"auto", "openai"} and settings.embeddings_base_url:
        return OpenAIEmbedding(
            settings.embeddings_base_url,
            settings.embeddings_api_key,
            settings.embeddings_model,
            settings.model_timeout_s,
        )
    if settings.embedding == "openai":
        raise InvalidSetting("SIGHTLINE_EMBEDDING", "openai", "set SIGHTLINE_EMBEDDINGS_BASE_URL as well")
    if settings.embedding in {"auto", "onnx"} and (onnx := find_onnx(settings)) is not None:
        return onnx
    if settings.embedding == "onnx":
        raise InvalidSetting(
            "SIGHTLINE_EMBEDDING",
            "onnx",
            f'install it with `pip install "sightline-platform[onnx]"` and let it fetch {settings.onnx_model} once',
        )
    return fit()


def load(name: str, dimensions: int, folder: Path, settings: AppSettings) -> Embedding:
    """Return the embedding that an index was built with.

    Raises:
        InvalidSetting: it needs a setting or a package that is not there now.
        CorpusError: the fitted embedding is missing or damaged.
    """
    if name == LexicalEmbedding.name:
        return LexicalEmbedding.load(folder)
    kind, _, model = name.partition(":")
    if kind == "openai":
        if not settings.embeddings_base_url:
            raise InvalidSetting(
                "SIGHTLINE_EMBEDDINGS_BASE_URL", "", f"the index was built with {name}; set it, or ingest again"
            )
        return OpenAIEmbedding(
            settings.embeddings_base_url, settings.embeddings_api_key, model, settings.model_timeout_s, dimensions
        )
    onnx = find_onnx(settings)
    if onnx is None or onnx.name != name:
        raise InvalidSetting(
            "SIGHTLINE_ONNX_MODEL", settings.onnx_model, f"the index was built with {name}; ingest again"
        )
    return onnx
