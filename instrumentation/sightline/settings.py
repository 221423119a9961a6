"""Settings of the library: one frozen object, read from the environment once by ``configure()``.

The ``OTEL_*`` names mean what the OpenTelemetry specification says:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sightline.errors import SettingsError

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"


class Capture(enum.StrEnum):
    """How much of arguments, results, prompts and documents goes onto spans."""

    NONE = "none"
    """Nothing."""
    LENGTHS = "lengths"
    """Lengths only."""
    TRUNCATED = "truncated"
    """Text, redacted, cut at ``capture_max_chars``."""
    FULL = "full"
    """Text, redacted, cut only at 256 KiB an attribute."""


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Everything that ``configure()`` can be told by the environment."""

    service_name: str | None = None
    """``OTEL_SERVICE_NAME``: name of the service. Default: the SDK's ``unknown_service``."""
    disabled: bool = False
    """``OTEL_SDK_DISABLED``: true turns everything off. Default false."""
    traces_endpoint: str = f"{DEFAULT_ENDPOINT}/v1/traces"
    """``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``, or ``OTEL_EXPORTER_OTLP_ENDPOINT`` + ``/v1/traces``: full URL."""
    logs_endpoint: str = f"{DEFAULT_ENDPOINT}/v1/logs"
    """``OTEL_EXPORTER_OTLP_LOGS_ENDPOINT``, or ``OTEL_EXPORTER_OTLP_ENDPOINT`` + ``/v1/logs``: full URL."""
    traces_headers: tuple[tuple[str, str], ...] = ()
    """``OTEL_EXPORTER_OTLP_TRACES_HEADERS``, or ``OTEL_EXPORTER_OTLP_HEADERS``: ``name=value,...``. Default none."""
    logs_headers: tuple[tuple[str, str], ...] = ()
    """``OTEL_EXPORTER_OTLP_LOGS_HEADERS``, or ``OTEL_EXPORTER_OTLP_HEADERS``: ``name=value,...``. Default none."""
    metrics: bool = True
    """``OTEL_METRICS_EXPORTER``: ``otlp`` or ``none``. Default otlp: metrics of model calls and of the pipeline."""
    metrics_endpoint: str = f"{DEFAULT_ENDPOINT}/v1/metrics"
    """``OTEL_EXPORTER_OTLP_METRICS_ENDPOINT``, or ``OTEL_EXPORTER_OTLP_ENDPOINT`` + ``/v1/metrics``: full URL."""
    metrics_headers: tuple[tuple[str, str], ...] = ()
    """``OTEL_EXPORTER_OTLP_METRICS_HEADERS``, or ``OTEL_EXPORTER_OTLP_HEADERS``: ``name=value,...``. Default none."""
    metrics_interval_s: float = 60.0
    """``OTEL_METRIC_EXPORT_INTERVAL`` (milliseconds there): seconds between two reports. Default 60."""
    metrics_delta: bool = False
    """``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``: ``cumulative``, ``delta`` or ``lowmemory`` (= delta).
    Default cumulative."""
    query_sketch: bool = True
    """``SIGHTLINE_QUERY_SKETCH``: ``true`` or ``false``. Default true: a 32-byte sketch of a query's embedding on its
    search span, from which drift is seen and no text can be read; never with capture ``none``."""
    debug_secret: str | None = None
    """``SIGHTLINE_DEBUG_SECRET``: a request that holds it in the debug header is traced whatever the sampler says.
    Default none: no debug header."""
    debug_header: str = "x-sightline-debug"
    """``SIGHTLINE_DEBUG_HEADER``: name of the debug header. Default x-sightline-debug."""
    timeout_s: float = 10.0
    """``OTEL_EXPORTER_OTLP_TIMEOUT``: seconds for one export request. Default 10."""
    compression: str = "none"
    """``OTEL_EXPORTER_OTLP_COMPRESSION``: ``none`` or ``gzip``. Default none."""
    certificate: str | None = None
    """``OTEL_EXPORTER_OTLP_CERTIFICATE``: file of trusted certificates for https. Default: the system's."""
    queue_size: int = 16_384
    """``OTEL_BSP_MAX_QUEUE_SIZE``: spans that may wait; what comes on top is dropped and counted. Default 16384."""
    batch_size: int = 512
    """``OTEL_BSP_MAX_EXPORT_BATCH_SIZE``: spans in one request; more at exit, up to 4 MiB. Default 512."""
    flush_interval_s: float = 0.2
    """``OTEL_BSP_SCHEDULE_DELAY`` (milliseconds there): seconds between two looks at the queue. Default 0.2."""
    exit_timeout_s: float = 1.0
    """``SIGHTLINE_EXIT_TIMEOUT_S``: seconds that interpreter exit may wait for the queue. Default 1."""
    capture: Capture = Capture.LENGTHS
    """``SIGHTLINE_CAPTURE``: ``none``, ``lengths``, ``truncated`` or ``full``. Default lengths: content is opt-in."""
    capture_max_chars: int = 4096
    """``SIGHTLINE_CAPTURE_MAX_CHARS``: characters of one captured text when truncated. Default 4096."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "TracingSettings":
        """Read the settings from environment variables.

        Args:
            env: usually ``os.environ``. An empty value counts as unset.

        Raises:
            SettingsError: a value cannot be used; ``setting`` and ``value`` are set.
        """
        base = (env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        headers = env.get("OTEL_EXPORTER_OTLP_HEADERS", "")
        return cls(
            service_name=env.get("OTEL_SERVICE_NAME") or None,
            disabled=env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
            traces_endpoint=_url(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{base}/v1/traces"),
            logs_endpoint=_url(env, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"{base}/v1/logs"),
            traces_headers=_headers(env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or headers),
            logs_headers=_headers(env.get("OTEL_EXPORTER_OTLP_LOGS_HEADERS") or headers),
            metrics="otlp" in _words(env.get("OTEL_METRICS_EXPORTER") or "otlp"),
            metrics_endpoint=_url(env, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{base}/v1/metrics"),
            metrics_headers=_headers(env.get("OTEL_EXPORTER_OTLP_METRICS_HEADERS") or headers),
            metrics_interval_s=_number(env, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, 1) / 1000,
            metrics_delta=_one_of(
                env,
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "cumulative",
                ("cumulative", "delta", "lowmemory"),
            )
            != "cumulative",
            query_sketch=_one_of(env, "SIGHTLINE_QUERY_SKETCH", "true", ("true", "false")) == "true",
            debug_secret=env.get("SIGHTLINE_DEBUG_SECRET") or None,
            debug_header=(env.get("SIGHTLINE_DEBUG_HEADER") or "x-sightline-debug").strip().lower(),
            timeout_s=_number(env, "OTEL_EXPORTER_OTLP_TIMEOUT", 10.0, 0.001),
            compression=_one_of(env, "OTEL_EXPORTER_OTLP_COMPRESSION", "none", ("none", "gzip")),
            certificate=env.get("OTEL_EXPORTER_OTLP_CERTIFICATE") or None,
            queue_size=int(_number(env, "OTEL_BSP_MAX_QUEUE_SIZE", 16_384, 1)),
            batch_size=int(_number(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1)),
            flush_interval_s=_number(env, "OTEL_BSP_SCHEDULE_DELAY", 200, 1) / 1000,
            exit_timeout_s=_number(env, "SIGHTLINE_EXIT_TIMEOUT_S", 1.0, 0),
            capture=Capture(_one_of(env, "SIGHTLINE_CAPTURE", "lengths", tuple(Capture))),
            capture_max_chars=int(_number(env, "SIGHTLINE_CAPTURE_MAX_CHARS", 4096, 1)),
        )


def _words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",")}


def _number(env: Mapping[str, str], name: str, default: float, least: float) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(name, text, "needs a number") from None
    if not least <= value < float("inf"):
        raise SettingsError(name, text, f"needs a finite number of at least {least}")
    return value


def _one_of(env: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name, "").strip().lower() or default
    if value not in allowed:
        raise SettingsError(name, value, f"needs one of: {', '.join(allowed)}")
    return value


def _url(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name) or default
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        setting = name if env.get(name) else "OTEL_EXPORTER_OTLP_ENDPOINT"
        raise SettingsError(setting, value, "needs an http:// or https:// URL, for example http://127.0.0.1:4318")
    return value


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if equals and name.strip():
            pairs.append((name.strip().lower(), unquote(value.strip())))
    return tuple(pairs)
