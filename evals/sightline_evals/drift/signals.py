"""Rows of the store's drift questions as measurements: an effect with its interval and a p-value. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sightline_evals.drift import significance
from sightline_evals.drift.sequence import SUSPECT_AT
from sightline_evals.gating.inference import holm
from sightline_store.questions.drift import ANY_INDEX, Comparison

LEAST_DEVIATIONS: Final = 0.1
"""Least Wasserstein distance that matters, in standard deviations of the reference."""
LEAST_KS: Final = 0.1
"""... or least Kolmogorov-Smirnov statistic."""
LEAST_SHARE: Final = 0.02
"""Least difference of two shares that matters."""
LEAST_AUC: Final = 0.55
"""Least AUC of the classifier between the queries of two windows that matters; 0.5 is none."""
LEAST_MOVED: Final = 0.02
"""Least share of the documents' hits that moved beyond what chance moves."""
LEAST_OVERLAP: Final = 0.05
"""Least fall of the canaries' overlap or recall."""
LEAST_INGESTIONS: Final = 20
"""Ingestions that each window needs, whatever other comparisons need: there are fewer of them than of searches."""

_RETRIEVAL: Final = {
    "top_score": "retrieval.top_score",
    "empty": "retrieval.empty",
    "failed": "retrieval.failed",
    "stale": "retrieval.stale",
}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One signal of one comparison.

    Attributes:
        signal: `family.name`, for example `retrieval.top_score`.
        key: what it is about: collection, embedding, index, tenant, topic, or service, model, prompt, or judge.
        kind: what the effect is: `deviations` (difference of the means in standard deviations of the reference),
            `share` (difference of two shares), `auc`, `moved` (share of hits), `overlap` (difference of two overlaps).
        effect: None where it cannot be computed.
        low: 95 % interval of the effect.
        high: ... its upper end.
        p: before correction for the other tests; None where it is not tested.
        p_adjusted: after Holm over all tests of the window; None where it is not tested.
        matters: whether the effect is at least the least one of its kind.
        reference_n: traces (or canaries) of the reference.
        current_n: ... of the current window.
        reference: mean or share of the reference; None where there is none.
        current: ... of the current window.
        further: other statistics by name.
    """

    signal: str
    key: Mapping[str, str]
    kind: str
    effect: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    matters: bool = False
    reference_n: int = 0
    current_n: int = 0
    reference: float | None = None
    current: float | None = None
    further: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Tells it from the others of a window, and is the same in the next one."""
        return f"{self.signal} {self.subject}"

    @property
    def subject(self) -> str:
        """The key in words."""
        return ", ".join(f"{name} {value}" for name, value in self.key.items())


def of_distribution(row: Mapping[str, Any], signal: str, key: Mapping[str, str], min_n: int) -> Measurement | None:
    """Measure one row of `drift_distributions.sql`; None where all values are equal, so that nothing can differ."""
    reference_n, current_n = int(row["reference_n"]), int(row["current_n"])
    if not reference_n and not current_n:
        return None
    is_share = bool(row["is_share"])
    kind = "share" if is_share else "deviations"
    empty = Measurement(signal=signal, key=key, kind=kind, effect=None, reference_n=reference_n, current_n=current_n)
    if not reference_n or not current_n:
        return empty
    was, now = float(row["reference_mean"]), float(row["current_mean"])
    is_tested = min(reference_n, current_n) >= min_n
    if is_share:
        hits = round(was * reference_n), round(now * current_n)
        if sum(hits) in (0, reference_n + current_n):
            return None
        low, high = significance.shares_interval(hits[0], reference_n, hits[1], current_n)
        p = significance.shares_p(hits[0], reference_n, hits[1], current_n) if is_tested else None
        return replace(
            empty,
            effect=now - was,
            low=low,
            high=high,
            p=p,
            matters=abs(now - was) >= LEAST_SHARE,
            reference=was,
            current=now,
        )
    deviation = float(row["reference_sd"]) or float(row["current_sd"])
    if deviation == 0 and was == now:
        return None
    unit = deviation or max(abs(was), abs(now))
    error = math.sqrt(float(row["reference_sd"]) ** 2 / reference_n + float(row["current_sd"]) ** 2 / current_n) / unit
    effect, moved, ks = (now - was) / unit, float(row["wasserstein"]) / unit, float(row["ks"])
    return replace(
        empty,
        effect=effect,
        low=effect - significance.Z95 * error,
        high=effect + significance.Z95 * error,
        p=significance.ks_p(ks, reference_n, current_n) if is_tested else None,
        matters=moved >= LEAST_DEVIATIONS or ks >= LEAST_KS,
        reference=was,
        current=now,
        further={"wasserstein_sd": moved, "ks": ks},
    )


