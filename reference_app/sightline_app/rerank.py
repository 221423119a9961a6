"""The rerank stage: reorders what the search found by how much of the question each passage answers.

No model is involved. Each word of the question is one idea, matched by the word itself or, for less, by a related
word. A passage scores by the share of ideas (weighted by rarity) that its name, first lines, text and surroundings
hold. To that come the search's own score and how common the documented thing is in real code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sightline_app.analysis import name_terms, related, terms
from sightline_app.lexicon import Lexicon
from sightline_app.retriever import Hit

_SYNONYM = 0.6


@dataclass(frozen=True)
class Weights:
    """How much each feature counts; set by hand once, not fitted to questions."""

    search: float = 1.0
    coverage: float = 3.0
    usage: float = 0.6
    name: float = 0.8
    head: float = 1.0
    text: float = 0.6
    context: float = 0.4


DEFAULT_WEIGHTS = Weights()


def rerank(
    question: str, hits: Sequence[Hit], lexicon: Lexicon, limit: int, weights: Weights = DEFAULT_WEIGHTS
) -> list[Hit]:
    """Return the ``limit`` best hits, best first, with scores from 0 to about 1.

    Args:
        question: as it was searched for.
        hits: candidates with the search's scores.
        lexicon: rarity of terms.
        limit: how many to keep.
        weights: how much each feature counts.
    """
    if not hits:
        return []
    ideas = _ideas(question, lexicon)
    best, worst = max(hit.score for hit in hits), min(hit.score for hit in hits)
    spread = (best - worst) or 1.0
    total = weights.search + weights.coverage + weights.usage
    rescored = []
    for hit in hits:
        score = (
            weights.search * (hit.score - worst) / spread
            + weights.coverage * _coverage(hit, ideas, weights)
            + weights.usage * min(1.0, math.log1p(hit.usage) / math.log(200))
        )
        rescored.append(replace(hit, score=score / total))
    rescored.sort(key=lambda hit: (-hit.score, hit.title, hit.id))
    return _best_pieces_first(rescored)[:limit]


def _best_pieces_first(ranked: Sequence[Hit]) -> list[Hit]:
    """Put further pieces of a text that is in already behind everything else."""
    first: dict[str, Hit] = {}
    later: list[Hit] = []
    for hit in ranked:
        name = hit.names[0] if hit.names else hit.id
        if name in first:
            later.append(hit)
        else:
            first[name] = hit
    return [*first.values(), *later]


def _ideas(question: str, lexicon: Lexicon) -> list[tuple[str, frozenset[str], float]]:
    """Return (term, related terms, weight) for each distinct word of the question; weights sum to 1."""
    found = []
    for term, others in related(question).items():
        seen = [each for each in (term, *others) if each in lexicon.frequencies]
        weight = lexicon.idf(term) if term in seen else max((lexicon.idf(each) for each in seen), default=0.0)
        found.append((term, frozenset(others), min(weight, 7.0)))
    total = sum(weight for _, _, weight in found) or 1.0
    return [(term, others, weight / total) for term, others, weight in found]


def _coverage(hit: Hit, ideas: Sequence[tuple[str, frozenset[str], float]], weights: Weights) -> float:
    held_by_field = _fields(tuple(hit.names[:6]), hit.text, hit.context)
    fields = tuple(zip((weights.name, weights.head, weights.text, weights.context), held_by_field, strict=True))
    full = max(weights.name, weights.head, weights.text, weights.context)
    score = 0.0
    for term, others, weight in ideas:
        best = 0.0
        for field_weight, held in fields:
            if term in held:
                best = max(best, field_weight)
            elif others & held:
                best = max(best, field_weight * _SYNONYM)
        score += weight * best / full
    return score


@lru_cache(maxsize=20_000)
def _fields(names: tuple[str, ...], text: str, context: str) -> tuple[frozenset[str], ...]:
    """Return the terms of names, first paragraph, text and surroundings; the same passages come again and again."""
    head = re.split(r"\n[ \t]*\n", text, maxsplit=1)[0][:300]
    return frozenset(name_terms(list(names))), frozenset(terms(head)), frozenset(terms(text)), frozenset(terms(context))
