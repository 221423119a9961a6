"""Embeddings: all-MiniLM-L6-v2 in this process, an endpoint, a fastembed model, or words alone where no model is."""

from sightline_app.embeddings.choice import choose, kind, load, wish
from sightline_app.embeddings.lexical import LexicalEmbedding
from sightline_app.embeddings.protocol import Embedded, Embedding, Matrix, Progress

__all__ = ["Embedded", "Embedding", "LexicalEmbedding", "Matrix", "Progress", "choose", "kind", "load", "wish"]
