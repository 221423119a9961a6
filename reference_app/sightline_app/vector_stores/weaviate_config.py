"""The vector indexes that Weaviate has, from the settings.

Source: https://docs.weaviate.io/weaviate/config-refs/indexing/vector-index
"""

from __future__ import annotations

import logging
import time
from typing import Any

from weaviate.classes.config import Configure, Reconfigure, VectorDistances

from sightline_app.errors import RetrievalUnavailable
from sightline_app.settings import VectorIndexSettings

_log = logging.getLogger("sightline.app")
_TRAINED = frozenset({"sq", "pq"})
"""Quantizers that learn from vectors, so that they are turned on when those are there."""
_MOST_TRAINING = 100_000
_LEAST_TRAINING = 256
"""Weaviate's PQ has 256 centroids a segment."""
_COMPRESS_S = 120.0


def check(index: VectorIndexSettings) -> None:
    """Refuse what Weaviate does not have.

    Raises:
        InvalidSetting: names the setting and what would be accepted.
    """
    if index.kind == "ivf":
        raise index.invalid("kind", "auto, hnsw or flat in Weaviate: IVF is Milvus only")
    if index.kind == "flat" and index.quantizer in _TRAINED:
        raise index.invalid("quantizer", "auto, none, rq8 or bq with SIGHTLINE_APP_INDEX=flat in Weaviate")


def vector_index(index: VectorIndexSettings) -> Any:
    """Return the configuration of a new collection's index; `compress` adds what needs vectors to learn from."""
    quantizer = _quantizer(index)
    if index.kind == "flat":
        return Configure.VectorIndex.flat(distance_metric=VectorDistances.COSINE, quantizer=quantizer)
    return Configure.VectorIndex.hnsw(
        distance_metric=VectorDistances.COSINE,
        ef=index.ef,
        ef_construction=index.ef_construction,
        max_connections=index.max_connections,
        flat_search_cutoff=index.flat_search_cutoff,
        quantizer=quantizer,
    )


def _quantizer(index: VectorIndexSettings) -> Any:
    kinds = Configure.VectorIndex.Quantizer
    if index.quantizer == "rq8":
        return kinds.rq(bits=8, rescore_limit=index.rescore_limit)
    if index.quantizer == "bq":
        return kinds.bq(rescore_limit=index.rescore_limit)
    # Without this, a server may compress by a default of its own.
    return kinds.none() if index.quantizer != "auto" else None


def compress(client: Any, collection: Any, index: VectorIndexSettings, passages: int) -> None:
    """Turn on a quantizer that learns from the vectors that are there, and wait until it is in force.

    Few passages are not compressed; a line of the log says so.

    Raises:
        RetrievalUnavailable: the server has not done it in time.
    """
    if index.quantizer not in _TRAINED:
        return
    if passages < _LEAST_TRAINING:
        _log.warning(
            "%s: %s needs at least %d passages to learn from, and there are %d: vectors stay whole",
            collection.name,
            index.quantizer.upper(),
            _LEAST_TRAINING,
            passages,
        )
        return
    kinds = Reconfigure.VectorIndex.Quantizer
    training = min(passages, _MOST_TRAINING)
    quantizer: Any = (
        kinds.pq(training_limit=training)
        if index.quantizer == "pq"
        else kinds.sq(training_limit=training, rescore_limit=index.rescore_limit)
    )
    config = Reconfigure.VectorIndex.hnsw(quantizer=quantizer)
    collection.config.update(vector_config=Reconfigure.Vectors.update(vector_index_config=config))
    deadline = time.monotonic() + _COMPRESS_S
    while not is_compressed(client, collection.name):
        if time.monotonic() > deadline:
            raise RetrievalUnavailable(
                f"Weaviate has not compressed {collection.name} by {index.quantizer.upper()} in {_COMPRESS_S:g} s"
            )
        time.sleep(0.1)


def is_compressed(client: Any, collection: str) -> bool:
    """Tell whether every shard of a collection is compressed."""
    shards = _shards(client, collection)
    return bool(shards) and all(shard.compressed for shard in shards)


def queued(client: Any, collection: str) -> int:
    """Return how many vectors wait for the index, as the server says it (ASYNC_INDEXING)."""
    return sum(shard.vector_queue_length for shard in _shards(client, collection))


def _shards(client: Any, collection: str) -> list[Any]:
    nodes = client.cluster.nodes(collection=collection, output="verbose")
    return [shard for node in nodes for shard in node.shards or []]
