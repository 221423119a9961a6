"""Two ways to keep tenants apart in Weaviate, measured alike: one collection with a filter, and multi-tenancy.

Passages are dealt to tenants in turn, and each question is asked for one of them. What is right is the exact search
among that tenant's own passages. Both collections have the same properties and Weaviate's default index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import weaviate
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.classes.tenants import Tenant

from sightline_app.embeddings.protocol import Progress
from sightline_app.settings import AppSettings
from sightline_app.tuning.measuring import Times, interval, times_of
from sightline_app.tuning.places import WeaviateServer
from sightline_app.tuning.workload import Workload
from sightline_app.vector_stores import weaviate_config
from sightline_app.vector_stores.weaviate_search import location

_BATCH = 500
_NAME = "SightlineLayout"
FILTERED, SEPARATE = "one collection, filtered by tenant", "multi-tenancy"


@dataclass(frozen=True)
class Layout:
    """One way to keep tenants apart, measured."""

    name: str
    tenants: int
    recall: float
    recall_low: float
    recall_high: float
    times: Times
    build_s: float
    """Seconds until all passages were accepted."""
    lag_s: float
    """Seconds from then until nothing waited for the index any more."""
    memory_bytes: int | None
    """Growth of the server's live heap; None where it told none."""

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "name": self.name,
            "tenants": self.tenants,
            "recall": round(self.recall, 4),
            "recall_low": round(self.recall_low, 4),
            "recall_high": round(self.recall_high, 4),
            **{name: round(value, 3) for name, value in asdict(self.times).items()},
            "build_s": round(self.build_s, 2),
            "lag_s": round(self.lag_s, 3),
            "memory_bytes": self.memory_bytes,
        }


def compare(  # noqa: PLR0917  # what the run has
    settings: AppSettings,
    binary: Path,
    folder: Path,
    workload: Workload,
    tenants: int,
    count: int,
    rounds: int,
    step: Callable[[str], Progress],
) -> list[Layout]:
    """Measure both ways, each in a fresh server.

    Args:
        settings: of the client; where the server is does not matter.
        binary: of Weaviate.
        folder: for the servers' data.
        workload: passages and questions.
        tenants: how many share them.
        count: passages of one search.
        rounds: timed ones.
        step: begins a step of the progress, by its title.

    Raises:
        RetrievalUnavailable: Weaviate did not start, or refused.
    """
    tenants = max(1, min(tenants, len(workload.passages)))
    found = []
    for separate in (False, True):
        progress = step(f"tenants: {SEPARATE if separate else FILTERED}")
        server = WeaviateServer(binary, folder)
        try:
            with weaviate.connect_to_custom(**location(server.reached_by(settings))) as client:
                found.append(_measure(client, server, workload, tenants, count, rounds, progress, separate=separate))
        finally:
            server.stop()
    return found


def _measure(  # noqa: PLR0917  # one private step of compare()
    client: Any,
    server: WeaviateServer,
    workload: Workload,
    tenants: int,
    count: int,
    rounds: int,
    progress: Progress,
    *,
    separate: bool,
) -> Layout:
    names = [f"tenant-{number:04d}" for number in range(tenants)]
    collection = _collection(client, names, separate=separate)
    started = time.perf_counter()
    for number, name in enumerate(names):
        _fill(collection, workload, slice(number, None, tenants), name, separate=separate)
        progress(number + 1, tenants)
    accepted = time.perf_counter()
    while weaviate_config.queued(client, _NAME):
        time.sleep(0.05)
    settled = time.perf_counter()
    server.note_written()
    places = [_asker(collection, name, count, separate=separate) for name in names]
    recalls = []
    for row in range(len(workload.questions)):
        among = np.arange(len(workload.passages)) % tenants == row % tenants
        recalls.append(workload.recall(row, places[row % tenants](workload.questions[row]), count, among))
    order, timed = np.random.default_rng(7), []
    for _ in range(rounds):
        took = []
        for row in order.permutation(len(workload.questions)):
            begun = time.perf_counter()
            places[row % tenants](workload.questions[row])
            took.append((time.perf_counter() - begun) * 1000)
        timed.append(took)
    mean, low, high = interval(recalls)
    name, times = SEPARATE if separate else FILTERED, times_of(timed)
    memory_bytes = server.heap_growth()
    return Layout(name, tenants, mean, low, high, times, accepted - started, settled - accepted, memory_bytes)


def _collection(client: Any, names: Sequence[str], *, separate: bool) -> Any:
    made = client.collections.create(
        _NAME,
        properties=[
            Property(name="tenant", data_type=DataType.TEXT, tokenization=Tokenization.FIELD, index_searchable=False)
        ],
        multi_tenancy_config=Configure.multi_tenancy(enabled=separate),
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
        ),
    )
    if separate:
        made.tenants.create([Tenant(name=name) for name in names])
    return made


def _fill(collection: Any, workload: Workload, rows: slice, tenant: str, *, separate: bool) -> None:
    target = collection.with_tenant(tenant) if separate else collection
    passages, vectors = workload.passages[rows], workload.vectors[rows]
    for start in range(0, len(passages), _BATCH):
        batch = zip(passages[start : start + _BATCH], vectors[start : start + _BATCH], strict=True)
        target.data.insert_many(
            [DataObject(uuid=each.id, properties={"tenant": tenant}, vector=row.tolist()) for each, row in batch]
        )


def _asker(collection: Any, tenant: str, count: int, *, separate: bool) -> Callable[[Any], list[str]]:
    target = collection.with_tenant(tenant) if separate else collection
    wanted = None if separate else Filter.by_property("tenant").equal(tenant)

    def ask(vector: Any) -> list[str]:
        found = target.query.near_vector(vector.tolist(), limit=count, filters=wanted, return_properties=[])
        return [str(each.uuid) for each in found.objects]

    return ask
