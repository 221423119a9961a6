"""The span processors of a TracerProvider, and its exporters that send to the same collector as Sightline."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  compared, not bound
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "grpc": 4317}
_GRPC_BESIDE_HTTP: Final = {4317: 4318}
"""The port of a collector for OTLP over gRPC, and the one for OTLP over HTTP."""


def same_place(provider: object, endpoint: str) -> str | None:
    """Return the endpoint of an exporter of this provider that is the same collector, None without one.

    Args:
        provider: the SDK's TracerProvider.
        endpoint: URL to which Sightline sends spans.
    """
    place = _place(endpoint)
    for processor in processors(provider):
        # That of the SDK's processors, and of those made from them.
        other = getattr(getattr(processor, "span_exporter", None), "_endpoint", None)
        if isinstance(other, str) and place is not None and _place(other) == place:
            return other
    return None


def processors(provider: object) -> Iterator[Any]:
    """Return the span processors of the SDK's TracerProvider, also those inside of others; none of another provider."""
    return _inside(getattr(provider, "_active_span_processor", None))


def _inside(processor: Any) -> Iterator[Any]:
    yield processor
    for inner in getattr(processor, "_span_processors", ()):
        yield from _inside(inner)


def _place(endpoint: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"grpc://{endpoint}")
        host = (parts.hostname or "").lower()
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None  # an address that nothing can be sent to
    return ("localhost" if host in _LOCAL_HOSTS else host, _GRPC_BESIDE_HTTP.get(port, port))
