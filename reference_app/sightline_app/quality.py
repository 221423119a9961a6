"""Questions with known answers, and how often retrieval finds one of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline_app.errors import CorpusError
from sightline_app.pipeline import Pipeline
from sightline_app.retriever import Hit


@dataclass(frozen=True)
class Known:
    """A question and the names that answer it: any one will do."""

    id: str
    question: str
    names: frozenset[str]
    topic: str = ""
    follow_up: Known | None = None


def read_questions(path: Path) -> list[Known]:
    """Read questions, one JSON object a line: ``id``, ``question``, ``names``, and maybe ``follow_up`` and ``topic``.

    Raises:
        CorpusError: the file is missing, empty, or a line is not in this form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise CorpusError(f"the questions in {path} cannot be read: {exc}") from exc
    found: list[Known] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(_known(json.loads(line), f"q{number}"))
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                raise CorpusError(f"{path}, line {number}: needs question (text) and names (list); {exc!r}") from exc
    if not found:
        raise CorpusError(f"{path} holds no questions")
    return found


def _known(row: dict[str, object], default_id: str) -> Known:
    follow_up, names, text = row.get("follow_up"), row.get("names", []), row["question"]
    if not isinstance(text, str) or not text.strip() or not isinstance(names, list):
        raise ValueError("question must be a text and names a list")
    identity = str(row.get("id", default_id))
    return Known(
        id=identity,
        question=text,
        names=frozenset(str(name) for name in names),
        topic=str(row.get("topic", "")),
        follow_up=_known(follow_up, f"{identity}-follow-up") if isinstance(follow_up, dict) else None,
    )


def is_held_out(known: Known) -> bool:
    """Tell whether a question belongs to the half that retrieval was never developed on; a hash of its id decides."""
    return int(hashlib.sha256(known.id.encode()).hexdigest(), 16) % 2 == 1


def rank_of_first(names: Collection[str], found: Iterable[Collection[str]]) -> int | None:
    """Return the position from 1 of the first passage with one of the names, None when there is none."""
    return next((place for place, held in enumerate(found, start=1) if not set(names).isdisjoint(held)), None)


@dataclass(frozen=True)
class RetrievalQuality:
    """Shares over questions, each from 0 to 1."""

    questions: int
    hit_at_1: float
    hit_at_5: float
    mrr: float
    """Mean of 1/rank of the first right passage among the first ten, 0 where there is none."""

    @classmethod
    def of(cls, ranks: Sequence[int | None]) -> RetrievalQuality:
        """Summarise the ranks of the first right passages."""
        count = max(len(ranks), 1)
        return cls(
            questions=len(ranks),
            hit_at_1=sum(rank == 1 for rank in ranks) / count,
            hit_at_5=sum(rank is not None and rank <= 5 for rank in ranks) / count,
            mrr=sum(1 / rank for rank in ranks if rank is not None and rank <= 10) / count,
        )

    def __str__(self) -> str:
        return (
            f"hit@1 {self.hit_at_1:.3f}, hit@5 {self.hit_at_5:.3f}, MRR {self.mrr:.3f} over {self.questions} questions"
        )


@dataclass(frozen=True)
class Found:
    """Where the first right passage of a question was, None where it was not."""

    known: Known
    searched: int | None
    """Place after the search alone."""
    reranked: int | None
    """Place after the rerank stage."""


def summary(found: Sequence[Found]) -> tuple[RetrievalQuality, RetrievalQuality]:
    """Return the quality of the search alone, and after the rerank stage."""
    return RetrievalQuality.of([each.searched for each in found]), RetrievalQuality.of([e.reranked for e in found])


async def measure(pipeline: Pipeline, questions: Sequence[Known]) -> list[Found]:
    """Search for every question once; questions without an answer are left out."""
    found: list[Found] = []
    for known in (each for each in questions if each.names):
        embedded = await pipeline.embedding.embed_question(known.question)
        hits: list[Hit] = await pipeline.retriever.search(
            known.question, embedded.vector, tenant="public", since=None, limit=pipeline.settings.candidates
        )
        searched = rank_of_first(known.names, [hit.names for hit in hits])
        kept = pipeline.rerank(known.question, hits)
        found.append(Found(known, searched, rank_of_first(known.names, [hit.names for hit in kept])))
    return found
