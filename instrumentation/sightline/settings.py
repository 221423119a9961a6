"""Settings of the library: one frozen object, read from the environment once by ``configure()``.

The ``OTEL_*`` names mean what the OpenTelemetry specification says:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote, urlsplit

from sightline.capture.mode import Capture
from sightline.errors import SettingsError

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
_URL_NEED = "an http:// or https:// URL, for example http://127.0.0.1:4318"


def _setting(env: str | tuple[str, ...], default: Any, doc: str, read: Callable[..., Any] = str, **rules: Any) -> Any:
    # Keys of the metadata mean the same as in the settings of the platform's roles. Two more are of use here: `unit` is
    # how many units of the variable make one of the field, `path` is added to the endpoint of the last variable.
    metadata = {"env": (env,) if isinstance(env, str) else env, "doc": doc, "read": read, **rules}
    return field(default=default, repr=not rules.get("secret"), metadata=metadata)


def _read(rules: Mapping[str, Any], text: str) -> Any:
    if "choices" in rules:
        text = text.strip().lower()
        if text not in rules["choices"]:
            raise ValueError(text)
    if "at_least" in rules:
        if not rules["at_least"] <= float(text) < math.inf:
            raise ValueError(text)
        return rules["read"](float(text) / rules.get("unit", 1))
    return rules["read"](text)


def _need(rules: Mapping[str, Any]) -> str:
    if "choices" in rules:
        return f"one of: {', '.join(rules['choices'])}"
    return str(rules.get("need") or f"a finite number of at least {rules.get('at_least')}")


def _is_true(text: str) -> bool:
    return text.strip().lower() == "true"


def url_to_show(url: str) -> str:
    """Return a URL for a log: without user, password and query, which may hold secrets."""
    scheme, separator, rest = url.partition("?")[0].rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(text)
    return text


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [item.partition("=") for item in text.split(",")]
    return tuple(
        (key.strip().lower(), unquote(value.strip())) for key, equals, value in pairs if equals and key.strip()
    )


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """What the environment sets for ``configure()``."""

    service_name: str | None = _setting(
        "OTEL_SERVICE_NAME", None, "Name of the service", default_text="the SDK's `unknown_service`"
    )
    disabled: bool = _setting("OTEL_SDK_DISABLED", False, "True turns everything off", _is_true)
    traces_endpoint: str = _setting(
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", _ENDPOINT),
        f"{_DEFAULT_ENDPOINT}/v1/traces",
        f"URL to which spans are sent; `/v1/traces` is added to {_ENDPOINT}",
        _url,
        path="/v1/traces",
        need=_URL_NEED,
    )
    logs_endpoint: str = _setting(
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", _ENDPOINT),
        f"{_DEFAULT_ENDPOINT}/v1/logs",
        f"URL to which events are sent; `/v1/logs` is added to {_ENDPOINT}",
        _url,
        path="/v1/logs",
        need=_URL_NEED,
    )
    traces_headers: tuple[tuple[str, str], ...] = _setting(
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", _HEADERS),
        (),
        "HTTP headers sent with spans, such as an API key",
        _headers,
        need="name=value,...",
        secret=True,
    )
    logs_headers: tuple[tuple[str, str], ...] = _setting(
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", _HEADERS),
        (),
        "HTTP headers sent with events, such as an API key",
        _headers,
        need="name=value,...",
        secret=True,
    )
    metrics: bool = _setting(
        "OTEL_METRICS_EXPORTER",
        True,
        "Whether metrics of model calls and of the pipeline are sent: `otlp` or `none`",
        lambda text: "otlp" in {word.strip().lower() for word in text.split(",")},
        need="otlp or none",
        default_text="otlp",
    )
    metrics_endpoint: str = _setting(
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", _ENDPOINT),
        f"{_DEFAULT_ENDPOINT}/v1/metrics",
        f"URL to which metrics are sent; `/v1/metrics` is added to {_ENDPOINT}",
        _url,
        path="/v1/metrics",
        need=_URL_NEED,
    )
    metrics_headers: tuple[tuple[str, str], ...] = _setting(
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", _HEADERS),
        (),
        "HTTP headers sent with metrics, such as an API key",
        _headers,
        need="name=value,...",
        secret=True,
    )
    metrics_interval_s: float = _setting(
        "OTEL_METRIC_EXPORT_INTERVAL",
        60.0,
        "Milliseconds between two reports of metrics",
        at_least=1,
        unit=1000,
        read=float,
    )
    metrics_delta: bool = _setting(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        False,
        "Whether metrics are totals or differences to the last report; `lowmemory` is `delta`",
        lambda text: text != "cumulative",
        choices=("cumulative", "delta", "lowmemory"),
        default_text="cumulative",
    )
    query_sketch: bool = _setting(
        "SIGHTLINE_QUERY_SKETCH",
        True,
        "Whether a search span holds a 32-byte sketch of the query's embedding, which shows drift and from which no "
        "text can be read; never with capture `none`",
        _is_true,
        choices=("true", "false"),
    )
    debug_secret: str | None = _setting(
        "SIGHTLINE_DEBUG_SECRET",
        None,
        "A request that holds it in the debug header is traced whatever the sampler says; unset, no header does that",
        secret=True,
    )
    debug_header: str = _setting(
        "SIGHTLINE_DEBUG_HEADER", "x-sightline-debug", "Name of the debug header", lambda text: text.strip().lower()
    )
    timeout_s: float = _setting(
        "OTEL_EXPORTER_OTLP_TIMEOUT", 10.0, "Seconds for one export request", at_least=0.001, read=float
    )
    compression: str = _setting(
        "OTEL_EXPORTER_OTLP_COMPRESSION", "none", "Compression of export requests", choices=("none", "gzip")
    )
    certificate: str | None = _setting(
        "OTEL_EXPORTER_OTLP_CERTIFICATE", None, "File of trusted certificates for https", default_text="the system's"
    )
    queue_size: int = _setting(
        "OTEL_BSP_MAX_QUEUE_SIZE", 16_384, "Spans that may wait; more are dropped and counted", at_least=1, read=int
    )
    batch_size: int = _setting(
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, "Spans in one request; more at exit, up to 4 MiB", at_least=1, read=int
    )
    flush_interval_s: float = _setting(
        "OTEL_BSP_SCHEDULE_DELAY", 0.2, "Milliseconds between two looks at the queue", at_least=1, unit=1000, read=float
    )
    exit_timeout_s: float = _setting(
        "SIGHTLINE_EXIT_TIMEOUT_S", 1.0, "Seconds that interpreter exit may wait for the queue", at_least=0, read=float
    )
    capture: Capture = _setting(
        "SIGHTLINE_CAPTURE",
        Capture.LENGTHS,
        "What spans hold of prompts, answers and documents; texts only where you ask for them",
        Capture,
        choices=tuple(Capture),
    )
    capture_max_chars: int = _setting(
        "SIGHTLINE_CAPTURE_MAX_CHARS", 4096, "Characters of one captured text when truncated", at_least=1, read=int
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "TracingSettings":
        """Read the settings from environment variables.

        Args:
            env: usually ``os.environ``. An empty value counts as unset.

        Raises:
            SettingsError: a value cannot be used; ``setting`` and ``value`` are set.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            rules = each.metadata
            variable = next((name for name in rules["env"] if env.get(name, "").strip()), None)
            if variable is None:
                continue
            text = env[variable]
            if variable == _ENDPOINT:
                text = text.rstrip("/") + rules["path"]
            try:
                values[each.name] = _read(rules, text)
            except ValueError:
                shown = "***" if rules.get("secret") else url_to_show(text) if "path" in rules else text
                raise SettingsError(variable, shown, f"needs {_need(rules)}") from None
        return cls(**values)
