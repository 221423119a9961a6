"""Settings of the collector, read from the environment once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sightline_roles.host_check import check_names, is_loopback

_MASKS = frozenset({"email", "phone", "card", "iban", "ip", "token"})
_MIN_HASH_KEY_CHARS = 16
_MIN_WINDOWS = 4
_MIN_WINDOW_CHARS = 1024
_MAX_SAMPLE_WINDOW_S = 600.0


@dataclass(frozen=True, kw_only=True)
class RedactionSettings:
    """What is taken out of a request before anything is written to disk; nothing by default.

    Keys are matched as globs (`*`, `?`, `[...]`), without regard to case, against an attribute's key and, inside nested
    values, against the inner key and the dotted path to it. What must not be stored goes by dropping; hashing keeps
    equal values joinable; masks reach the text of values, log bodies, names and status messages.
    """

    drop_keys: tuple[str, ...] = ()
    """SIGHTLINE_COLLECTOR_REDACT_DROP_KEYS: globs, comma separated: attributes that are left out. Default: none."""
    hash_keys: tuple[str, ...] = ()
    """SIGHTLINE_COLLECTOR_REDACT_HASH_KEYS: globs, comma separated: attributes that are hashed. Default: none."""
    hash_key: str = field(default="", repr=False)
    """SIGHTLINE_COLLECTOR_REDACT_HASH_KEY: secret of that hash, 16 characters or more. Default: unset."""
    masks: tuple[str, ...] = ()
    """SIGHTLINE_COLLECTOR_REDACT_MASKS: any of email, phone, card, iban, ip, token, comma separated. Default: none."""
    mask_patterns: Path | None = None
    """SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS: file of own regular expressions, one a line. Default: unset."""
    window_chars: int = 16384
    """SIGHTLINE_COLLECTOR_REDACT_WINDOW_CHARS: characters of a long text that a mask sees at once. Default: 16384."""
    value_chars: int = 1_048_576
    """SIGHTLINE_COLLECTOR_REDACT_VALUE_CHARS: characters of one text that masks look at; of a longer one that may hold
    something to mask, the rest becomes `[redacted:rest]`. Default: 1048576."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        unknown = sorted(set(self.masks) - _MASKS)
        if unknown:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_REDACT_MASKS holds {', '.join(unknown)!r}; known are "
                f"{', '.join(sorted(_MASKS))}; own patterns go into the file SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS"
            )
        if self.hash_keys and len(self.hash_key) < _MIN_HASH_KEY_CHARS:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_REDACT_HASH_KEY has {len(self.hash_key)} characters; "
                f"SIGHTLINE_COLLECTOR_REDACT_HASH_KEYS needs at least {_MIN_HASH_KEY_CHARS}: `openssl rand -hex 32`"
            )
        if self.window_chars < _MIN_WINDOW_CHARS:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_REDACT_WINDOW_CHARS is {self.window_chars}; needs at least {_MIN_WINDOW_CHARS}"
            )
        if self.value_chars < _MIN_WINDOWS * self.window_chars:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_REDACT_VALUE_CHARS is {self.value_chars}; needs at least {_MIN_WINDOWS} times "
                f"SIGHTLINE_COLLECTOR_REDACT_WINDOW_CHARS={self.window_chars}"
            )

    @property
    def is_on(self) -> bool:
        """Whether anything is taken out at all."""
        return bool(self.drop_keys or self.hash_keys or self.masks or self.mask_patterns)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> RedactionSettings:
        """Read the variables named above; what is absent keeps its default."""
        read = _Reader(env)
        return cls(
            drop_keys=read.names("REDACT_DROP_KEYS"),
            hash_keys=read.names("REDACT_HASH_KEYS"),
            hash_key=read.text("REDACT_HASH_KEY"),
            masks=tuple(name.lower() for name in read.names("REDACT_MASKS")),
            mask_patterns=read.path("REDACT_MASK_PATTERNS"),
            window_chars=int(read.number("REDACT_WINDOW_CHARS", cls.window_chars)),
            value_chars=int(read.number("REDACT_VALUE_CHARS", cls.value_chars)),
        )


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """Which traces keep their raw rows in `otel_traces`; all by default. The typed tables see every span.

    Traces with an error or a slow span are kept whole; of the others a share, chosen by a hash of the trace id.
    """

    share: float = 1.0
    """SIGHTLINE_COLLECTOR_SAMPLE_SHARE: share of the traces without error or slow span to keep, 0 to 1; 1 turns
    sampling off. Default: 1."""
    slow_s: float = 5.0
    """SIGHTLINE_COLLECTOR_SAMPLE_SLOW_S: seconds that make a span, and its whole trace, slow. Default: 5."""
    window_s: float = 10.0
    """SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S: seconds that a segment waits for the rest of its traces, 0 to 600; rows come
    so much later and wait in the spool. Default: 10."""
    salt: str = "sightline"
    """SIGHTLINE_COLLECTOR_SAMPLE_SALT: goes into the hash; collectors of one system need the same. Default:
    sightline."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if not 0 <= self.share <= 1:
            raise ValueError(f"SIGHTLINE_COLLECTOR_SAMPLE_SHARE is {self.share:g}; needs 0 to 1")
        if self.slow_s <= 0:
            raise ValueError(f"SIGHTLINE_COLLECTOR_SAMPLE_SLOW_S is {self.slow_s:g}; needs more than 0")
        if not 0 <= self.window_s <= _MAX_SAMPLE_WINDOW_S:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S is {self.window_s:g}; needs 0 to {_MAX_SAMPLE_WINDOW_S:g}"
            )

    @property
    def is_on(self) -> bool:
        """Whether anything is sampled out at all."""
        return self.share < 1

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> SamplingSettings:
        """Read the variables named above; what is absent keeps its default."""
        read = _Reader(env)
        return cls(
            share=read.number("SAMPLE_SHARE", cls.share),
            slow_s=read.number("SAMPLE_SLOW_S", cls.slow_s),
            window_s=read.number("SAMPLE_WINDOW_S", cls.window_s),
            salt=read.text("SAMPLE_SALT") or cls.salt,
        )


@dataclass(frozen=True, kw_only=True)
class CollectorSettings:
    """How the collector listens, whom it lets in, how it spools and ships."""

    host: str = "127.0.0.1"
    """SIGHTLINE_COLLECTOR_HOST: address to listen on; beyond loopback it needs API keys and TLS. Default: loopback."""
    http_port: int = 4318
    """SIGHTLINE_COLLECTOR_HTTP_PORT: port of OTLP/HTTP. Default: 4318."""
    grpc_port: int = 4317
    """SIGHTLINE_COLLECTOR_GRPC_PORT: port of OTLP/gRPC. Default: 4317."""
    keys_file: Path = Path(".sightline/keys.json")
    """SIGHTLINE_COLLECTOR_KEYS_FILE: file of hashed API keys. Default: .sightline/keys.json in the current folder."""
    doctor_key: str = field(default="", repr=False)
    """SIGHTLINE_COLLECTOR_DOCTOR_KEY: API key with which `doctor` sends its span. Default: unset."""
    tls_cert_file: Path | None = None
    """SIGHTLINE_COLLECTOR_TLS_CERT_FILE: certificate chain in PEM; makes both ports speak TLS only. Default: unset."""
    tls_key_file: Path | None = None
    """SIGHTLINE_COLLECTOR_TLS_KEY_FILE: private key of that certificate in PEM. Default: unset."""
    allow_plaintext: bool = False
    """SIGHTLINE_COLLECTOR_ALLOW_PLAINTEXT: true listens beyond loopback without TLS, for example behind a proxy that
    ends it: API keys then cross that network as they are. Default: false."""
    allowed_hosts: tuple[str, ...] = ()
    """SIGHTLINE_COLLECTOR_ALLOWED_HOSTS: names by which clients reach the collector over HTTP beside loopback's and,
    beyond loopback, any plain address, comma separated, `*.example.org` for all below; `*` takes any Host and requests
    without one. Default: none."""
    cors_origins: tuple[str, ...] = ()
    """SIGHTLINE_COLLECTOR_CORS_ORIGINS: origins whose pages may send from a browser, comma separated, for example
    `https://app.example.org`, or `*` for any; loopback's may when the collector listens there. Default: none."""
    max_connections: int = 1024
    """SIGHTLINE_COLLECTOR_MAX_CONNECTIONS: connections open at once; for a new one beyond, one that has sent no whole
    request head or is idle is closed, else the new one is answered 503. The gRPC port has as
    many of its own. Default: 1024."""
    header_timeout_s: float = 10.0
    """SIGHTLINE_COLLECTOR_HEADER_TIMEOUT_S: seconds within which a request's head must come. Default: 10."""
    body_timeout_s: float = 30.0
    """SIGHTLINE_COLLECTOR_BODY_TIMEOUT_S: seconds in which at least 1 KiB of a request's body must come, and some of an
    answer that waits must be taken. Default: 30."""
    idle_timeout_s: float = 75.0
    """SIGHTLINE_COLLECTOR_IDLE_TIMEOUT_S: seconds that a connection may stay open between requests. Default: 75."""
    spool_dir: Path = Path(".sightline/spool")
    """SIGHTLINE_COLLECTOR_SPOOL_DIR: folder of the spool. Default: .sightline/spool under the current folder."""
    spool_max_bytes: int = 4 * 1024**3
    """SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES: bytes that may wait for the store; more is answered 503. Default: 4 GiB."""
    segment_max_bytes: int = 64 * 1024**2
    """SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES: bytes after which a segment is closed and shipped. Default: 64 MiB."""
    segment_max_age_s: float = 1.0
    """SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S: seconds after which a segment is closed and shipped. Each takes the store
    some 0.15 s of CPU: where little comes, 5 spare a laptop, and rows can be queried so much later.
    Default: 1."""
    max_request_bytes: int = 64 * 1024**2
    """SIGHTLINE_COLLECTOR_MAX_REQUEST_BYTES: largest request, decompressed. Default: 64 MiB, as OTLP advises."""
    metrics_interval_s: float = 30.0
    """SIGHTLINE_COLLECTOR_METRICS_INTERVAL_S: seconds between its own metrics in the store; 0 never. Default: 30."""
    prices_interval_s: float = 30.0
    """SIGHTLINE_COLLECTOR_PRICES_INTERVAL_S: seconds between look-ups of new models' prices; 0 never. Default: 30."""
    redaction: RedactionSettings = field(default_factory=RedactionSettings)
    """What is taken out of requests before anything is written."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    """Which traces keep their raw rows."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        for name, port in (("HTTP", self.http_port), ("GRPC", self.grpc_port)):
            if not 0 <= port < 65536:
                raise ValueError(f"SIGHTLINE_COLLECTOR_{name}_PORT is {port}; needs 0 to 65535")
        self._check_access()
        if self.segment_max_bytes < 4096:
            raise ValueError(f"SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES is {self.segment_max_bytes}; needs at least 4096")
        if self.spool_max_bytes < 2 * self.segment_max_bytes:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES is {self.spool_max_bytes}; "
                f"needs at least 2 x segment_max_bytes ({2 * self.segment_max_bytes})"
            )
        if self.max_request_bytes < 1024:
            raise ValueError(f"SIGHTLINE_COLLECTOR_MAX_REQUEST_BYTES is {self.max_request_bytes}; needs at least 1024")
        if self.segment_max_age_s <= 0:
            raise ValueError(f"SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S is {self.segment_max_age_s}; needs more than 0")
        for name in ("max_connections", "header_timeout_s", "body_timeout_s", "idle_timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"SIGHTLINE_COLLECTOR_{name.upper()} is {getattr(self, name):g}; needs more than 0")

    def _check_access(self) -> None:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing = "CERT" if self.tls_cert_file is None else "KEY"
            raise ValueError(f"SIGHTLINE_COLLECTOR_TLS_{missing}_FILE is unset; TLS needs certificate and key")
        if not self.is_loopback and self.tls_cert_file is None and not self.allow_plaintext:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_HOST is {self.host!r}; beyond loopback API keys need TLS: set "
                "SIGHTLINE_COLLECTOR_TLS_CERT_FILE and SIGHTLINE_COLLECTOR_TLS_KEY_FILE, or, behind a proxy that ends "
                "TLS, SIGHTLINE_COLLECTOR_ALLOW_PLAINTEXT=true"
            )
        check_names("SIGHTLINE_COLLECTOR_ALLOWED_HOSTS", self.allowed_hosts)
        for origin in self.cors_origins:
            scheme, _, rest = origin.partition("://")
            if origin != "*" and (scheme not in {"http", "https"} or not rest or "/" in rest or "*" in rest):
                raise ValueError(
                    f"SIGHTLINE_COLLECTOR_CORS_ORIGINS holds {origin!r}; needs origins such as "
                    "https://app.example.org, without a path, or *"
                )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> CollectorSettings:
        """Read the variables named above; what is absent keeps its default."""
        read = _Reader(env)
        return cls(
            host=read.text("HOST") or cls.host,
            http_port=int(read.number("HTTP_PORT", cls.http_port)),
            grpc_port=int(read.number("GRPC_PORT", cls.grpc_port)),
            keys_file=read.path("KEYS_FILE") or cls.keys_file,
            doctor_key=read.text("DOCTOR_KEY"),
            tls_cert_file=read.path("TLS_CERT_FILE"),
            tls_key_file=read.path("TLS_KEY_FILE"),
            allow_plaintext=read.truth("ALLOW_PLAINTEXT"),
            allowed_hosts=tuple(name.lower() for name in read.names("ALLOWED_HOSTS")),
            cors_origins=tuple(name.lower() for name in read.names("CORS_ORIGINS")),
            max_connections=int(read.number("MAX_CONNECTIONS", cls.max_connections)),
            header_timeout_s=read.number("HEADER_TIMEOUT_S", cls.header_timeout_s),
            body_timeout_s=read.number("BODY_TIMEOUT_S", cls.body_timeout_s),
            idle_timeout_s=read.number("IDLE_TIMEOUT_S", cls.idle_timeout_s),
            spool_dir=read.path("SPOOL_DIR") or cls.spool_dir,
            spool_max_bytes=int(read.number("SPOOL_MAX_BYTES", cls.spool_max_bytes)),
            segment_max_bytes=int(read.number("SEGMENT_MAX_BYTES", cls.segment_max_bytes)),
            segment_max_age_s=read.number("SEGMENT_MAX_AGE_S", cls.segment_max_age_s),
            max_request_bytes=int(read.number("MAX_REQUEST_BYTES", cls.max_request_bytes)),
            metrics_interval_s=read.number("METRICS_INTERVAL_S", cls.metrics_interval_s),
            prices_interval_s=read.number("PRICES_INTERVAL_S", cls.prices_interval_s),
            redaction=RedactionSettings.from_env(env),
            sampling=SamplingSettings.from_env(env),
        )


class _Reader:
    """Values of the collector's variables, by the name after their common beginning."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str) -> str:
        return self._env.get(f"SIGHTLINE_COLLECTOR_{name}", "").strip()

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text) if text else None

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    def number(self, name: str, default: float) -> float:
        text = self.text(name)
        try:
            value = float(text) if text else default
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"SIGHTLINE_COLLECTOR_{name} is {text!r}; needs a number, default {default:g}")
        return value

    def truth(self, name: str) -> bool:
        text = self.text(name).lower()
        if text not in {"", "true", "1", "yes", "on", "false", "0", "no", "off"}:
            raise ValueError(f"SIGHTLINE_COLLECTOR_{name} is {text!r}; needs true or false")
        return text in {"true", "1", "yes", "on"}
