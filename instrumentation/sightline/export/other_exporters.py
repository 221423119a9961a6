"""Finds exporters of the application that send the spans of its TracerProvider to the same collector as Sightline."""

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
    for exporter in _exporters(getattr(provider, "_active_span_processor", None)):
        other = getattr(exporter, "_endpoint", None)
        if isinstance(other, str) and place is not None and _place(other) == place:
            return other
    return None


def _exporters(processor: Any) -> Iterator[Any]:
    for inner in getattr(processor, "_span_processors", ()):
        yield from _exporters(inner)
    exporter = getattr(processor, "span_exporter", None)  # of the SDK's processors, and of those made from them
    if exporter is not None:
        yield exporter


def _place(endpoint: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"grpc://{endpoint}")
        host = (parts.hostname or "").lower()
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None  # an address that nothing can be sent to
    return ("localhost" if host in _LOCAL_HOSTS else host, _GRPC_BESIDE_HTTP.get(port, port))
