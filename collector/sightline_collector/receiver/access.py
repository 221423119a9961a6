"""Who may send: the API key of a request, its rate, and the names by which a browser may reach this collector.

Bound to loopback, a collector without keys is open; with the first key it asks for one. Bound elsewhere it does not
start without one. A key that is revoked, or a file of keys that goes away, closes and never opens.

The rate is a token bucket that may go into debt: a request passes while something is in the bucket and then takes as
much as it holds, so one that is larger than the bucket still passes and its sender pays with waiting. In the long run
a key sends its rate, at once at most its burst and one request.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-throttling
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sightline_collector.errors import BadRequest, KeysUnusable, TooManyRequests, Unauthenticated
from sightline_collector.receiver.keys import Key, KeyRing
from sightline_collector.settings import CollectorSettings
from sightline_roles.host_check import HostCheck, is_loopback, parse_host

_LONGEST_RETRY_S = 3600
_PREFLIGHT_S = 7200


@dataclass(frozen=True)
class Principal:
    """Who sends: the key and the tenant that it is bound to; both empty where the collector is open."""

    key_id: str
    tenant: str


ANYONE = Principal("", "")
"""Whoever sends to an open collector; nothing is stamped on it."""


class _Bucket:
    """What a key may still send; negative while it is in debt. Not safe between threads by itself."""

    def __init__(self, key: Key, now_s: float) -> None:
        self.key = key
        self._level = key.burst_spans
        self._filled_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until something is in the bucket: 0 when a request may pass."""
        grown = self._level + (now_s - self._filled_s) * self.key.rate_spans_per_s
        self._level, self._filled_s = min(self.key.burst_spans, grown), now_s
        return 0.0 if self._level > 0 else (1.0 - self._level) / self.key.rate_spans_per_s

    def take(self, items: int) -> None:
        self._level -= items


class Access:
    """Lets requests in by their headers. Any thread may ask."""

    def __init__(
        self, settings: CollectorSettings, ring: KeyRing | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Check that what the settings promise can be held.

        Args:
            settings: where the collector listens, and who may send.
            ring: the keys; those of `settings.keys_file` by default.
            clock: seconds that never go back.

        Raises:
            KeysUnusable: listening beyond loopback without a valid key, or the file of keys cannot be trusted.
        """
        self._ring = KeyRing(settings.keys_file) if ring is None else ring
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}
        self._was_closed = not settings.is_loopback or len(self._ring) > 0
        if not settings.is_loopback and all(key.revoked for key in self._ring):
            raise KeysUnusable(
                f"SIGHTLINE_COLLECTOR_HOST is {settings.host!r} and SIGHTLINE_COLLECTOR_KEYS_FILE="
                f"{settings.keys_file} holds no valid API key: "
                "`sightline-collector keys create --name NAME --tenant TENANT`"
            )

    @property
    def is_open(self) -> bool:
        """Whether requests pass without a key."""
        if not self._was_closed and len(self._ring):
            self._was_closed = True
        return not self._was_closed

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Say who sends a request, before its body is read.

        Args:
            headers: HTTP headers or gRPC metadata, names in lower case.

        Raises:
            Unauthenticated: no key came, or no valid one; the message does not say which and repeats nothing of it.
            TooManyRequests: the key is in debt.
        """
        if self.is_open:
            return ANYONE
        token = _token(headers)
        if not token:
            raise Unauthenticated("an API key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`")
        key = self._ring.find(token)
        if key is None:
            raise Unauthenticated("this API key is not valid")
        with self._lock:
            if key.rate_spans_per_s:
                self._solvent(key)
            else:
                self._buckets.pop(key.id, None)
        return Principal(key.id, key.tenant)

    def charge(self, principal: Principal, items: int) -> None:
        """Take a request's spans, log records or data points from its key's bucket.

        Raises:
            TooManyRequests: other requests of the key put it in debt meanwhile; nothing was taken.
        """
        with self._lock:
            bucket = self._buckets.get(principal.key_id)
            if bucket is not None:
                self._solvent(bucket.key).take(items)

    def _solvent(self, key: Key) -> _Bucket:
        """The key's bucket when it may send. A key whose limits were changed starts anew. The lock is held."""
        now_s = self._clock()
        bucket = self._buckets.get(key.id)
        if bucket is None or bucket.key != key:
            bucket = self._buckets[key.id] = _Bucket(key, now_s)
        wait_s = bucket.wait_s(now_s)
        if wait_s > 0:
            raise TooManyRequests(key.rate_spans_per_s, min(_LONGEST_RETRY_S, math.ceil(wait_s)))
        return bucket


def _token(headers: Mapping[str, str]) -> str:
    """The key that came, '' where none did. An Authorization of another scheme is a proxy's and does not count."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip()


class Sites:
    """Which names and which pages' origins are this collector's: the guard against requests that foreign pages make.

    Every path asks it: those that take spans let pages of `cors_origins` send, and, bound to loopback, pages of
    loopback; the others are for pages of their own place only.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        self._callers = HostCheck("SIGHTLINE_COLLECTOR_ALLOWED_HOSTS", settings.host, settings.allowed_hosts)
        self._origins = frozenset(settings.cors_origins)
        self._is_loopback = settings.is_loopback

    def check(self, headers: Mapping[str, str], *, takes_pages: bool = True) -> None:
        """Refuse a request under a foreign name or none, or from a page whose origin may not send.

        Args:
            headers: names in lower case, repeated ones joined.
            takes_pages: whether CORS applies to the path.

        Raises:
            BadRequest: 403.
        """
        why = self._callers.refusal(headers, self._may_send if takes_pages else None)
        if why:
            if takes_pages and headers.get("origin"):
                why += "; origins that may are in SIGHTLINE_COLLECTOR_CORS_ORIGINS"
            raise BadRequest(403, why)

    def cors(self, headers: Mapping[str, str]) -> list[tuple[str, str]]:
        """Headers that let the page behind a request read its answer; none for a request without an Origin.

        An answer to OPTIONS with `access-control-request-method` is a preflight and gets what the page asks to send.
        """
        origin = headers.get("origin", "")
        if not origin or not self._may_send(origin):
            return []
        answer = [
            ("access-control-allow-origin", origin),
            ("vary", "origin"),
            ("access-control-expose-headers", "retry-after"),
        ]
        if headers.get("access-control-request-method"):
            answer += [
                ("access-control-allow-methods", "POST"),
                ("access-control-allow-headers", "authorization, content-encoding, content-type, x-api-key"),
                ("access-control-max-age", str(_PREFLIGHT_S)),
            ]
        return answer

    def _may_send(self, origin: str) -> bool:
        if "*" in self._origins or origin.lower() in self._origins:
            return True
        scheme, _, rest = origin.partition("://")
        place = parse_host(rest) if scheme in {"http", "https"} else None
        return self._is_loopback and place is not None and is_loopback(place.name)


def tls_context(settings: CollectorSettings) -> ssl.SSLContext | None:
    """The server's side of TLS 1.2 and later, None without certificate files.

    Raises:
        ValueError: the files cannot be read or do not belong together.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password=_no_password)
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        raise ValueError(
            f"SIGHTLINE_COLLECTOR_TLS_CERT_FILE={settings.tls_cert_file} with SIGHTLINE_COLLECTOR_TLS_KEY_FILE="
            f"{settings.tls_key_file} makes no TLS: {exc}"
        ) from exc
    return context


def _no_password() -> str:
    raise ValueError("the private key is encrypted; give one that is not, readable by the collector only")
