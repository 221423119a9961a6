"""Rerank: keeps the best few candidates, and of long ones what matters for the question."""

from __future__ import annotations

import sightline
from sightline import semconv
from sightline_app import prompt
from sightline_app.lexicon import Lexicon
from sightline_app.rerank import rerank as by_coverage
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings


@sightline.rerank("lexical-coverage", capture="recorded")
def rerank(settings: AppSettings, lexicon: Lexicon, query: str, hits: list[Hit]) -> list[Hit]:
    """Return the passages for the prompt, best first."""
    kept = prompt.excerpts(query, by_coverage(query, hits, lexicon, settings.top_k), settings.passage_chars)
    sightline.annotate({semconv.GEN_AI_REQUEST_TOP_K: settings.top_k})
    sightline.record_documents(
        [hit.as_document(prompt.MAX_PASSAGE_CHARS) for hit in kept], key=semconv.RERANK_DOCUMENTS
    )
    return kept
