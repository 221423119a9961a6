"""Embedding: from the question to a vector."""

from __future__ import annotations

from typing import Any

import sightline
from sightline import semconv
from sightline_app.embeddings import Embedded, Embedding


def index_attributes(embedding: Embedding) -> dict[str, Any]:
    """Return what says on spans with which embedding an index was built."""
    return {semconv.EMBEDDING_NAME: embedding.name, semconv.EMBEDDING_VERSION: embedding.version}


@sightline.embedding(capture="recorded")
async def embed(embedding: Embedding, query: str) -> Embedded:
    """Turn the question into a vector."""
    sightline.annotate(
        {
            semconv.GEN_AI_REQUEST_MODEL: embedding.model,
            semconv.GEN_AI_PROVIDER_NAME: embedding.provider,
            **index_attributes(embedding),
        }
    )
    embedded = await embedding.embed_question(query)
    sightline.annotate({semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: len(embedded.vector), **embedded.attributes})
    sightline.record_usage(input_tokens=embedded.input_tokens)
    return embedded
