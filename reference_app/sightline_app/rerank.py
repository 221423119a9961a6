"""The rerank stage: reorders what the search found by how much of the question each passage answers.

No model is involved. Each word of the question is one idea, held by a passage through the word itself or, for a little
less, through a related word. A passage scores by the ideas (weighted by rarity) in its fields: names, first lines,
text, and the words that surround its uses. To that come the search's own score, how many other candidates come from the
same module, how common the documented thing is, and what kind of thing it is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sightline_app.analysis import name_terms, related, terms
from sightline_app.lexicon import Lexicon
from sightline_app.retriever import Hit

_SYNONYM = 0.9
_USAGE_SYNONYM = 0.5
_SATURATION = 1.2
_USUAL_TEXT_TERMS = 40.0
_MOST_USES = 1000


@dataclass(frozen=True)
class Weights:
    """How much each feature counts; a handful of numbers for all questions, rounded from a fit on one half of them."""

    search: float = 3.0
    body: float = 2.5
    usage_words: float = 1.5
    last_name: float = 1.5
    head: float = 0.8
    commonness: float = 0.5
    neighbours: float = 0.6
    length: float = 1.5
    depth: float = -0.25
    """For each dot of the name."""
    module: float = -0.6
    """For the documentation of a whole module."""
    member: float = -1.4
    """For a method or property: mostly reached through its class."""
    repetition: float = -0.2
    """For each better passage of the same module: five places are best spent on different answers."""


DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True)
class _Fields:
    """Stems of a passage by field."""

    body: Mapping[str, float]
    """Stem -> saturated weight over names, title, first paragraph and text."""
    last_name: frozenset[str]
    head: frozenset[str]
    usage_words: Mapping[str, float]
    """Stem -> weight, falling with the place in the list."""


def rerank(
    question: str, hits: Sequence[Hit], lexicon: Lexicon, limit: int, weights: Weights = DEFAULT_WEIGHTS
) -> list[Hit]:
    """Return the ``limit`` best hits, best first, with scores from 0 to 1.

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
    votes = _votes(hits, worst, spread)
    kinds = {"module": weights.module, "method": weights.member, "property": weights.member}
    rescored = []
    for hit in hits:
        fields = _fields(hit.title, hit.text, tuple(hit.names[:6]), hit.usage_words)
        score = (
            weights.search * (hit.score - worst) / spread
            + weights.body * _held(ideas, fields.body, _SYNONYM)
            + weights.usage_words * _held(ideas, fields.usage_words, _USAGE_SYNONYM)
            + weights.last_name * _held(ideas, dict.fromkeys(fields.last_name, 1.0), _SYNONYM)
            + weights.head * _held(ideas, dict.fromkeys(fields.head, 1.0), _SYNONYM)
            + weights.commonness * min(1.0, math.log1p(hit.usage) / math.log(_MOST_USES))
            + weights.neighbours * votes[hit.module]
            + weights.length * math.log1p(len(hit.text)) / 8
            + weights.depth * (hit.names[0].count(".") if hit.names else 0)
            + kinds.get(hit.kind, 0.0)
        )
        rescored.append(replace(hit, score=score))
    rescored.sort(key=lambda hit: (-hit.score, hit.title, hit.id))
    kept = _best_first(rescored, limit, weights.repetition)
    return [replace(hit, score=_share(hit.score, weights)) for hit in kept]


def _share(score: float, weights: Weights) -> float:
    """Scale a score by the most that can be reached, to 0..1."""
    most = weights.search + weights.body + weights.usage_words + weights.last_name + weights.head
    most += weights.commonness + weights.neighbours + weights.length
    return min(1.0, max(0.0, score / most))


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


def _held(ideas: Sequence[_Idea], held: Mapping[str, float], synonym: float) -> float:
    """Return how much of the question a field holds: of each idea the best stem counts."""
    score = 0.0
    for idea in ideas:
        best = 0.0
        for term, rarity, is_related in idea:
            weight = held.get(term)
            if weight is not None:
                best = max(best, weight * rarity * (synonym if is_related else 1.0))
        score += best
    return score


@lru_cache(maxsize=20_000)
def _fields(title: str, text: str, names: tuple[str, ...], usage_words: str) -> _Fields:
    """Return the stems of a passage; the same passages come again and again."""
    head = terms(re.split(r"\n[ \t]*\n", text, maxsplit=1)[0][:400])
    whole = terms(text)
    counts: Counter[str] = Counter()
    shorter = 1.0 / (0.4 + 0.6 * len(whole) / _USUAL_TEXT_TERMS)
    for weight, found in ((1.0, set(name_terms(list(names)))), (0.5, terms(title)), (1.0, head), (shorter, whole)):
        for term in found:
            counts[term] += weight  # type: ignore[assignment]  # Counter holds floats as well
    return _Fields(
        body={term: count / (count + _SATURATION) for term, count in counts.items()},
        last_name=frozenset(name_terms([name.rpartition(".")[2] for name in names])),
        head=frozenset(head),
        usage_words={term: 1.0 / (1.0 + place / 20) for place, term in enumerate(usage_words.split())},
    )
