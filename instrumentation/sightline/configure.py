"""``configure()``, which starts tracing.

Forks, threads and event loops (asyncio, uvloop, trio) need nothing: a forked child has its own queue, numbers and
exporting thread, and sends before it ends by ``os._exit``; thread pools hand on the trace. With gevent,
``monkey.patch_all()`` comes first, as for everything that starts a thread: the exporting thread is then a greenlet,
which sends while others wait. A greenlet begins without a span, as a thread does; killing one is recorded as a
cancellation.

A server that ends by the signal that stopped it (uvicorn) runs nothing at exit: where the application has
``sightline.asgi.RequestMiddleware``, what is queued is sent when its lifespan ends.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sightline.forks import IMPORT_LOCK

if TYPE_CHECKING:
    from sightline.pipeline import Tracing


def configure(
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    endpoint: str | None = None,
    capture: str | None = None,
    capture_max_chars: int | None = None,
    redact: Callable[[str], str] | None = None,
    resource_attributes: Mapping[str, str] | None = None,
    sample_ratio: float | None = None,
    env: Mapping[str, str] | None = None,
) -> "Tracing":
    """Start tracing; a second call returns the running handle and changes nothing.

    Arguments take precedence over the environment, except for ``OTEL_SERVICE_NAME``, by which an operator overrides
    the developer's ``service_name``.

    Args:
        service_name: name of the service.
        service_version: its version.
        endpoint: base URL of the collector; overrides ``OTEL_EXPORTER_OTLP_ENDPOINT`` and those of single signals.
        capture: ``none``, ``lengths`` (default), ``truncated`` or ``full``; overrides ``SIGHTLINE_CAPTURE``.
        capture_max_chars: characters of one captured text; overrides ``SIGHTLINE_CAPTURE_MAX_CHARS``.
        redact: masks every captured text before it is written onto a span, and the content of other instrumentations
            before it is sent; ``sightline.masks`` has ready-made ones.
        resource_attributes: more attributes of the process.
        sample_ratio: share of traces to keep, 0 to 1, decided by the first service of each; ``OTEL_TRACES_SAMPLER``
            wins. Default 1: only the collector, which has the whole trace, can keep every error.
        env: environment to read; default ``os.environ``.

    Raises:
        SettingsError: a setting cannot be used. Nothing was started.
    """
    with IMPORT_LOCK:
        # Decorated code needs OpenTelemetry's API only; its SDK is imported by the process that is traced.
        from sightline.pipeline import start_tracing  # noqa: PLC0415

    return start_tracing(
        service_name=service_name,
        service_version=service_version,
        endpoint=endpoint,
        capture=capture,
        capture_max_chars=capture_max_chars,
        redact=redact,
        resource_attributes=resource_attributes,
        sample_ratio=sample_ratio,
        env=env,
    )
