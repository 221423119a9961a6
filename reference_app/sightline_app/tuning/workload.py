"""What the indexes are asked: passages and questions as vectors, and which passages are right, by exact search."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline_app import embeddings
from sightline_app.corpus import Passage, Source, content_version
from sightline_app.embeddings import Embedding, LexicalEmbedding, vector_cache
from sightline_app.embeddings.protocol import Matrix, Progress
from sightline_app.errors import CorpusError, IndexMissing
from sightline_app.index import read_corpora
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.quality import read_questions
from sightline_app.retriever import PUBLIC
from sightline_app.settings import AppSettings
from sightline_demo_corpus.standard_library import StandardLibrary

_SAME = 1e-5
"""Two passages whose similarity to a question differs less are equally right."""


@dataclass(frozen=True)
class Workload:
    """Passages of nobody in particular, and questions."""

    passages: list[Passage]
    """Without texts: a search by vectors needs none."""
    vectors: Matrix
    """float32[n_passages, dimensions], rows of unit length."""
    questions: Matrix
    """float32[n_questions, dimensions], rows of unit length."""
    embedding: str
    """Name and version of the embedding."""

    def __post_init__(self) -> None:
        """Keep each passage's row."""
        object.__setattr__(self, "_rows", {each.id: row for row, each in enumerate(self.passages)})

    def recall(self, question: int, found: Sequence[str], count: int, among: NDArray[np.bool_] | None = None) -> float:
        """Return which share of the right passages of a question was found, from 0 to 1.

        Right are the ``count`` nearest by exact search; instead of one of them, an equally near one will do.

        Args:
            question: its row.
            found: ids of passages, in any order.
            count: how many are right.
            among: bool[n_passages], which passages there are to find; None for all.
        """
        likeness = self.vectors @ self.questions[question]
        rows: dict[str, int] = self._rows  # type: ignore[attr-defined]  # set above, past the frozen fields
        there = likeness if among is None else likeness[among]
        count = min(count, len(there))
        if not count:
            return 1.0
        last = np.partition(there, -count)[-count]
        right = sum(likeness[rows[each]] >= last - _SAME for each in set(found))
        return float(min(right, count) / count)


def read_workload(
    settings: AppSettings,
    source: Source | None,
    questions: Path,
    *,
    most_passages: int | None,
    most_questions: int,
    step: Callable[[str], Progress],
) -> Workload:
    """Read and embed passages and questions.

    Args:
        settings: the embedding, and where the index is.
        source: of the passages; None takes what was ingested, else the Python documentation.
        questions: JSON lines with `question`, or one question a line.
        most_passages: every n-th is taken so that there are at most so many; None takes all.
        most_questions: the first so many.
        step: begins a step of the progress, by its title.

    Raises:
        CorpusError: there are too few passages, or no questions.
        InvalidSetting: the embedding cannot be had.
        Unavailable: the embeddings endpoint did not answer.
    """
    passages = _passages(settings, source, step)
    texts = read_texts(questions)[:most_questions]
    if most_passages is not None and len(passages) > most_passages:
        passages = passages[:: -(-len(passages) // most_passages)]
    embedding, vectors = _embedded(settings, passages, step)
    progress = step(f"embedding {len(texts)} questions")
    asked = asyncio.run(_questions(embedding, texts, progress))
    known, answered = np.any(vectors, axis=1), np.any(asked, axis=1)
    kept = [passages[row] for row in np.flatnonzero(known)]
    if len(kept) < 2 or not answered.any():
        raise CorpusError(f"{len(kept)} passages and {int(answered.sum())} questions have vectors; too few to measure")
    return Workload(
        [_bare(each) for each in kept], vectors[known], asked[answered], f"{embedding.name} {embedding.version}"
    )


def read_texts(path: Path) -> list[str]:
    """Return the questions of a file.

    Raises:
        CorpusError: it cannot be read or holds none.
    """
    if path.suffix == ".jsonl":
        return [each.question for each in read_questions(path)]
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as exc:
        raise CorpusError(f"the questions in {path} cannot be read: {exc}") from exc
    if not any(lines):
        raise CorpusError(f"{path} holds no questions")
    return [line for line in lines if line]


def _passages(settings: AppSettings, source: Source | None, step: Callable[[str], Progress]) -> list[Passage]:
    found: list[Passage] = []
    if source is None:
        try:
            found = read_corpora(settings.data_dir)
        except IndexMissing:
            source = StandardLibrary()
    if source is not None:
        found = source.passages(step(f"reading {source.describe()}"))
    return list({each.id: each for each in found}.values())


def _embedded(
    settings: AppSettings, passages: Sequence[Passage], step: Callable[[str], Progress]
) -> tuple[Embedding, Matrix]:
    def fitted() -> LexicalEmbedding:
        lexicon = Lexicon.fit(weighted_terms(each) for each in passages)
        return LexicalEmbedding.fit(passages, lexicon, content_version(passages), settings.lexical_dimensions)

    embedding = embeddings.choose(settings, fitted)
    progress = step(f"embedding with {embedding.name} {embedding.version}")
    if isinstance(embedding, LexicalEmbedding):
        return embedding, embedding.embed_passages(passages, progress)
    # The cache of the index keeps its own passages only, so these get a copy.
    known, folder = settings.data_dir / "vectors", settings.data_dir / "tuning" / "vectors"
    if known.is_dir() and not folder.is_dir():
        shutil.copytree(known, folder)
    return embedding, vector_cache.embed(embedding, passages, folder, progress)


async def _questions(embedding: Embedding, texts: Sequence[str], progress: Progress) -> Matrix:
    rows: list[Any] = []
    try:
        for text in texts:
            rows.append((await embedding.embed_question(text)).vector)
            progress(len(rows), len(texts))
    finally:
        await embedding.close()
    return np.stack(rows)


def _bare(passage: Passage) -> Passage:
    return Passage(id=passage.id, title="", text="", names=[], module=passage.module, date=passage.date, tenant=PUBLIC)
