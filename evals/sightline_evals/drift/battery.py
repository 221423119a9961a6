"""All signals of two windows: asks the store, and returns measurements with p-values that hold for all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sightline_evals.drift import comparisons, signals, topics
from sightline_evals.drift.signals import Measurement
from sightline_store.questions import drift
from sightline_store.questions.asking import Asks, Row

REFUSALS: Final = (
    r"^\W*(i('m| am) sorry|sorry\b|i (do not|don.t) know|i (cannot|can.t|am unable|.m unable)|unfortunately,? i\b|"
    r"es tut mir leid|ich weiß (es )?nicht|je ne sais pas|désolé|lo siento|no lo sé)"
)
"""How an answer begins that refuses, in lower case; RE2."""
_SKETCHES: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a battery needs to know beside its windows.

    Attributes:
        min_n: traces that each window needs of a comparison.
        most_traces: traces of both windows together that are read; of more, an even part by a hash of the trace.
        depth: documents of a search that are compared.
    """

    min_n: int = 100
    most_traces: int = 20_000
    depth: int = 5


@dataclass(frozen=True)
class Battery:
    """What two windows show.

    Attributes:
        windows: what was compared.
        measurements: corrected for each other.
        planned: which comparisons there were.
        topics: of the largest series.
        centres: by which its searches were divided into them.
        stride: one trace in so many was read.
        searches: searches of the reference and of the current window, all of them.
        canaries: rows of the question `drift/canaries`.
    """

    windows: drift.Windows
    measurements: tuple[Measurement, ...]
    planned: comparisons.Planned
    topics: tuple[topics.Topic, ...]
    centres: drift.Topics
    stride: int
    searches: tuple[int, int]
    canaries: tuple[Mapping[str, Any], ...]


def measure(client: Asks, windows: drift.Windows, options: Options, after: Battery | None = None) -> Battery:
    """Compute every signal.

    Args:
        client: the store.
        windows: what is compared.
        options: how.
        after: the battery of the window behind this one, whose topics are taken: each has the same name in both.

    Raises:
        StoreError: the store is away, or refuses.
    """
    size, planned, plan = plan_of(client, windows, options)
    stride = plan.stride
    found, middle = (list(after.topics), after.centres) if after else _topics(client, plan)
    measured = _searches(client, plan, found, middle, options)
    answers = drift.answers(client, windows, refusals=REFUSALS, stride=stride) if size["calls"] else []
    measured += signals.of_answers(answers, options.min_n)
    measured += signals.of_evaluations(drift.evaluations(client, windows, stride=stride), options.min_n)
    measured += signals.of_ingestion(drift.ingestion(client, windows))
    canaries = drift.canaries(client, windows, depth=options.depth)
    measured += signals.of_canaries(canaries)
    return Battery(
        windows, tuple(signals.corrected(measured)), planned, tuple(found), middle, stride,
        (int(size["reference_searches"]), int(size["current_searches"])), tuple(canaries),
    )  # fmt: skip


def plan_of(client: Asks, windows: drift.Windows, options: Options) -> tuple[Row, comparisons.Planned, drift.Plan]:
    """What two windows hold (the row of `drift/size`), what is compared, and of how many traces one is read."""
    size = drift.size(client, windows)
    traces = max(size["reference_searches"] + size["current_searches"], size["calls"])
    stride = max(1, -(-traces // options.most_traces))
    planned = comparisons.plan(drift.keys(client, windows, stride=stride), min_n=options.min_n)
    return size, planned, drift.Plan(windows=windows, comparisons=planned.comparisons, stride=stride)


def _topics(client: Asks, plan: drift.Plan) -> tuple[list[topics.Topic], drift.Topics]:
    """Topics of the largest comparison whose queries have sketches."""
    whole = _divided(plan.comparisons)
    if whole is None:
        return [], drift.Topics()
    rows = sketches(client, plan)
    middle, found = topics.find(client, rows, plan.windows)
    return found, drift.Topics(version=whole.sketch_version, centres=[[float(x) for x in centre] for centre in middle])


def sketches(client: Asks, plan: drift.Plan) -> list[Row]:
    """Rows of the question `drift/sketches` of the largest comparison whose queries have them; [] where none has."""
    whole = _divided(plan.comparisons)
    if whole is None:
        return []
    return drift.sketches(
        client,
        plan.windows,
        sketch_version=whole.sketch_version,
        embedding=whole.embedding,
        embedding_version=whole.embedding_version,
        stride=plan.stride,
        limit=_SKETCHES,
    )


def _divided(each: Sequence[drift.Comparison]) -> drift.Comparison | None:
    """The comparison that is divided into topics: the largest whose queries have sketches."""
    return next((one for one in each if one.sketch_version and not one.tenant), None)


def _searches(
    client: Asks, plan: drift.Plan, found: Sequence[topics.Topic], middle: drift.Topics, options: Options
) -> list[Measurement]:
    if not plan.comparisons:
        return []
    names = [topic.name for topic in found]
    whole = _divided(plan.comparisons)
    by_topic = [replace(whole, topic=number) for number in range(1, len(found) + 1)] if whole else []
    divided = replace(plan, comparisons=(*plan.comparisons, *by_topic), topics=middle)
    keys = [signals.key_of(comparison, names) for comparison in divided.comparisons]
    return [
        *signals.of_searches(drift.searches(client, divided), keys, options.min_n),
        *signals.of_queries(drift.query_sketches(client, plan), keys, options.min_n),
        *signals.of_documents(drift.documents(client, plan, depth=options.depth), keys, options.min_n),
    ]