def of_searches(rows: Iterable[Mapping[str, Any]], keys: Sequence[Mapping[str, str]], min_n: int) -> list[Measurement]:
    """Measure `drift/searches`; `keys` belong to its comparisons, in order."""
    found = (of_distribution(row, _RETRIEVAL[row["signal"]], keys[row["comparison"] - 1], min_n) for row in rows)
    return [measured for measured in found if measured is not None]


def of_queries(rows: Iterable[Mapping[str, Any]], keys: Sequence[Mapping[str, str]], min_n: int) -> list[Measurement]:
    """Measure `drift/queries`: its two halves are one measurement."""
    halves: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if math.isfinite(row["auc"]):
            halves.setdefault(row["comparison"], []).append(row)
    found = []
    for comparison, each in sorted(halves.items()):
        tried = [(float(row["auc"]), int(row["reference_n"]), int(row["current_n"])) for row in each]
        reference_n, current_n = sum(half[1] for half in tried), sum(half[2] for half in tried)
        auc = sum(half[0] for half in tried) / len(tried)
        low, high = significance.auc_interval(auc, reference_n, current_n)
        is_tested = min(reference_n, current_n) >= min_n and len(tried) == 2
        shift = sum(float(row["centroid_shift"]) for row in each) / len(each)
        found.append(
            Measurement(
                signal="queries.shift",
                key=keys[comparison - 1],
                kind="auc",
                effect=auc,
                low=low,
                high=high,
                p=significance.auc_p(tried) if is_tested else None,
                matters=auc >= LEAST_AUC,
                reference_n=reference_n,
                current_n=current_n,
                further={"centroid_shift_sd": shift},
            )
        )
    return found


def of_documents(rows: Iterable[Mapping[str, Any]], keys: Sequence[Mapping[str, str]], min_n: int) -> list[Measurement]:
    """Measure `drift/documents`."""
    found = []
    for row in rows:
        reference_n, current_n = int(row["reference_n"]), int(row["current_n"])
        null = [float(value) for value in row["moved"][1:] if math.isfinite(value)]
        if not null:
            continue
        by_chance = sum(null) / len(null)
        deviation = math.sqrt(sum((value - by_chance) ** 2 for value in null) / max(1, len(null) - 1))
        effect = float(row["moved"][0]) - by_chance
        is_tested = min(reference_n, current_n) >= min_n
        found.append(
            Measurement(
                signal="retrieval.documents",
                key=keys[row["comparison"] - 1],
                kind="moved",
                effect=effect,
                low=effect - significance.Z95 * deviation,
                high=effect + significance.Z95 * deviation,
                p=significance.permutation_p(row["chi_square"]) if is_tested else None,
                matters=effect >= LEAST_MOVED,
                reference_n=reference_n,
                current_n=current_n,
                reference=by_chance,
                current=float(row["moved"][0]),
                further={
                    "documents": float(row["documents"]),
                    "only_reference": float(row["only_reference"]),
                    "only_current": float(row["only_current"]),
                },
            )
        )
    return found


def of_answers(rows: Iterable[Mapping[str, Any]], min_n: int) -> list[Measurement]:
    """Measure `drift/answers`. A narrower key that holds the same answers as the wider one is left out."""
    found: dict[tuple[str, int, int, str], Measurement] = {}
    ordered = sorted(rows, key=lambda row: (-sum(part == "*" for part in row["comparison"]), row["comparison"]))
    for row in ordered:
        service, model, prompt, tenant = row["comparison"]
        named = {"service": service, "model": model, "prompt": prompt, "tenant": tenant}
        key = {name: value for name, value in named.items() if value not in ("*", "")}
        measured = of_distribution(row, f"answers.{row['signal']}", key, min_n)
        if measured is not None:
            same = (measured.signal, measured.reference_n, measured.current_n, service)
            found.setdefault(same, measured)
    return list(found.values())


