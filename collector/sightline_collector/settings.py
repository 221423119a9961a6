"""Settings of the collector, read from the environment once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sightline.masks import kinds
from sightline_roles.host_check import is_loopback
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import Settings, lower_names, setting

_MIN_HASH_KEY_CHARS = 16
_MIN_WINDOWS = 4


@dataclass(frozen=True, kw_only=True)
class RedactionSettings(Settings):
    """What is taken out of a request before anything is written to disk; nothing by default.

    Keys are matched as globs (`*`, `?`, `[...]`), without regard to case, against an attribute's key and, inside nested
    values, against the inner key and the dotted path to it. What must not be stored goes by dropping; hashing keeps
    equal values joinable; masks reach the text of values, log bodies, names and status messages.
    """

    drop_keys: tuple[str, ...] = setting(
        "SIGHTLINE_COLLECTOR_REDACT_DROP_KEYS", (), "Globs of the attributes that are left out"
    )
    hash_keys: tuple[str, ...] = setting(
        "SIGHTLINE_COLLECTOR_REDACT_HASH_KEYS", (), "Globs of the attributes that are hashed"
    )
    hash_key: str = setting(
        "SIGHTLINE_COLLECTOR_REDACT_HASH_KEY",
        "",
        f"Secret of that hash, {_MIN_HASH_KEY_CHARS} characters or more",
        secret=True,
    )
    masks: tuple[str, ...] = setting(
        "SIGHTLINE_COLLECTOR_REDACT_MASKS",
        (),
        "Kinds of text that are masked; own patterns go into the file SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS",
        choices=sorted(kinds()),
        read=lower_names,
    )
    mask_patterns: Path | None = setting(
        "SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS", None, "File of your own regular expressions, one in each line"
    )
    window_chars: int = setting(
        "SIGHTLINE_COLLECTOR_REDACT_WINDOW_CHARS",
        16384,
        "Characters of a long text that an own pattern sees at once; a ready-made mask may see more",
        at_least=1024,
    )
    value_chars: int = setting(
        "SIGHTLINE_COLLECTOR_REDACT_VALUE_CHARS",
        1_048_576,
        "Characters of one text that are searched for masks; of a longer text that may hold something to mask, the "
        f"rest becomes `[redacted:rest]`. At least {_MIN_WINDOWS} times SIGHTLINE_COLLECTOR_REDACT_WINDOW_CHARS",
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.hash_keys and len(self.hash_key) < _MIN_HASH_KEY_CHARS:
            raise self.invalid(
                "hash_key",
                f"at least {_MIN_HASH_KEY_CHARS} characters for {self.variable('hash_keys')}, and has "
                f"{len(self.hash_key)}: `openssl rand -hex 32`",
            )
        if self.value_chars < _MIN_WINDOWS * self.window_chars:
            raise self.invalid(
                "value_chars", f"at least {_MIN_WINDOWS} times {self.variable('window_chars')}={self.window_chars}"
            )

    @property
    def is_on(self) -> bool:
        """Whether anything is taken out at all."""
        return bool(self.drop_keys or self.hash_keys or self.masks or self.mask_patterns)


@dataclass(frozen=True, kw_only=True)
class SamplingSettings(Settings):
    """Which traces keep their raw rows in `otel_traces`; all by default. The typed tables see every span.

    Traces with an error or a slow span are kept whole; of the others a share, chosen by a hash of the trace id.
    """

    share: float = setting(
        "SIGHTLINE_COLLECTOR_SAMPLE_SHARE",
        1.0,
        "Share of the traces without error or slow span that are kept; 1 turns sampling off",
        at_least=0,
        at_most=1,
    )
    slow_s: float = setting(
        "SIGHTLINE_COLLECTOR_SAMPLE_SLOW_S", 5.0, "Seconds that make a span, and its whole trace, slow", above=0
    )
    window_s: float = setting(
        "SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S",
        10.0,
        "Seconds that a segment waits in the spool for the rest of its traces; rows are stored so much later",
        at_least=0,
        at_most=600,
    )
    salt: str = setting(
        "SIGHTLINE_COLLECTOR_SAMPLE_SALT",
        "sightline",
        "Text that goes into the hash; the collectors of one system need the same",
    )

    @property
    def is_on(self) -> bool:
        """Whether anything is sampled out at all."""
        return self.share < 1


@dataclass(frozen=True, kw_only=True)
class CollectorSettings(PortSettings):
    """How the collector listens, who may send, how it spools and ships.

    Beyond loopback it needs API keys and TLS. The gRPC port has as many connections of its own as the HTTP port.
    """

    prefix = "SIGHTLINE_COLLECTOR_"

    http_port: int = setting("SIGHTLINE_COLLECTOR_HTTP_PORT", 4318, "Port of OTLP/HTTP", at_least=0, at_most=65535)
    grpc_port: int = setting(
        "SIGHTLINE_COLLECTOR_GRPC_PORT",
        4317,
        "Port of OTLP/gRPC; -1 opens none, which saves 25 MB of memory",
        at_least=-1,
        at_most=65535,
    )
    keys_file: Path = setting(
        "SIGHTLINE_COLLECTOR_KEYS_FILE", Path(".sightline/keys.json"), "File of the hashed API keys"
    )
    doctor_key: str = setting(
        "SIGHTLINE_COLLECTOR_DOCTOR_KEY", "", "API key with which `doctor` sends its span", secret=True
    )
    tls_cert_file: Path | None = setting(
        "SIGHTLINE_COLLECTOR_TLS_CERT_FILE", None, "Certificate chain in PEM; with it both ports speak TLS only"
    )
    tls_key_file: Path | None = setting(
        "SIGHTLINE_COLLECTOR_TLS_KEY_FILE", None, "Private key of that certificate in PEM"
    )
    allow_plaintext: bool = setting(
        "SIGHTLINE_COLLECTOR_ALLOW_PLAINTEXT",
        False,
        "Whether it listens beyond loopback without TLS, for example behind a proxy that ends TLS; API keys then cross "
        "that network unencrypted",
    )
    cors_origins: tuple[str, ...] = setting(
        "SIGHTLINE_COLLECTOR_CORS_ORIGINS",
        (),
        "Origins whose pages may send from a browser; `*` is any. Loopback's may when the collector listens there",
        read=lower_names,
        check=lambda origins: all(_is_origin(origin) for origin in origins),
        need="origins with commas between, such as https://app.example.org, without a path, or *",
    )
    spool_dir: Path = setting("SIGHTLINE_COLLECTOR_SPOOL_DIR", Path(".sightline/spool"), "Folder of the spool")
    spool_max_bytes: int = setting(
        "SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES",
        4 * 1024**3,
        "Bytes that may wait for the store; more is answered 503. At least 2 times "
        "SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES",
    )
    segment_max_bytes: int = setting(
        "SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES",
        64 * 1024**2,
        "Bytes after which a segment is closed and shipped",
        at_least=4096,
    )
    segment_max_age_s: float = setting(
        "SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S",
        1.5,
        "Seconds after which a segment is closed and shipped, fewer by what the last INSERT took beyond 0.3 seconds: "
        "by default rows can be queried within 2 seconds. Each INSERT costs the store 0.2 to 0.3 s of CPU, however few "
        "spans it holds; with little traffic, 5 saves power on a laptop, and rows can be queried so much later",
        above=0,
    )
    max_request_bytes: int = setting(
        "SIGHTLINE_COLLECTOR_MAX_REQUEST_BYTES",
        64 * 1024**2,
        "Largest request after decompression, in bytes; OTLP advises the default",
        at_least=1024,
    )
    metrics_interval_s: float = setting(
        "SIGHTLINE_COLLECTOR_METRICS_INTERVAL_S",
        30.0,
        "Seconds between two writes of the collector's own metrics into the store; 0 never",
    )
    redaction: RedactionSettings = field(default_factory=RedactionSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.spool_max_bytes < 2 * self.segment_max_bytes:
            raise self.invalid(
                "spool_max_bytes", f"at least 2 x {self.variable('segment_max_bytes')} ({2 * self.segment_max_bytes})"
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing = "tls_cert_file" if self.tls_cert_file is None else "tls_key_file"
            raise self.invalid(missing, "a path: TLS needs certificate and key")
        if not self.is_loopback and self.tls_cert_file is None and not self.allow_plaintext:
            raise self.invalid(
                "host",
                f"TLS beyond loopback, because of the API keys: set {self.variable('tls_cert_file')} and "
                f"{self.variable('tls_key_file')}, or, behind a proxy that ends TLS, "
                f"{self.variable('allow_plaintext')}=true",
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


def _is_origin(text: str) -> bool:
    scheme, _, rest = text.partition("://")
    return text == "*" or (scheme in {"http", "https"} and bool(rest) and not set(rest) & set("/*"))
