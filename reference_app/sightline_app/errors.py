"""What can go wrong in the reference backend.

::

    AppError
    ├── InvalidSetting            a setting cannot work; names it, its value and the way out
    ├── CorpusError               documents cannot be read (missing, empty, too big, not text)
    ├── IndexMissing              nothing was ingested yet; run ``sightline-app ingest``
    ├── RequestRefused            the caller's fault; ``status`` is the HTTP status, never worth a retry as it is
    ├── WeaviateNotToBeHad        no server binary could be found, downloaded or built
    └── Unavailable               a server we need did not answer; the caller may retry
        ├── RetrievalUnavailable
        ├── EmbeddingUnavailable
        └── ModelUnavailable

``Unavailable`` is the only branch where retrying unchanged can help.
"""

from __future__ import annotations


class AppError(Exception):
    """Root of all errors of this package."""


class InvalidSetting(AppError, ValueError):
    """A setting cannot work.

    Args:
        variable: the environment variable.
        value: what it holds.
        way_out: what would be accepted.
    """

    def __init__(self, variable: str, value: object, way_out: str) -> None:
        super().__init__(f"{variable} is {value!r}; {way_out}")
        self.variable = variable
        self.value = value


class CorpusError(AppError):
    """The documents cannot be read; the message names the path and the reason."""


class IndexMissing(AppError):
    """Nothing was ingested yet."""

    def __init__(self, where: object) -> None:
        super().__init__(f"no index in {where}; run `sightline-app ingest` first")


class RequestRefused(AppError):
    """A request that can't be served as it is.

    Args:
        message: shown to the caller.
        kind: a short machine-readable reason such as ``question_too_long``.
        status: HTTP status, 400..499.
    """

    def __init__(self, message: str, *, kind: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status


class WeaviateNotToBeHad(AppError):
    """No Weaviate server could be found, downloaded or built; ``tried`` says what was attempted."""

    def __init__(self, tried: list[str]) -> None:
        super().__init__("no Weaviate server is to be had: " + "; ".join(tried))
        self.tried = tried


class Unavailable(AppError):
    """A server that the request needs did not answer; retrying later can help."""

    kind = "unavailable"


class RetrievalUnavailable(Unavailable):
    """The vector store did not answer in time or refused."""

    kind = "retrieval_unavailable"


class EmbeddingUnavailable(Unavailable):
    """The embeddings endpoint did not answer in time or refused."""

    kind = "embedding_unavailable"


class ModelUnavailable(Unavailable):
    """The model's endpoint did not answer in time, refused, or broke off mid-stream."""

    kind = "model_unavailable"
