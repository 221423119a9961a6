"""What can go wrong in the reference backend.

::

    AppError
    ├── InvalidSetting            a setting cannot work; names it, its value and the way out
    ├── CorpusError               documents cannot be read (missing, empty, too big, not text)
    ├── ResidencyFileInvalid      the file of residency rules cannot be used; names file, key and way out
    ├── MissingExtra              a setting asks for a package that is not installed; names the extra
    ├── IndexMissing              nothing was ingested yet; run ``sightline-app ingest``
    ├── KeysUnusable              the file of API keys cannot be read or trusted
    ├── StateAway                 Redis did not answer; never reaches a client: the app goes on without, or closes
    ├── RequestRefused            the caller's fault; ``status`` is the HTTP status, never worth a retry as it is
    │   └── LimitReached          a rate or a token budget; a retry can help after the seconds of ``retry-after``
    ├── WeaviateNotToBeHad        no server binary could be found, downloaded or built
    ├── ModelNotInstalled         the packages of the local model are missing, or this processor cannot run them
    ├── ModelRefused              the local model's file is missing, damaged, or none that llama.cpp can load
    └── Unavailable               a server we need did not answer; the caller may retry
        ├── RetrievalUnavailable
        │   └── IndexStale        passages are stored, and searches do not find them yet
        ├── EmbeddingUnavailable
        ├── ModelUnavailable
        ├── UploadsUnavailable
        ├── StreamsUnavailable
        ├── Stopping              this process ends; another one answers
        └── LimitsUnavailable

Retrying unchanged can help after ``Unavailable`` and, once its seconds are over, after ``LimitReached``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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


class MissingExtra(AppError):
    """A setting asks for a package that is not installed.

    Args:
        variable: the environment variable.
        value: what it holds.
        extra: extra of the distribution that brings the package.
    """

    def __init__(self, variable: str, value: object, extra: str) -> None:
        super().__init__(f'{variable} is {value!r}; needs pip install "sightline-platform[{extra}]"')
        self.variable = variable
        self.extra = extra


class ResidencyFileInvalid(AppError):
    """The file of residency rules cannot be used.

    Args:
        path: the file.
        key: what is wrong, such as ``tenants.acme.region``; empty where it is the whole file.
        problem: what is wrong with it, and what would be accepted.
    """

    def __init__(self, path: object, key: str, problem: str) -> None:
        super().__init__(f"SIGHTLINE_APP_RESIDENCY_FILE={path}: {key}{' ' if key else ''}{problem}")
        self.path = path
        self.key = key


class CorpusError(AppError):
    """The documents cannot be read; the message names the path and the reason."""


class IndexMissing(AppError):
    """Nothing was ingested yet."""

    def __init__(self, where: object) -> None:
        super().__init__(f"no index in {where}; run `sightline-app ingest` first")


class KeysUnusable(AppError):
    """The file of API keys cannot be read, is no such file, or others may write to it."""


class StateAway(AppError):
    """Redis did not answer in time or refused; the message names it and the reason."""


class RequestRefused(AppError):
    """A request that can't be served as it is.

    Args:
        message: shown to the caller.
        kind: a short machine-readable reason such as ``question_too_long``.
        status: HTTP status, 400..499.
        headers: further headers of the response.
    """

    def __init__(self, message: str, *, kind: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.headers = dict(headers or {})


class LimitReached(RequestRefused):
    """A rate limit or a token budget does not admit a request; ``kind`` is the limit's name."""


class WeaviateNotToBeHad(AppError):
    """No Weaviate server could be found, downloaded or built; ``tried`` says what was attempted."""

    def __init__(self, tried: list[str]) -> None:
        super().__init__("no Weaviate server is to be had: " + "; ".join(tried))
        self.tried = tried


class ModelNotInstalled(AppError):
    """The local language model cannot run here; the message says what to install or set."""


class ModelRefused(AppError):
    """The local language model's file must not or cannot be used; the message names it and the reason."""


class Unavailable(AppError):
    """A server that the request needs did not answer; retrying later can help."""

    kind = "unavailable"


class RetrievalUnavailable(Unavailable):
    """The vector store did not answer in time or refused."""

    kind = "retrieval_unavailable"


class IndexStale(RetrievalUnavailable):
    """Passages are stored, and searches do not find them in time.

    Args:
        backend: the vector store.
        missing: ids of those that were not found.
        of: how many were searched for.
        wait_s: seconds that were waited.
    """

    def __init__(self, backend: str, missing: Sequence[str], of: int, wait_s: float) -> None:
        super().__init__(
            f"STALE INDEX: {backend} accepted the passages {wait_s:g} s ago, and of {of} of them {len(missing)} "
            f"are not found yet, such as {missing[0]}"
        )
        self.missing = list(missing)
        self.of = of


class EmbeddingUnavailable(Unavailable):
    """The embeddings endpoint did not answer in time or refused."""

    kind = "embedding_unavailable"


class ModelUnavailable(Unavailable):
    """The model's endpoint did not answer in time, refused, or broke off mid-stream."""

    kind = "model_unavailable"


class UploadsUnavailable(Unavailable):
    """The disk does not take an uploaded document."""

    kind = "uploads_unavailable"


class StreamsUnavailable(Unavailable):
    """Redis is away, and the stream may be one of another process."""

    kind = "streams_unavailable"


class LimitsUnavailable(Unavailable):
    """Redis is away, and SIGHTLINE_APP_LIMITS_WHEN_AWAY=closed admits nobody without it."""

    kind = "limits_unavailable"


class BrokerUnavailable(Unavailable):
    """What carries work to its workers did not answer: Redis, RabbitMQ, Kafka or Temporal."""

    kind = "broker_unavailable"


class Stopping(Unavailable):
    """This process is about to end and takes no new question; another process of the app answers it."""

    kind = "stopping"
