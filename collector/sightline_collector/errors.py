"""What can go wrong between an OTLP request and its rows.

::

    CollectorError
    ├── BadRequest        the client's fault, answered 4xx: sending it again does not help
    │   ├── RequestTooLarge   413
    │   └── Unauthenticated   401: no API key, or one that is not valid
    ├── NotNow            answered 503 with Retry-After: sending it again helps
    │   ├── SpoolFull         the spool's size limit is reached
    │   ├── SpoolBroken       the disk refuses a write or a sync
    │   ├── Draining          the collector is stopping
    │   └── TooManyRequests   429 with Retry-After: the API key's rate is used up
    └── KeysUnusable      the file of API keys cannot be read, written or trusted, or holds no such key
"""

from __future__ import annotations


class CollectorError(Exception):
    """Root of this package's errors."""


class BadRequest(CollectorError):
    """The request cannot be accepted, now or later; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class RequestTooLarge(BadRequest):
    """The request is larger than one may be, after decompression."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            413, f"request is larger than SIGHTLINE_COLLECTOR_MAX_REQUEST_BYTES={limit_bytes} after decompression"
        )


class Unauthenticated(BadRequest):
    """No API key came with the request, or one that is unknown, wrong or revoked; what came is never repeated."""

    challenge: str = "Bearer"
    """Value of the WWW-Authenticate header, which a 401 must carry (RFC 9110, section 11.6.1)."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message)


class NotNow(CollectorError):
    """The request could not be made durable; the client keeps it and sends it again after `retry_after_s`."""

    status: int = 503
    retry_after_s: int = 2


class SpoolFull(NotNow):
    """The spool holds as much as it may: the store has been away for long, or is slower than what comes in."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(f"spool is full: {size_bytes} of SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES={limit_bytes} bytes")


class SpoolBroken(NotNow):
    """The disk refused a write or a sync, for example because it is full."""


class Draining(NotNow):
    """The collector is stopping and takes no more requests."""


class TooManyRequests(NotNow):
    """The API key has sent more than its rate allows; it may send again after `retry_after_s`."""

    status = 429

    def __init__(self, rate_spans_per_s: float, retry_after_s: int) -> None:
        self.rate_spans_per_s = rate_spans_per_s
        self.retry_after_s = retry_after_s
        super().__init__(f"this API key may send {rate_spans_per_s:g} spans a second; send again in {retry_after_s} s")


class KeysUnusable(CollectorError):
    """The file of API keys cannot be read, written or trusted, or does not hold the key that was named."""
