"""The rerank stage: reorders what the search found by how much of the question each passage answers.

No model is involved. Each word of the question is one idea, held by a passage through the word itself or, for a little
less, through a related word. A passage scores by the ideas (weighted by rarity) that it holds. To that come the
search's own score, how well other candidates of the same module did, and what kind of thing it documents.

Each of these signals adds at least one point of hit@5 on one half of the shipped questions (docs/adr/014); what added
less is gone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sightline_app.analysis import name_terms, related, terms
from sightline_app.lexicon import Lexicon
from sightline_app.retriever import Hit

_SYNONYM = 0.9
_SATURATION = 1.2
_USUAL_TEXT_TERMS = 40.0
_MEMBERS = frozenset({"method", "property"})


@dataclass(frozen=True)
class Weights:
    """How much each signal counts, for all questions; rounded from a fit on one half of them."""

    search: float = 3.0
    body: float = 3.0
    neighbours: float = 1.4
    member: float = -1.4
    """For a method or property: mostly reached through its class."""
    repetition: float = -0.3
    """For each better passage of the same module: five places are best spent on different answers."""


DEFAULT_WEIGHTS = Weights()


def rerank(
    question: str, hits: Sequence[Hit], lexicon: Lexicon, limit: int, weights: Weights = DEFAULT_WEIGHTS
) -> list[Hit]:
    """Return the ``limit`` best hits, best first, with scores from 0 to 1.

    Args:
        question: as it was searched for.
        hits: candidates with the search's scores.
        lexicon: rarity of terms.
        limit: how many to keep.
        weights: how much each signal counts.
    """
    if not hits:
        return []
    ideas = _ideas(question, lexicon)
    best, worst = max(hit.score for hit in hits), min(hit.score for hit in hits)
    spread = (best - worst) or 1.0
    votes = _votes(hits, worst, spread)
    rescored = []
    for hit in hits:
        score = (
            weights.search * (hit.score - worst) / spread
            + weights.body * _held(ideas, _stems(hit.title, hit.text, tuple(hit.names[:6])))
            + weights.neighbours * votes[hit.module]
            + (weights.member if hit.kind in _MEMBERS else 0.0)
        )
        rescored.append(replace(hit, score=score))
    rescored.sort(key=lambda hit: (-hit.score, hit.title, hit.id))
    kept = _best_first(rescored, limit, weights.repetition)
    most = weights.search + weights.body + weights.neighbours
    return [replace(hit, score=min(1.0, max(0.0, hit.score / most))) for hit in kept]


def _votes(hits: Sequence[Hit], worst: float, spread: float) -> Mapping[str, float]:
    """Return, for each module, how well its (at most five) best candidates did, from 0 to 5/3."""
    votes: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for hit in sorted(hits, key=lambda hit: -hit.score):
        if counted[hit.module] < 5:
            counted[hit.module] += 1
            votes[hit.module] += (hit.score - worst) / spread / 3  # type: ignore[assignment]  # floats as well
    return votes


def _best_first(ranked: Sequence[Hit], limit: int, repetition: float) -> list[Hit]:
    """Take hits one by one, each time the best after what repeating a module costs.

    Further pieces of a text that has a piece in already come behind everything else.
    """
    first: dict[str, Hit] = {}
    later: list[Hit] = []
    for hit in ranked:
        name = hit.names[0] if hit.names else hit.id
        if name in first:
            later.append(hit)
        else:
            first[name] = hit
    left = list(first.values())[: 4 * limit]
    taken: list[Hit] = []
    while left and len(taken) < limit:
        held = Counter(hit.module for hit in taken)
        place = max(range(len(left)), key=lambda at: (left[at].score + repetition * held[left[at].module], -at))
        taken.append(left.pop(place))
    return [*taken, *later][:limit]


_Idea = list[tuple[str, float, bool]]


def _ideas(question: str, lexicon: Lexicon) -> list[_Idea]:
    """Return, for each distinct word of the question, (stem, rarity, whether it is only related) of all its stems.

    Rarities are shares of the sum over the question's own words.
    """
    found = related(question)
    total = sum(lexicon.idf(term) for term in found if term in lexicon.frequencies) or 1.0
    return [
        [(each, lexicon.idf(each) / total, each != term) for each in (term, *others) if each in lexicon.frequencies]
        for term, others in found.items()
    ]


def _held(ideas: Sequence[_Idea], held: Mapping[str, float]) -> float:
    """Return how much of the question a passage holds: of each idea the best stem counts."""
    score = 0.0
    for idea in ideas:
        best = 0.0
        for term, rarity, is_related in idea:
            weight = held.get(term)
            if weight is not None:
                best = max(best, weight * rarity * (_SYNONYM if is_related else 1.0))
        score += best
    return score


@lru_cache(maxsize=20_000)
def _stems(title: str, text: str, names: tuple[str, ...]) -> Mapping[str, float]:
    """Return stem -> saturated weight of a passage; the same passages come again and again."""
    head = terms(re.split(r"\n[ \t]*\n", text, maxsplit=1)[0][:400])
    whole = terms(text)
    counts: Counter[str] = Counter()
    shorter = 1.0 / (0.4 + 0.6 * len(whole) / _USUAL_TEXT_TERMS)
    for weight, found in ((1.0, set(name_terms(list(names)))), (0.5, terms(title)), (1.0, head), (shorter, whole)):
        for term in found:
            counts[term] += weight  # type: ignore[assignment]  # Counter holds floats as well
    return {term: count / (count + _SATURATION) for term, count in counts.items()}
