"""Questions that compare two windows of traffic: what drift is computed from.

Each is one statement of `sql/queries/drift/*.sql` over a reference window and a current one. Rows come back as those of
`queries` do. Nothing is judged here: whether a difference matters is for `sightline-evals drift` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks, Row, ask

ANY_INDEX: Final = "*"
"""In a `Comparison`: searches of any version of the index."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """A reference window and the current one, which begins where the reference ends or later."""

    reference_from: datetime
    reference_to: datetime
    """Exclusive."""
    current_from: datetime
    current_to: datetime
    """Exclusive."""

    def __post_init__(self) -> None:
        """Refuse windows that overlap, that are empty, or that have no time zone."""
        moments = (self.reference_from, self.reference_to, self.current_from, self.current_to)
        if any(moment.tzinfo is None for moment in moments):
            raise ValueError("the windows need a time zone: the store keeps UTC")
        if not self.reference_from < self.reference_to <= self.current_from < self.current_to:
            raise ValueError("the reference must end before the current window begins, and neither may be empty")

    def params(self) -> Row:
        """The parameters that every question of this module names."""
        return {
            "reference_from": sql_moment(self.reference_from),
            "reference_to": sql_moment(self.reference_to),
            "current_from": sql_moment(self.current_from),
            "current_to": sql_moment(self.current_to),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which searches of the two windows are compared with each other."""

    collection: str
    operation: str = ""
    embedding: str = ""
    embedding_version: str = ""
    reference_index: str = ANY_INDEX
    current_index: str = ANY_INDEX
    tenant: str = ""
    """'' is any tenant."""
    sketch_version: str = ""
    """Sketches of queries that are compared; others are none. '' compares none."""
    topic: int = 0
    """Number of a centre of `Topics`, from 1; 0 is any topic."""


@dataclass(frozen=True, kw_only=True)
class Topics:
    """Centres of clusters of sketches, by which searches are divided into topics.

    Attributes:
        version: sketches of this version are divided; others are of no topic.
        centres: float[topics, numbers of a sketch], of length 1 each.
    """

    version: str = ""
    centres: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the questions about searches compare."""

    windows: Windows
    comparisons: Sequence[Comparison]
    """A row's `comparison` is the place in this list, from 1."""
    topics: Topics = Topics()
    stride: int = 1
    """One trace in so many is read."""

    def params(self) -> Row:
        """The parameters that the questions about searches name."""
        each = self.comparisons
        return {
            **self.windows.params(),
            "stride": self.stride,
            "collections": [one.collection for one in each],
            "operations": [one.operation for one in each],
            "embeddings": [one.embedding for one in each],
            "embedding_versions": [one.embedding_version for one in each],
            "reference_indexes": [one.reference_index for one in each],
            "current_indexes": [one.current_index for one in each],
            "tenants": [one.tenant for one in each],
            "sketch_versions": [one.sketch_version for one in each],
            "topics": [one.topic for one in each],
            "centres_version": self.topics.version,
            "centres": [[round(float(x), 6) for x in centre] for centre in self.topics.centres],
        }


def size(client: Asks, windows: Windows) -> Row:
    """How many searches (`reference_searches`, `current_searches`) and model calls (`calls`) the windows hold."""
    return ask(client, "drift/size", windows.params())[0]


def keys(client: Asks, windows: Windows, *, stride: int = 1) -> list[Row]:
    """What was searched, with which embedding and index, a tenant and window; counts are of one trace in `stride`."""
    return ask(client, "drift/keys", {**windows.params(), "stride": stride})


def searches(client: Asks, plan: Plan) -> list[Row]:
    """Distributions of `top_score`, `empty`, `failed` and `stale`, a comparison and signal."""
    return ask(client, "drift/searches", plan.params())


def query_sketches(client: Asks, plan: Plan) -> list[Row]:
    """How well sketches of the windows are told apart (`auc`), and how far their mean moved, a comparison and half."""
    return ask(client, "drift/queries", plan.params())


