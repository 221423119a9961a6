"""Packing: which of the reranked passages go into the prompt, and how much of each; what was left out is on the span.

In the order of their rank, a passage is left out when it repeats a better one or scores far below the best; then the
budget is given out: a passage that does not fit is cut after a sentence, or left out where not even one fits. It comes
after the guard, so that no passage that is thrown away can take the place of a good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sightline
from sightline import semconv
from sightline_app.analysis import sentences, terms
from sightline_app.retriever import Hit
from sightline_app.settings import PackSettings
from sightline_app.stages.guard_passages import is_fenced
from sightline_app.state.token_estimate import estimate_tokens

BUDGET = "sightline_app.pack.max_tokens"
"""Attribute: tokens that the passages may have, by estimate; left out where there is no limit."""
TOKENS = "sightline_app.pack.tokens"
"""Attribute: tokens of the packed passages, by estimate."""
FOUND_TOKENS = "sightline_app.pack.found_tokens"
"""Attribute: tokens of all passages before packing, by estimate."""
LEFT_OUT = "sightline_app.pack.left_out"
"""Attribute: array of passages that were left out or cut: id, reason and tokens saved."""


@dataclass
class Packed:
    """The passages of a prompt, and what is missing."""

    hits: list[Hit] = field(default_factory=list)
    tokens: int = 0
    """Of titles and texts, by estimate."""
    left_out: list[dict[str, object]] = field(default_factory=list)
    """`id`, `reason` (duplicate, low_score, budget, trimmed) and `tokens` of what is missing."""

    def miss(self, hit: Hit, reason: str, tokens: int) -> None:
        """Take note of what is not in the prompt."""
        self.left_out.append({"id": hit.id, "reason": reason, "tokens": tokens})


def pack(settings: PackSettings, hits: list[Hit]) -> list[Hit]:
    """Return the passages for the prompt, best first; a stage that is turned off makes no span."""
    return _traced(settings, hits) if settings.on else hits


@sightline.trace("pack", stage=semconv.STAGE_PROMPT, capture="recorded")
def _traced(settings: PackSettings, hits: list[Hit]) -> list[Hit]:
    packed = choose(settings, hits)
    sightline.annotate(
        {
            BUDGET: settings.max_tokens or None,
            TOKENS: packed.tokens,
            FOUND_TOKENS: sum(map(hit_tokens, hits)),
            LEFT_OUT: packed.left_out or None,
        }
    )
    return packed.hits


def choose(settings: PackSettings, hits: Sequence[Hit]) -> Packed:
    """Choose and cut passages. Pure.

    Args:
        settings: budget and bounds.
        hits: passages, best first.
    """
    packed = Packed()
    if not hits:
        return packed
    least_score = settings.min_score_share * max(hit.score for hit in hits)
    seen: list[frozenset[str]] = []
    for hit in hits:
        tokens = hit_tokens(hit)
        words = frozenset(terms(f"{hit.title} {hit.text}"))
        if settings.duplicate_share and any(_in_common(words, each) >= settings.duplicate_share for each in seen):
            packed.miss(hit, "duplicate", tokens)
        elif packed.hits and hit.score < least_score:
            packed.miss(hit, "low_score", tokens)
        else:
            seen.append(words)
            _take(packed, hit, tokens, settings.max_tokens)
    return packed


def hit_tokens(hit: Hit) -> int:
    """Return about how many tokens a passage has in a prompt."""
    return estimate_tokens(f"{hit.title}\n{hit.text}")


def _take(packed: Packed, hit: Hit, tokens: int, max_tokens: int) -> None:
    """Put a passage in, whole, cut, or not at all."""
    taken = hit
    if max_tokens and packed.tokens + tokens > max_tokens:
        cut = _cut(hit, max_tokens - packed.tokens, keep_one=not packed.hits)
        left = tokens - (hit_tokens(cut) if cut else 0)
        if left:
            packed.miss(hit, "trimmed" if cut else "budget", left)
        if cut is None:
            return
        taken = cut
    packed.hits.append(taken)
    packed.tokens += hit_tokens(taken)


def _cut(hit: Hit, tokens: int, *, keep_one: bool) -> Hit | None:
    """Return a passage with as many of its first sentences as fit; None where not even one does.

    Args:
        hit: the passage.
        tokens: what it may have.
        keep_one: whether the first sentence stays even so, since nothing can be answered from nothing.
    """
    found = sentences(hit.text)
    if not found or is_fenced(hit):
        return hit if keep_one else None
    kept: list[str] = []
    for sentence in found:
        if hit_tokens(replace(hit, text=" ".join([*kept, sentence]))) > tokens and (kept or not keep_one):
            break
        kept.append(sentence)
    return replace(hit, text=" ".join(kept)) if kept else None


def _in_common(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard index of two sets of words; 0 where both are empty, since nothing repeats nothing."""
    return len(one & other) / len(one | other) if one or other else 0.0
