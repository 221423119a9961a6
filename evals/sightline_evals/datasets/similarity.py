"""How alike texts are: the cosine between their vectors, each text against those before it.

Two kinds of vectors. `CharacterGrams` needs no model: TF-IDF of character n-grams (3 to 5, inside words), which sees
the same words in other forms and orders but no paraphrase in other words. `SentenceVectors` are those of a sentence
embedding, from an ONNX file or through fastembed, which sees paraphrases too.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sightline_evals.errors import UsageError
from sightline_evals.onnx_model import OnnxModel, outputs

FASTEMBED: Final = "fastembed:"
"""Before the name of one of fastembed's models."""
_GRAM_LENGTHS: Final = (3, 4, 5)
_PUNCTUATION: Final = "?!.,;:\"'()[]“”«»…¿¡"  # not # and +, by which names differ
_BATCH_TEXTS: Final = 64
_MAX_TOKENS: Final = 512


class Similarity(Protocol):
    """The cosines of a fixed sequence of texts."""

    name: str
    """What the vectors are, for reports."""

    def to_earlier(self, index: int) -> NDArray[np.float64]:
        """Cosines of text `index` with those before it, float64[index]."""
        ...


class CharacterGrams:
    """TF-IDF vectors of character n-grams, kept as an inverted index.

    A text is compared after Unicode's NFKC without regard to case, each word without the punctuation around it and with
    a space on both sides. Weights are term frequency times ln((1 + n) / (1 + document frequency)) + 1; vectors have
    length 1.
    """

    name = f"TF-IDF of character {_GRAM_LENGTHS[0]}- to {_GRAM_LENGTHS[-1]}-grams"

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(_grams(text)) for text in texts]
        documents = Counter(gram for count in counts for gram in count)
        idf = {gram: math.log((1 + len(texts)) / (1 + count)) + 1 for gram, count in documents.items()}
        number_of = {gram: number for number, gram in enumerate(documents)}
        in_texts: list[list[int]] = [[] for _ in documents]
        with_weights: list[list[float]] = [[] for _ in documents]
        # A text's vector: its n-grams, their weights, and how many earlier texts have each of them.
        self._vectors: list[tuple[list[int], list[float], list[int]]] = []
        for index, count in enumerate(counts):
            length = math.sqrt(sum((times * idf[gram]) ** 2 for gram, times in count.items()))
            grams = [number_of[gram] for gram in count]
            weights = [times * idf[gram] / length for gram, times in count.items()]
            self._vectors.append((grams, weights, [len(in_texts[gram]) for gram in grams]))
            for gram, weight in zip(grams, weights, strict=True):
                in_texts[gram].append(index)
                with_weights[gram].append(weight)
        self._in_texts = [np.array(indices, dtype=np.int64) for indices in in_texts]
        self._with_weights = [np.array(weights) for weights in with_weights]

    def to_earlier(self, index: int) -> NDArray[np.float64]:
        """Cosines of text `index` with those before it, float64[index]; 0 beside a text without a word."""
        shared = [vector for vector in zip(*self._vectors[index], strict=True) if vector[2]]
        if not shared:
            return np.zeros(index)
        texts = np.concatenate([self._in_texts[gram][:earlier] for gram, _, earlier in shared])
        products = np.concatenate([self._with_weights[gram][:earlier] * weight for gram, weight, earlier in shared])
        return np.minimum(np.bincount(texts, weights=products, minlength=index), 1.0)


class SentenceVectors:
    """Vectors of a sentence embedding.

    Args:
        name: the embedding.
        vectors: float[n_texts, dimensions], of any length; a vector of zeros is like nothing.
    """

    def __init__(self, name: str, vectors: NDArray[Any]) -> None:
        self.name = name
        wide = np.asarray(vectors, dtype=np.float64)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        self._vectors = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)

    def to_earlier(self, index: int) -> NDArray[np.float64]:
        """Cosines of text `index` with those before it, float64[index]."""
        cosines: NDArray[np.float64] = self._vectors[:index] @ self._vectors[index]
        return np.clip(cosines, -1.0, 1.0)


def similarity(texts: Sequence[str], embedding: str | None) -> Similarity:
    """The similarity of texts by an embedding.

    Args:
        texts: what is compared.
        embedding: None for `CharacterGrams`; `fastembed:MODEL`; or an ONNX file with its `tokenizer.json` beside it.

    Raises:
        UsageError: there is no such file or model, or a package that it needs is not installed.
    """
    if not embedding:
        return CharacterGrams(texts)
    if embedding.startswith(FASTEMBED):
        return SentenceVectors(embedding, _fastembed_vectors(texts, embedding.removeprefix(FASTEMBED)))
    return SentenceVectors(embedding, _onnx_vectors(texts, Path(embedding)))


def _grams(text: str) -> list[str]:
    bare = (word.strip(_PUNCTUATION) or word for word in unicodedata.normalize("NFKC", text).casefold().split())
    words = [f" {word} " for word in bare]
    return [
        word[start : start + length]
        for word in words
        for length in _GRAM_LENGTHS
        for start in range(len(word) - length + 1)
    ]


def _fastembed_vectors(texts: Sequence[str], model: str) -> NDArray[Any]:
    try:
        from fastembed import TextEmbedding  # noqa: PLC0415 - optional
    except ImportError as exc:
        raise UsageError(f'{FASTEMBED}{model} needs fastembed: pip install "sightline-platform[onnx]"') from exc
    try:
        return np.array(list(TextEmbedding(model).embed(list(texts), batch_size=_BATCH_TEXTS)))
    except Exception as exc:
        raise UsageError(f"fastembed cannot use {model!r}: {' '.join(str(exc).split())[:300]}") from exc


def _onnx_vectors(texts: Sequence[str], path: Path) -> NDArray[Any]:
    """float32[n_texts, dimensions]: the mean of the last hidden state over a text's tokens, or what the model pools."""
    model = OnnxModel(path, "the embedding")
    model.tokenizer.enable_truncation(_MAX_TOKENS)
    model.tokenizer.enable_padding()
    batches = []
    try:
        for start in range(0, len(texts), _BATCH_TEXTS):
            encodings = model.tokenizer.encode_batch(list(texts[start : start + _BATCH_TEXTS]))
            mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
            batches.append(_pooled(outputs(model.session, encodings), mask))
    except Exception as exc:  # the libraries have no common error
        raise UsageError(f"the embedding {path} cannot be used: {' '.join(str(exc).split())[:300]}") from exc
    return np.concatenate(batches)


def _pooled(output: NDArray[Any], mask: NDArray[np.int64]) -> NDArray[Any]:
    if output.ndim == 2:
        return output
    kept = mask[:, :, None].astype(output.dtype)
    mean: NDArray[Any] = (output * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
    return mean
