"""One run, from the passages to the recommendation."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import sightline
from sightline_app.embeddings.protocol import Progress
from sightline_app.errors import AppError, InvalidSetting, MissingExtra, RetrievalUnavailable
from sightline_app.settings import AppSettings
from sightline_app.tuning import layouts, telling
from sightline_app.tuning.layouts import Layout
from sightline_app.tuning.measuring import Built, Measured, Times, ask, interval
from sightline_app.tuning.places import Place, open_place
from sightline_app.tuning.recommendation import recommend
from sightline_app.tuning.report import Report
from sightline_app.tuning.variants import Variant, variants
from sightline_app.tuning.workload import Workload
from sightline_app.weaviate_install import find

_MEMORY_S = 20.0
"""Longest wait for a garbage collection of the server, in seconds."""


@dataclass(frozen=True)
class Plan:
    """What a run does."""

    stores: tuple[str, ...]
    """Stores to measure; the recommendation is for the first one."""
    recall: float = 0.95
    """Recall target, from 0 to 1."""
    count: int = 10
    """Passages of one search."""
    rounds: int = 5
    """Timed rounds over all questions."""
    tenants: int = 20
    """Tenants of the comparison with multi-tenancy; 0 leaves it out."""
    only: str = ""
    """Only variants whose names hold this."""


def tune(
    settings: AppSettings, plan: Plan, workload: Workload, folder: Path, step: Callable[[str], Progress]
) -> Report:
    """Build, measure and recommend.

    Args:
        settings: where the stores are, and the index that is in use.
        plan: what to do.
        workload: passages and questions.
        folder: for data of the run; the caller removes it.
        step: begins a step of the progress, by its title.

    Raises:
        RetrievalUnavailable: the first store cannot be measured.
        MissingExtra: its client is not installed.
        InvalidSetting: no index is left to measure.
    """
    found: list[Measured] = []
    skipped: dict[str, str] = {}
    wanted = {
        store: [each for each in variants(store, settings.vector_index) if plan.only in each.name]
        for store in plan.stores
    }
    if not any(wanted.values()):
        raise InvalidSetting("--only", plan.only, "no index has that in its name")
    for store in (each for each in plan.stores if wanted[each]):
        try:
            place = open_place(settings, store, folder)
        except (RetrievalUnavailable, MissingExtra) as exc:
            if store == plan.stores[0]:
                raise
            skipped[store] = str(exc)
            continue
        try:
            found += _store(place, wanted[store], plan, workload, step, skipped)
        finally:
            place.close()
    made: list[Layout] = []
    binary = find(settings.cache_dir, os.environ.get("PATH"))
    if plan.tenants and "weaviate" in plan.stores and "weaviate" not in skipped and binary is not None:
        made = layouts.compare(settings, binary, folder, workload, plan.tenants, plan.count, plan.rounds, step)
    advice = recommend(found, plan.recall, plan.stores[0])
    told = {
        "passages": len(workload.passages),
        "dimensions": int(workload.vectors.shape[1]),
        "questions": len(workload.questions),
        "embedding": workload.embedding,
    }
    return Report(uuid.uuid4().hex[:12], plan.count, plan.rounds, told, found, made, advice, skipped)


def _store(  # noqa: PLR0917  # one private step of tune()
    place: Place,
    wanted: Sequence[Variant],
    plan: Plan,
    workload: Workload,
    step: Callable[[str], Progress],
    skipped: dict[str, str],
) -> list[Measured]:
    found: list[Measured] = []
    for _, group in groupby(wanted, key=lambda each: each.build_key):
        same = list(group)
        try:
            times = place.build(same[0].index, workload, step(f"{same[0].name}: building"))
            asked = []
            for variant in same:
                progress = step(f"{variant.name}: measuring")
                asked.append(_ask(place, variant, plan, workload, plan.rounds))
                progress(1, 1)
            built = Built(*times, _memory(place, same[-1], plan, workload))
        except AppError as exc:  # an index that this store does not have, or does not finish
            skipped |= {each.name: str(exc) for each in same}
            continue
        for variant, (recalls, took) in zip(same, asked, strict=True):
            measured = Measured(variant, *interval(recalls), took, built)
            _tell(measured)
            found.append(measured)
    return found


def _ask(place: Place, variant: Variant, plan: Plan, workload: Workload, rounds: int) -> tuple[list[float], Times]:
    async def go() -> tuple[list[float], Times]:
        retriever = place.retriever(variant.index)
        try:
            return await ask(retriever, workload, count=plan.count, rounds=rounds)
        finally:
            await retriever.close()

    return asyncio.run(go())


def _memory(place: Place, variant: Variant, plan: Plan, workload: Workload) -> int | None:
    """Return the memory of what was built; a server that tells it when it collects garbage is asked until it does."""
    started = time.monotonic()
    while (memory_bytes := place.memory()) is None and place.tells_memory and time.monotonic() - started < _MEMORY_S:
        _ask(place, variant, plan, workload, 1)
    return memory_bytes


@sightline.trace(telling.VARIANT, stage=telling.STAGE, capture="none")
def _tell(measured: Measured) -> None:
    telling.annotate(measured)