def of_evaluations(rows: Iterable[Mapping[str, Any]], min_n: int) -> list[Measurement]:
    """Measure `drift/evaluations`, as `of_answers` does."""
    found: dict[tuple[str, int, int, str, str], Measurement] = {}
    for row in sorted(rows, key=lambda row: (row["comparison"][2] != "*", row["comparison"])):
        judge, version, model = row["comparison"]
        named = {"judge": f"{judge} {version}".strip(), "model": model}
        key = {name: value for name, value in named.items() if value not in ("*", "")}
        measured = of_distribution(row, f"scores.{row['signal']}", key, min_n)
        if measured is not None:
            found.setdefault((measured.signal, measured.reference_n, measured.current_n, judge, version), measured)
    return list(found.values())


def of_ingestion(rows: Iterable[Mapping[str, Any]]) -> list[Measurement]:
    """Measure `drift/ingestion`."""
    found = (
        of_distribution(row, f"index.{row['signal']}", {"service": row["comparison"]}, LEAST_INGESTIONS) for row in rows
    )
    return [measured for measured in found if measured is not None]


def of_canaries(rows: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Measure `drift/canaries`: whether canaries find less of what they found, and of what they should find.

    The reference overlap of a canary is that of its answers before with each other, so that an approximate search,
    whose answers differ by themselves, is no drift. Where there is one answer before, it is 1.
    """
    found = []
    for canaries in sorted({row["canaries"] for row in rows}):
        mine = [row for row in rows if row["canaries"] == canaries]
        overlaps = [(_mean(row["overlaps_before"], 1.0), _mean(row["overlaps"], 0.0)) for row in mine]
        recalls = [
            (_mean(row["recalls_before"], 0.0), float(row["recall"])) for row in mine if row["recall"] is not None
        ]
        for name, pairs in (("overlap", overlaps), ("recall", recalls)):
            if pairs:
                found.append(_of_pairs(f"canaries.{name}", {"canaries": canaries} if canaries else {}, pairs))
    return found


def _of_pairs(signal: str, key: Mapping[str, str], pairs: Sequence[tuple[float, float]]) -> Measurement:
    differences = [now - was for was, now in pairs]
    effect = math.fsum(differences) / len(differences)
    low, high = significance.mean_interval(differences)
    is_tested = len(pairs) >= significance.least_pairs(SUSPECT_AT)  # fewer could show nothing, whatever they find
    return Measurement(
        signal=signal, key=key, kind="overlap", effect=effect, low=low, high=high,
        p=significance.fall_p(differences) if is_tested else None, matters=effect <= -LEAST_OVERLAP,
        reference_n=len(pairs), current_n=len(pairs), reference=math.fsum(was for was, _ in pairs) / len(pairs),
        current=math.fsum(now for _, now in pairs) / len(pairs),
    )  # fmt: skip


def _mean(values: Sequence[float], otherwise: float) -> float:
    return math.fsum(values) / len(values) if values else otherwise


def corrected(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The same measurements with p-values that hold for all of them together, by Holm: whatever depends on what."""
    tested = [place for place, measured in enumerate(measurements) if measured.p is not None]
    adjusted = holm([measurements[place].p or 0.0 for place in tested])
    told = dict(zip(tested, adjusted, strict=True))
    return [replace(measured, p_adjusted=told.get(place)) for place, measured in enumerate(measurements)]


def key_of(comparison: Comparison, topic_names: Sequence[str]) -> dict[str, str]:
    """The key of a comparison in words."""
    named = {
        "tenant": comparison.tenant,
        "topic": topic_names[comparison.topic - 1] if comparison.topic else "",
        "collection": comparison.collection,
        "operation": comparison.operation,
        "embedding": f"{comparison.embedding} {comparison.embedding_version}".strip(),
        "index": "" if comparison.current_index == ANY_INDEX else comparison.current_index,
    }
    if comparison.reference_index != comparison.current_index:
        named["index"] += " (against the indexes before)"
    return {name: value for name, value in named.items() if value}
