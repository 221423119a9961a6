"""Weaviate v4's Python client, traced: searches with their scores, writes, batches, tenants; sync and async.

```python
from sightline.weaviate import WeaviateInstrumentor, describe

WeaviateInstrumentor().instrument()
describe("Documents", index_version="2026-05", embedding="bge-small", embedding_version="1.5", content="text")
```

| the client's methods | span |
|---|---|
| ``collection.query`` and ``.generate``: ``near_*``, ``hybrid``, ``bm25`` | ``retrieval {collection}``, a search |
| ``fetch_objects``, ``fetch_object_by_id``, ``fetch_objects_by_ids``, an iterator's pages | ``{method} {collection}`` |
| ``collection.aggregate.*``, ``client.graphql_raw_query`` | ``{method} {collection}`` |
| ``collection.data.*``, ``.tenants.*``, ``.config.*``, ``client.collections.*`` | ``{method} {collection}`` |
| ``client.batch.*``, ``collection.batch.*`` | ``batch {collection}``, with a ``batch_request`` for each request |

All are of kind CLIENT. What they carry is in ``sightline.semconv``: collection, tenant, consistency level, k, alpha,
fusion, filters, target vectors, thresholds, returned rows, server time, retries, errors, a sketch of the query vector.

Scores are there even when the caller asks for no metadata: the request is given the one flag that its kind of search
lacks, and the number is taken out of the reply before the client reads it, so results are the same as without tracing.
``traceparent`` goes along with each request; a Weaviate that runs with ``EXPERIMENTAL_OTEL_ENABLED=true`` continues
the trace.

Nothing here can break a call: every failure of tracing is logged once, counted (``Tracing.faults()``), and the call
goes on. The client's own classes are patched in place; private ones are optional, and a client that lacks one
is traced without the attributes that depend on it.
"""

from sightline.weaviate.instrumentor import WeaviateInstrumentor, describe

__all__ = ["WeaviateInstrumentor", "describe"]
