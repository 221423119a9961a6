"""Settings of conversations, rates and budgets, and of the Redis that keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting

_REDIS_DIR = Path(".sightline/redis")


@dataclass(frozen=True, kw_only=True)
class StateSettings(OwnSettings):
    """Where `sightline-app` keeps conversations, rates and budgets."""

    mode: str = setting(
        "SIGHTLINE_APP_STATE",
        "auto",
        "Where the state is kept; `auto` takes `REDIS_URL`, else a `sightline-redis` that answers when the app starts, "
        "else this process, which shares it with no other process and loses it at its end",
        choices=("auto", "redis", "process"),
    )
    redis_secret_url: str | None = setting(
        "REDIS_URL",
        None,
        "A Redis or Valkey to use instead of the one that `sightline-redis` runs: redis://:password@host:6379/0, or "
        "rediss:// for TLS",
        secret=True,
    )
    local_host: str = setting("SIGHTLINE_REDIS_HOST", "127.0.0.1", "Where `sightline-redis` listens")
    local_port: int = setting("SIGHTLINE_REDIS_PORT", 8078, "Port of `sightline-redis`", at_least=1, at_most=65535)
    connect_timeout_s: float = setting(
        "SIGHTLINE_APP_STATE_CONNECT_TIMEOUT_S", 0.5, "Longest wait for a connection to Redis, in seconds", above=0
    )
    timeout_s: float = setting(
        "SIGHTLINE_APP_STATE_TIMEOUT_S", 1.0, "Longest wait for one answer of Redis, in seconds", above=0
    )
    retry_s: float = setting(
        "SIGHTLINE_APP_STATE_RETRY_S",
        1.0,
        "After Redis failed, seconds during which requests go on without asking it again",
        above=0,
    )
    session_ttl_s: float = setting(
        "SIGHTLINE_APP_SESSION_TTL_S",
        86_400.0,
        "Seconds after its last turn at which a conversation is forgotten",
        above=0,
    )
    session_turns: int = setting(
        "SIGHTLINE_APP_SESSION_TURNS",
        40,
        "Turns that are kept word for word; older ones are in the summary only",
        at_least=1,
        at_most=1000,
    )
    session_max_bytes: int = setting(
        "SIGHTLINE_APP_SESSION_MAX_BYTES",
        131_072,
        "Size of a conversation above which its older turns go into the summary, whatever their number",
        at_least=4096,
    )
    answer_max_chars: int = setting(
        "SIGHTLINE_APP_SESSION_ANSWER_CHARS", 8000, "Longest answer that is kept; more is cut off", at_least=100
    )
    history_tokens: int = setting(
        "SIGHTLINE_APP_HISTORY_TOKENS",
        600,
        "Tokens of earlier turns that go into a prompt word for word, by estimate; the newest come first",
        at_least=0,
    )
    summary_tokens: int = setting(
        "SIGHTLINE_APP_SUMMARY_TOKENS", 150, "Tokens of the summary of all turns before those, by estimate", at_least=0
    )


@dataclass(frozen=True, kw_only=True)
class RedisSettings(OwnSettings):
    """Settings of `sightline-redis`."""

    secret_url: str | None = setting(
        "REDIS_URL", None, "A Redis that already runs somewhere: then nothing is started", secret=True
    )
    host: str = setting("SIGHTLINE_REDIS_HOST", "127.0.0.1", "Address to listen on; loopback only")
    port: int = setting("SIGHTLINE_REDIS_PORT", 8078, "Port to listen on", at_least=1, at_most=65535)
    data_dir: Path = setting("SIGHTLINE_REDIS_DATA_DIR", _REDIS_DIR, "Folder of Redis's append-only file")
    max_memory_bytes: int = setting(
        "SIGHTLINE_REDIS_MAX_MEMORY_BYTES",
        256 * 1024**2,
        "Memory beyond which Redis refuses writes; nothing is evicted, since conversations and budgets must not vanish",
        at_least=8 * 1024**2,
    )
    start_timeout_s: float = setting(
        "SIGHTLINE_REDIS_START_TIMEOUT_S", 30.0, "Longest wait until the server answers, in seconds", above=0
    )
