"""Which of the measured indexes to take for a recall target, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightline_app.tuning.measuring import Measured

_LIKE = 1.1
"""Memory within this factor counts as the same."""


@dataclass(frozen=True)
class Recommendation:
    """What to take."""

    target: float
    store: str
    """The store that it is for."""
    chosen: Measured | None
    """None where no index reaches the target."""
    tied: list[Measured]
    """Others that reach it and whose p95 cannot be told apart from the fastest one's."""
    sentence: str
    """The reason, for people."""


def recommend(found: Sequence[Measured], target: float, store: str) -> Recommendation:
    """Choose among the indexes of one store that reach the target.

    The fastest by p95 decides. Of those whose range of p95 over the rounds overlaps that of the fastest, which this
    measurement cannot tell apart, the one with the least memory is taken, then the one with the fewest settings, then
    the one that was built first in the list.

    Args:
        found: measured indexes, of any store.
        target: least mean recall, from 0 to 1.
        store: whose indexes may be chosen.
    """
    own = [each for each in found if each.variant.store == store]
    fitting = [each for each in own if each.recall >= target]
    if not fitting:
        best = max(own, key=lambda each: each.recall, default=None)
        had = f"; the best has {best.recall:.3f} ({best.variant.name})" if best is not None else ""
        return Recommendation(target, store, None, [], f"No index in {store} reaches a recall of {target:g}{had}.")
    fastest = min(fitting, key=lambda each: each.times.p95_ms)
    alike = [each for each in fitting if each.times.p95_least_ms <= fastest.times.p95_most_ms]
    lightest = min((each.built.memory_bytes for each in alike if each.built.memory_bytes is not None), default=None)
    light = [each for each in alike if lightest is None or _is_light(each.built.memory_bytes, lightest)]
    chosen = min(light, key=lambda each: len(each.variant.index.variables_set()))
    tied = [each for each in alike if each is not chosen]
    return Recommendation(target, store, chosen, tied, _sentence(chosen, fastest, tied, target))


def _is_light(memory_bytes: int | None, lightest: int) -> bool:
    return memory_bytes is not None and memory_bytes <= max(lightest, 0) * _LIKE + 1_000_000


def _sentence(chosen: Measured, fastest: Measured, tied: Sequence[Measured], target: float) -> str:
    said = (
        f"{chosen.variant.name}: recall {chosen.recall:.3f} ({chosen.recall_low:.3f} to {chosen.recall_high:.3f}), "
        f"p95 {chosen.times.p95_ms:.1f} ms ({chosen.times.p95_least_ms:.1f} to {chosen.times.p95_most_ms:.1f})."
    )
    if tied:
        said += (
            f" Its p95 cannot be told apart from that of {len(tied)} other{'s' if len(tied) > 1 else ''}"
            f" (the lowest median is {fastest.times.p95_ms:.1f} ms); memory and fewer settings decided."
        )
    if chosen.recall_low < target:
        said += f" The interval of its recall begins below {target:g}: more questions would tell better."
    return said
