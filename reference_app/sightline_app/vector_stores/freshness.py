"""Whether what was just written is found: an index can lag behind its store, and then passages are missing silently.

Weaviate does so with ASYNC_INDEXING, Pinecone always, Milvus below the consistency level Strong. Whoever writes waits
here; how long it took stands on the span of the write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sightline
from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import IndexStale

INDEX_LAG = "sightline_app.index.lag"
"""Attribute: seconds from the store's last acceptance until a sample of the passages was found by search."""
SAMPLE = 8
"""Passages of one write that are searched for, spread over it."""
NEAREST = 10
"""Among so many nearest passages, one must be found by its own vector."""
SAME = 1e-4
"""Two vectors at a smaller cosine distance are the same: of passages that share one, any will do."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.1
"""Between two searches: the first pause, and the longest that they grow to."""

Unsearchable = Callable[[Sequence[Passage], Matrix], list[str]]


def wait_until_searchable(
    backend: str, passages: Sequence[Passage], vectors: Matrix, unsearchable: Unsearchable, wait_s: float
) -> float:
    """Wait until a sample of the passages is found, and write the lag onto the span of the write.

    Args:
        backend: name of the store, for the message.
        passages: that the store has accepted.
        vectors: float32[n_passages, dimensions].
        unsearchable: returns the ids of those that are not found now.
        wait_s: longest wait, in seconds.

    Returns:
        the lag in seconds, the search that found them included.

    Raises:
        IndexStale: some are not found in time.
    """
    started, pause_s = time.monotonic(), _PAUSE_S
    rows = list(range(0, len(passages), max(1, len(passages) // SAMPLE)))
    if rows and rows[-1] != len(passages) - 1:
        rows.append(len(passages) - 1)  # the last one accepted is the first one to be missing
    sample, sampled = [passages[row] for row in rows], vectors[rows]
    while missing := unsearchable(sample, sampled):
        if time.monotonic() - started > wait_s:
            raise IndexStale(backend, missing, len(sample), wait_s)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    lag_s = time.monotonic() - started
    sightline.annotate({INDEX_LAG: round(lag_s, 4)})
    return lag_s
