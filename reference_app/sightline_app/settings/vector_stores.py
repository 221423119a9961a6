"""Settings of the vector stores, and of the index that is built in them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sightline_app.settings.base import APP_DIR, OwnSettings
from sightline_roles.settings import as_text, setting

STORES = ("weaviate", "milvus", "pinecone", "clickhouse")
"""Vector stores, by the names that they have in `db.system.name`."""


@dataclass(frozen=True, kw_only=True)
class MilvusSettings(OwnSettings):
    """Milvus as the vector store of `sightline-app`; needs the `milvus` extra."""

    uri: str = setting(
        "MILVUS_URI",
        str(APP_DIR / "milvus.db"),
        "A Milvus server such as http://127.0.0.1:19530, or a path that ends in `.db`: Milvus Lite inside the app's "
        "process, which one process at a time can open",
        check=lambda uri: uri.startswith(("http://", "https://")) or uri.endswith(".db"),
        need="an address such as http://127.0.0.1:19530, or a path that ends in .db",
    )
    secret_token: str = setting("MILVUS_TOKEN", "", "API key of a Milvus server, or user:password", secret=True)


@dataclass(frozen=True, kw_only=True)
class PineconeSettings(OwnSettings):
    """Pinecone as the vector store of `sightline-app`; needs the `pinecone` extra."""

    index_host: str = setting(
        "PINECONE_INDEX_HOST",
        "",
        "Address of a Pinecone index with the metric `cosine` and the dimensions of the embedding, as its console "
        "shows it; each version of the app's index is a namespace of it",
    )
    api_key: str = setting("PINECONE_API_KEY", "", "Pinecone API key", secret=True)


@dataclass(frozen=True, kw_only=True)
class VectorIndexSettings(OwnSettings):
    """The vector index that `sightline-app ingest` builds; `sightline-app tune` says which ones pay."""

    kind: str = setting(
        "SIGHTLINE_APP_INDEX",
        "auto",
        "Kind of the vector index. `auto`: HNSW in Weaviate and Milvus, exact search (`flat`) in ClickHouse; `ivf` is "
        "Milvus only; Pinecone has its own",
        choices=("auto", "hnsw", "flat", "ivf"),
    )
    ef: int | None = setting(
        "SIGHTLINE_APP_INDEX_EF",
        None,
        "HNSW: entries that one search keeps as candidates",
        at_least=1,
        at_most=10_000,
        default_text="the store's own",
    )
    max_connections: int | None = setting(
        "SIGHTLINE_APP_INDEX_M",
        None,
        "HNSW: neighbours of an entry in the graph",
        at_least=2,
        at_most=2047,
        default_text="the store's own",
    )
    ef_construction: int | None = setting(
        "SIGHTLINE_APP_INDEX_EF_CONSTRUCTION",
        None,
        "HNSW: candidates for the neighbours of an entry while the graph is built",
        at_least=4,
        at_most=10_000,
        default_text="the store's own",
    )
    flat_search_cutoff: int | None = setting(
        "SIGHTLINE_APP_INDEX_FLAT_SEARCH_CUTOFF",
        None,
        "HNSW in Weaviate: a filter that leaves fewer entries than this is searched entry by entry, without the graph",
        at_least=0,
        default_text="Weaviate's own, 40000",
    )
    quantizer: str = setting(
        "SIGHTLINE_APP_INDEX_QUANTIZER",
        "auto",
        "Compressed form of the vectors: rotational (8 bits a dimension), binary, scalar or product quantization. "
        "`auto` is the store's own; Milvus, and ClickHouse with HNSW, have `sq` only here",
        choices=("auto", "none", "rq8", "bq", "sq", "pq"),
    )
    rescore_limit: int | None = setting(
        "SIGHTLINE_APP_INDEX_RESCORE_LIMIT",
        None,
        "Weaviate with a quantizer: candidates whose whole vectors are compared after the search",
        at_least=0,
        default_text="Weaviate's own",
    )
    nlist: int | None = setting(
        "SIGHTLINE_APP_INDEX_NLIST",
        None,
        "IVF: clusters of vectors",
        at_least=1,
        at_most=65_536,
        default_text="128",
    )
    nprobe: int | None = setting(
        "SIGHTLINE_APP_INDEX_NPROBE",
        None,
        "IVF: clusters that one search looks into",
        at_least=1,
        at_most=65_536,
        default_text="10",
    )

    def variables_set(self) -> dict[str, str]:
        """Return variable -> value of what is not at its default."""
        default = VectorIndexSettings()
        return {
            self.variable(each.name): as_text(getattr(self, each.name))
            for each in fields(self)
            if getattr(self, each.name) != getattr(default, each.name)
        }

    def describe(self) -> str:
        """Return all that is not at its default on one line, '' where everything is; equal indexes have equal texts."""
        return " ".join(f"{name}={value}" for name, value in self.variables_set().items())