def documents(client: Asks, plan: Plan, *, depth: int = 5) -> list[Row]:
    """How far the documents that are found moved, with 128 permutations, a comparison."""
    return ask(client, "drift/documents", {**plan.params(), "depth": depth})


def moved_documents(client: Asks, plan: Plan, *, depth: int = 5, limit: int = 10) -> list[Row]:
    """The documents whose share of searches moved most; the plan should hold one comparison."""
    return ask(client, "drift/moved_documents", {**plan.params(), "depth": depth, "limit": limit})


def answers(client: Asks, windows: Windows, *, refusals: str, stride: int = 1) -> list[Row]:
    """Distributions of what models answered, by (service, model, prompt, tenant) and signal.

    Args:
        client: the store.
        windows: what is compared.
        refusals: regular expression (RE2) of an answer's beginning, lower case, that refuses.
        stride: one trace in so many is read.
    """
    return ask(client, "drift/answers", {**windows.params(), "refusals": refusals, "stride": stride})


def evaluations(client: Asks, windows: Windows, *, stride: int = 1) -> list[Row]:
    """Distributions of scores, by (judge, its version, model) and name."""
    return ask(client, "drift/evaluations", {**windows.params(), "stride": stride})


def ingestion(client: Asks, windows: Windows) -> list[Row]:
    """Distributions of `lag` (seconds until documents that came in were found) and `failed`, by service."""
    return ask(client, "drift/ingestion", windows.params())


def canaries(client: Asks, windows: Windows, *, depth: int = 5, limit: int = 1000) -> list[Row]:
    """What each canary question finds now and found before."""
    return ask(client, "drift/canaries", {**windows.params(), "depth": depth, "limit": limit})


def canary_searches(client: Asks, run_id: str, since: datetime) -> int:
    """How many canaries of a run have a search in the store."""
    rows = ask(client, "drift/canary_searches", {"run_id": run_id, "from": sql_moment(since)})
    return int(rows[0]["stored"])


def changes(client: Asks, windows: Windows, *, limit: int = 20) -> list[Row]:
    """Versions and models that appeared since the reference began, the newest first."""
    params = {"reference_from": sql_moment(windows.reference_from), "current_to": sql_moment(windows.current_to)}
    return ask(client, "drift/changes", {**params, "limit": limit})


def sketches(
    client: Asks,
    windows: Windows,
    *,
    sketch_version: str,
    embedding: str,
    embedding_version: str,
    stride: int = 1,
    limit: int = 2000,
) -> list[Row]:
    """Sketches of queries (`vector`: int8[numbers]) with their traces, at most `limit` of each window."""
    params = {
        "sketch_version": sketch_version,
        "embedding": embedding,
        "embedding_version": embedding_version,
        "stride": stride,
        "limit": limit,
    }
    return ask(client, "drift/sketches", {**windows.params(), **params})


def texts(client: Asks, trace_ids: Sequence[str], start: datetime, end: datetime) -> dict[str, str]:
    """Trace id to the text of its search, for those whose text was captured."""
    if not trace_ids:
        return {}
    params = {"trace_ids": list(trace_ids), "from": sql_moment(start), "to": sql_moment(end)}
    return {row["trace_id"]: row["text"] for row in ask(client, "drift/texts", params)}


def results(client: Asks, start: datetime, end: datetime, *, limit: int = 1000) -> list[Row]:
    """What runs of `sightline-evals drift` found in a stretch of time, the newest first."""
    return ask(client, "drift/results", {"from": sql_moment(start), "to": sql_moment(end), "limit": limit})


def pin(client: Asks, name: str) -> dict[str, Any] | None:
    """The window (`from_ms`, `to_ms`) that was pinned under a name; None where there is none."""
    rows = ask(client, "drift/pin", {"name": name})
    return rows[0] if rows else None
