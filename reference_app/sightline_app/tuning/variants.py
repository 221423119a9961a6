"""The indexes that are built: HNSW, flat, IVF and quantized ones, as settings of the app.

A search parameter (`ef`, `nprobe`) needs no build of its own: variants of one `build_key` share a collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sightline_app.settings import VectorIndexSettings

_NAMES = {
    "ef": "ef",
    "max_connections": "M",
    "ef_construction": "efConstruction",
    "flat_search_cutoff": "cutoff",
    "rescore_limit": "rescore",
    "nlist": "nlist",
    "nprobe": "nprobe",
}
_EFS = (16, 64, 256)


@dataclass(frozen=True)
class Variant:
    """One index in one store."""

    store: str
    index: VectorIndexSettings

    @property
    def name(self) -> str:
        """Its name for people, such as ``weaviate hnsw rq8 M=32 ef=64``."""
        index = self.index
        parts = [self.store, index.kind if index.kind != "auto" else "default"]
        parts += [] if index.quantizer in {"auto", "none"} else [index.quantizer]
        given = ((short, getattr(index, field)) for field, short in _NAMES.items())
        return " ".join(parts + [f"{short}={value}" for short, value in given if value is not None])

    @property
    def build_key(self) -> VectorIndexSettings:
        """The index without what only a search needs."""
        return replace(self.index, ef=None, nprobe=None)

    def settings(self) -> dict[str, str]:
        """Return variable -> value of the settings that build it."""
        return {"SIGHTLINE_RETRIEVAL": self.store, **self.index.variables_set()}


def variants(store: str, current: VectorIndexSettings) -> list[Variant]:
    """Return the variants of a store, those of one build together, the one of the settings first.

    Args:
        store: weaviate, milvus or clickhouse.
        current: the index of the settings.
    """
    made = {"weaviate": _weaviate, "milvus": _milvus, "clickhouse": _clickhouse}[store]()
    return [Variant(store, index) for index in dict.fromkeys([current, *made])]


def _weaviate() -> Sequence[VectorIndexSettings]:
    # A filter that leaves fewer entries than the cutoff is searched without the graph, and the app always filters.
    graph = VectorIndexSettings(kind="hnsw", quantizer="none", flat_search_cutoff=0)
    flat = VectorIndexSettings(kind="flat", quantizer="none")
    return [
        *(replace(graph, max_connections=links, ef=ef) for links in (8, 32) for ef in _EFS),
        *(replace(graph, max_connections=32, ef=64, quantizer=each) for each in ("rq8", "bq", "sq", "pq")),
        flat,
        *(replace(flat, quantizer=each) for each in ("rq8", "bq")),
    ]


def _milvus() -> Sequence[VectorIndexSettings]:
    graph = VectorIndexSettings(kind="hnsw", quantizer="none", max_connections=16)
    clusters = VectorIndexSettings(kind="ivf", quantizer="none", nlist=128)
    return [
        *(replace(graph, ef=ef) for ef in _EFS),
        replace(graph, ef=64, quantizer="sq"),
        *(replace(clusters, nprobe=probes) for probes in (4, 16, 64)),
        replace(clusters, nprobe=16, quantizer="sq"),
        VectorIndexSettings(kind="flat", quantizer="none"),
    ]


def _clickhouse() -> Sequence[VectorIndexSettings]:
    graph = VectorIndexSettings(kind="hnsw", max_connections=32)
    return [
        *(replace(graph, ef=ef) for ef in _EFS),
        replace(graph, ef=64, quantizer="sq"),
        VectorIndexSettings(kind="flat"),
    ]
