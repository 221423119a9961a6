"""Settings of the collector, read from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True)
class CollectorSettings:
    """How the collector listens, spools and ships."""

    host: str = "127.0.0.1"
    """SIGHTLINE_COLLECTOR_HOST: address to listen on. Default: loopback, and nothing else is allowed so far."""
    http_port: int = 4318
    """SIGHTLINE_COLLECTOR_HTTP_PORT: port of OTLP/HTTP. Default: 4318."""
    grpc_port: int = 4317
    """SIGHTLINE_COLLECTOR_GRPC_PORT: port of OTLP/gRPC; -1 for none. Default: 4317."""
    spool_dir: Path = Path(".sightline/spool")
    """SIGHTLINE_COLLECTOR_SPOOL_DIR: folder of the spool. Default: .sightline/spool under the current folder."""
    spool_max_bytes: int = 4 * 1024**3
    """SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES: bytes that may wait for the store; more is answered 503. Default: 4 GiB."""
    segment_max_bytes: int = 16 * 1024**2
    """SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES: bytes after which a segment is closed and shipped. Default: 16 MiB."""
    segment_max_age_s: float = 1.0
    """SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S: age at which a segment is closed and shipped. Default: 1."""
    max_request_bytes: int = 64 * 1024**2
    """SIGHTLINE_COLLECTOR_MAX_REQUEST_BYTES: largest request, decompressed. Default: 64 MiB, as OTLP advises."""
    prices_interval_s: float = 30.0
    """SIGHTLINE_COLLECTOR_PRICES_INTERVAL_S: seconds between look-ups of new models' prices; 0 never. Default: 30."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if self.host not in _LOOPBACK:
            raise ValueError(
                f"SIGHTLINE_COLLECTOR_HOST is {self.host!r}; the collector has no API keys yet and listens on loopback "
                "only: put a proxy that checks credentials in front of it"
            )
        if not 0 <= self.http_port < 65536:
            raise ValueError(f"SIGHTLINE_COLLECTOR_HTTP_PORT is {self.http_port}; needs 0 to 65535")
        if not -1 <= self.grpc_port < 65536:
            raise ValueError(f"SIGHTLINE_COLLECTOR_GRPC_PORT is {self.grpc_port}; needs 0 to 65535, or -1 for none")
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

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> CollectorSettings:
        """Read the variables named above; what is absent keeps its default."""

        def number(name: str, default: float) -> float:
            text = env.get(f"SIGHTLINE_COLLECTOR_{name}", "").strip()
            try:
                return float(text) if text else default
            except ValueError:
                raise ValueError(
                    f"SIGHTLINE_COLLECTOR_{name} is {text!r}; needs a number, default {default:g}"
                ) from None

        return cls(
            host=env.get("SIGHTLINE_COLLECTOR_HOST", cls.host),
            http_port=int(number("HTTP_PORT", cls.http_port)),
            grpc_port=int(number("GRPC_PORT", cls.grpc_port)),
            spool_dir=Path(env.get("SIGHTLINE_COLLECTOR_SPOOL_DIR", str(cls.spool_dir))),
            spool_max_bytes=int(number("SPOOL_MAX_BYTES", cls.spool_max_bytes)),
            segment_max_bytes=int(number("SEGMENT_MAX_BYTES", cls.segment_max_bytes)),
            segment_max_age_s=number("SEGMENT_MAX_AGE_S", cls.segment_max_age_s),
            max_request_bytes=int(number("MAX_REQUEST_BYTES", cls.max_request_bytes)),
            prices_interval_s=number("PRICES_INTERVAL_S", cls.prices_interval_s),
        )
