"""Stored traces as samples: the answers that real users got, with the passages retrieved for them.

The store picks the requests first, with how many there were to pick from; their content is read page by page. A trace
whose question, answer or passages were not captured cannot be judged: it is left out and counted.

Each sample's weight is how many requests it stands for: those of its tenant (or of all) for each one that was drawn,
times the traces that a collector's sampling or a head sampler left out for each one that it kept. Of traces that were
drawn because they were judged badly there is no such number: their weight is that of sampling alone, and their mean
says nothing about the others. Those of topics that grew stand for these.

Source: https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sightline_evals.datasets import Sample
from sightline_evals.runs import drifted
from sightline_store.client import Client
from sightline_store.questions import request_lists, sampled
from sightline_store.questions.sampled import SampleBy

PAGE: Final = 200
"""Requests whose content is read at once."""
STRATEGIES: Final[tuple[SampleBy, ...]] = ("stratified", "random", "low-score", "drifted")
"""How requests are drawn."""
_THRESHOLD = re.compile(r"(?:^|,)\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?:[;,]|$)")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Requests that were drawn from the store, without their content.

    Attributes:
        rows: JSON values: trace_id, span_id, started_ms, tenant, conversation, ttft_ms, duration_ms, weight.
        drawn_from: how many there were to draw from.
        topic: of ``drifted``, what the questions are about that they were drawn from.
    """

    rows: list[dict[str, Any]]
    drawn_from: int
    topic: str = ""

    @property
    def by_tenant(self) -> dict[str, int]:
        """Requests of each tenant, most first."""
        return dict(Counter(row["tenant"] or "(none)" for row in self.rows).most_common())


@dataclass(slots=True)
class Completeness:
    """What was found of the requests whose content was read.

    Attributes:
        incomplete: requests without a question, an answer or a passage.
        notes: remarks on the answers.
    """

    incomplete: int = 0
    notes: set[str] = field(default_factory=set)


def draw(
    client: Client,
    *,
    since_s: int,
    limit: int,
    rescore: bool = False,
    strategy: SampleBy = "stratified",
    seed: int = 0,
) -> Drawn:
    """Draw requests from the last `since_s` seconds.

    Args:
        client: the ClickHouse that holds the traces.
        since_s: how far to look back, in seconds.
        limit: most requests to take.
        rescore: take traces that have a score too.
        strategy: ``stratified`` takes as many of each tenant as there are, ``random`` draws from all alike,
            ``low-score`` takes those that were judged worst, ``drifted`` draws from the topics that grew most.
        seed: another one draws others.

    Raises:
        UsageError: of ``drifted``, there are too few searches with a sketch of their query.
        sightline_store.errors.StoreUnavailable: no store answers; trying again can help.
    """
    grown = drifted.most_grown(client, since_s=since_s) if strategy == "drifted" else None
    rows = sampled.requests(
        client,
        since_s=since_s,
        limit=limit,
        only_unscored=not rescore,
        strategy=strategy,
        seed=seed,
        trace_ids=grown.trace_ids if grown else (),
    )
    of_tenant = Counter(row["tenant"] for row in rows)
    kept = []
    for row in rows:
        weight = {
            "stratified": row["drawn_from_tenant"] / of_tenant[row["tenant"]],
            "random": row["drawn_from"] / len(rows),
            "low-score": 1.0,
            "drifted": row["drawn_from"] / len(rows),
        }[strategy]
        names = ("trace_id", "span_id", "started_ms", "tenant", "conversation", "ttft_ms", "duration_ms")
        kept.append({**{name: row[name] for name in names}, "weight": weight})
    return Drawn(kept, int(rows[0]["drawn_from"]) if rows else 0, grown.told() if grown else "")


def read(client: Client, rows: Sequence[dict[str, Any]], found: Completeness) -> Iterator[Sample]:
    """The samples of drawn rows, a page at a time.

    Args:
        client: the store.
        rows: of `Drawn`.
        found: counts what cannot be judged.

    Raises:
        sightline_store.errors.StoreUnavailable: no store answers; trying again can help.
    """
    for begin in range(0, len(rows), PAGE):
        page = rows[begin : begin + PAGE]
        contents = {row["trace_id"]: row for row in sampled.contents(client, page)}
        spent = {row["trace_id"]: row for row in request_lists.trace_totals(client, page)}
        for row in page:
            sample = _sample(row, contents.get(row["trace_id"]), spent.get(row["trace_id"], {}))
            if sample is None:
                found.incomplete += 1
            else:
                found.notes.update({sample.note} - {""})
                yield sample


def outline(row: dict[str, Any]) -> Sample:
    """The sample of a drawn row without its content."""
    return Sample(
        id=str(row["trace_id"]),
        question="",
        answer="",
        contexts=(),
        trace_id=str(row["trace_id"]),
        span_id=str(row["span_id"]),
        tenant=str(row["tenant"]),
        conversation=str(row["conversation"]),
        weight=row["weight"],
        ttft_ms=row["ttft_ms"],
        duration_ms=row["duration_ms"],
    )


def sampling_weight(stored_weight: float, trace_state: str) -> float:
    """How many traces one stands for by the sampling that the store knows of; 1 where it knows of none.

    Args:
        stored_weight: what a collector wrote on the spans that it kept; 0 where it wrote nothing.
        trace_state: the W3C one, where a head sampler leaves its threshold (``ot=th:c`` keeps a quarter).
    """
    match = _THRESHOLD.search(trace_state)
    kept = 1 - int(match[1].ljust(14, "0"), 16) / 2**56 if match else 1.0
    return (stored_weight or 1.0) / kept


def _sample(row: dict[str, Any], content: dict[str, Any] | None, spent: dict[str, Any]) -> Sample | None:
    if content is None:
        return None
    contexts = tuple(str(context) for context in content["contexts"] if str(context).strip())
    question, answer = str(content["question"]).strip(), str(content["answer"]).strip()
    if not (question and answer and contexts):
        return None
    return replace(
        outline(row),
        question=question,
        answer=answer,
        contexts=contexts,
        model=str(content["model"]),
        note=str(content["note"]),
        weight=row["weight"] * sampling_weight(float(content["sampling_weight"]), str(content["trace_state"])),
        cost_usd=spent.get("cost_usd"),
        input_tokens=spent.get("input_tokens"),
        output_tokens=spent.get("output_tokens"),
    )
