"""The lexical embedding: TF-IDF with truncated SVD (latent semantic analysis), fitted on the corpus at ingest.

No model is involved: it knows only the words of the corpus and which of them occur together. It stands in where the
weights of the real embedding are not installed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline_app.analysis import expansions, terms
from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Embedded, Matrix, Progress, unit
from sightline_app.errors import CorpusError
from sightline_app.lexicon import Lexicon, weighted_terms

_RULES_VERSION = "5"
_EXPANSION_WEIGHT = 0.4


class LexicalEmbedding:
    """TF-IDF over stems and the parts of names, reduced by truncated SVD.

    Args:
        lexicon: document frequencies of the corpus that it was fitted on.
        vocabulary: term -> column.
        projection: float32[n_terms, dimensions], inverse document frequency already inside.
        version: hash of the corpus and the rules.
    """

    name = "lexical"
    model = "lexical"
    provider = "local"

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

    async def close(self) -> None:
        """Nothing to let go of."""

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
