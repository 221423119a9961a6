"""Settings of the store's two sides: the client of a ClickHouse, and the embedded node that is one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Which ClickHouse to talk to."""

    url: str = "http://127.0.0.1:8123"
    """SIGHTLINE_STORE_URL: address of ClickHouse's HTTP interface. Default: the embedded node on this machine."""
    database: str = "otel"
    """SIGHTLINE_STORE_DATABASE: database that holds the tables. Default: otel."""
    user: str = "default"
    """SIGHTLINE_STORE_USER: ClickHouse user. Default: default."""
    password: str = ""
    """SIGHTLINE_STORE_PASSWORD: that user's password. Default: empty."""
    timeout_s: float = 60.0
    """SIGHTLINE_STORE_TIMEOUT_S: seconds that a statement may take. Default: 60."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"SIGHTLINE_STORE_URL is {self.url!r}; needs an address such as http://127.0.0.1:8123")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.database):
            raise ValueError(f"SIGHTLINE_STORE_DATABASE is {self.database!r}; needs a plain identifier such as otel")
        if self.timeout_s <= 0:
            raise ValueError(f"SIGHTLINE_STORE_TIMEOUT_S is {self.timeout_s}; needs more than 0 seconds")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> StoreSettings:
        """Read the variables named above; what is absent keeps its default."""
        return cls(
            url=env.get("SIGHTLINE_STORE_URL", cls.url).rstrip("/"),
            database=env.get("SIGHTLINE_STORE_DATABASE", cls.database),
            user=env.get("SIGHTLINE_STORE_USER", cls.user),
            password=env.get("SIGHTLINE_STORE_PASSWORD", cls.password),
            timeout_s=_number(env, "SIGHTLINE_STORE_TIMEOUT_S", cls.timeout_s),
        )


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """How the embedded ClickHouse runs."""

    host: str = "127.0.0.1"
    """SIGHTLINE_STORE_HOST: address to listen on. Default: loopback only."""
    port: int = 8123
    """SIGHTLINE_STORE_PORT: port of the HTTP interface. Default: 8123."""
    data_dir: Path = Path(".sightline/store")
    """SIGHTLINE_STORE_DATA_DIR: folder with the data. Default: .sightline/store under the current folder."""
    max_memory_bytes: int = 2 * 1024**3
    """SIGHTLINE_STORE_MAX_MEMORY_BYTES: memory that the whole engine may take. Default: 2147483648 (2 GiB)."""
    max_concurrent_queries: int = 8
    """SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES: statements that run at once. Default: 8."""
    max_queued_queries: int = 128
    """SIGHTLINE_STORE_MAX_QUEUED_QUERIES: statements that wait for a place; more are answered 503. Default: 128."""
    session_timeout_s: float = 60.0
    """SIGHTLINE_STORE_SESSION_TIMEOUT_S: seconds after which an unused session is dropped. Default: 60."""
    heartbeat_timeout_s: float = 60.0
    """SIGHTLINE_STORE_HEARTBEAT_TIMEOUT_S: seconds without an answer from the engine after which the process ends
    with code 70, so that its supervisor starts a new one. Default: 60."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if not 0 <= self.port < 65536:
            raise ValueError(f"SIGHTLINE_STORE_PORT is {self.port}; needs 0 to 65535")
        if self.max_memory_bytes < 512 * 1024**2:
            raise ValueError(
                f"SIGHTLINE_STORE_MAX_MEMORY_BYTES is {self.max_memory_bytes}; needs at least 536870912 (512 MiB)"
            )
        if self.max_concurrent_queries < 2:
            raise ValueError("SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES must be at least 2: one writes while one reads")
        if self.max_queued_queries < 0:
            raise ValueError(f"SIGHTLINE_STORE_MAX_QUEUED_QUERIES is {self.max_queued_queries}; needs 0 or more")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> NodeSettings:
        """Read the variables named above; what is absent keeps its default."""
        return cls(
            host=env.get("SIGHTLINE_STORE_HOST", cls.host),
            port=int(_number(env, "SIGHTLINE_STORE_PORT", cls.port)),
            data_dir=Path(env.get("SIGHTLINE_STORE_DATA_DIR", str(cls.data_dir))),
            max_memory_bytes=int(_number(env, "SIGHTLINE_STORE_MAX_MEMORY_BYTES", cls.max_memory_bytes)),
            max_concurrent_queries=int(
                _number(env, "SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES", cls.max_concurrent_queries)
            ),
            max_queued_queries=int(_number(env, "SIGHTLINE_STORE_MAX_QUEUED_QUERIES", cls.max_queued_queries)),
            session_timeout_s=_number(env, "SIGHTLINE_STORE_SESSION_TIMEOUT_S", cls.session_timeout_s),
            heartbeat_timeout_s=_number(env, "SIGHTLINE_STORE_HEARTBEAT_TIMEOUT_S", cls.heartbeat_timeout_s),
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if text is None or not text.strip():
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; needs a number, default {default:g}") from None
