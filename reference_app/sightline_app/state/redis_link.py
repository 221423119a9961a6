"""The connection to Redis: short timeouts, one retry of a broken connection, and a pause after a failure.

Every failure is a `StateAway`: no connection, no answer in time, a server that is loading, read-only, out of memory or
cannot write its file. For `SIGHTLINE_APP_STATE_RETRY_S` after one, requests do not wait for Redis again, unless it
answered another one meanwhile; the first one after that asks it. Redis may go and return at any time; nothing has to be
started again.

A connection that broke is replaced, and the command is sent again, once: each script of this application does the same
when it runs twice. A command that was not answered in time is not sent again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from sightline_app.errors import InvalidSetting, StateAway
from sightline_app.settings import StateSettings

_log = logging.getLogger("sightline.app.state")
_MAX_CONNECTIONS = 32
_CONVERSATIONS = "conversations and limits"


class RedisLink:
    """A Redis that may be away.

    Args:
        url: its address.
        settings: timeouts, and the pause after a failure.
        clock: monotonic seconds.
        keeps: what is kept there, for the log.

    Raises:
        InvalidSetting: the URL is none of Redis.
    """

    def __init__(
        self,
        url: str,
        settings: StateSettings,
        clock: Callable[[], float] = time.monotonic,
        keeps: str = _CONVERSATIONS,
    ) -> None:
        self.shown_url = _without_secret(url)
        self._settings = settings
        self._clock = clock
        self._keeps = keeps
        self._failure = ""
        self._asks_again_s = 0.0
        self._answered_s = -math.inf
        try:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                url,
                max_connections=_MAX_CONNECTIONS,
                timeout=settings.timeout_s,
                socket_timeout=settings.timeout_s,
                socket_connect_timeout=settings.connect_timeout_s,
                decode_responses=True,
                retry=Retry(NoBackoff(), 1, supported_errors=(NotConnected,)),
                # With them, the pool would not notice an answer that nobody read.
                maint_notifications_config=MaintNotificationsConfig(enabled=False),
            )
        except ValueError as exc:
            raise InvalidSetting("REDIS_URL", self.shown_url, f"needs an address of Redis: {exc}") from exc
        self._client = redis.asyncio.Redis(connection_pool=pool)

    def script(self, path: Path) -> Callable[[Sequence[str], Sequence[str | int]], Any]:
        """Return a coroutine function that runs a Lua script: keys and arguments in, its answer out.

        Args:
            path: the script.
        """
        registered = self._client.register_script(path.read_text(encoding="utf-8"))

        async def run(keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
            return await self._ask(lambda: registered(keys=list(keys), args=list(arguments)))

        return run

    async def delete(self, key: str) -> None:
        """Remove a key.

        Raises:
            StateAway: Redis did not do it.
        """
        await self._ask(lambda: self._client.delete(key))

    async def delete_field(self, key: str, field: str) -> None:
        """Remove a field of a hash.

        Raises:
            StateAway: Redis did not do it.
        """
        await self._ask(lambda: self._client.hdel(key, field))

    async def answers(self) -> bool:
        """Whether Redis is there."""
        try:
            await self._ask(self._client.ping)
        except StateAway:
            return False
        return True

    async def _ask(self, call: Callable[[], Any]) -> Any:
        if self._failure and self._clock() < self._asks_again_s:
            raise StateAway(self._failure)
        began_s = self._clock()
        try:
            async with asyncio.timeout(2 * self._settings.timeout_s + self._settings.connect_timeout_s):
                answer = await call()
        except (RedisError, OSError, TimeoutError) as exc:
            reason = f"Redis at {self.shown_url} is away: {str(exc)[:200].rstrip('.') or type(exc).__name__}"
            if self._answered_s > began_s:
                raise StateAway(reason) from exc
            if not self._failure:
                _log.error("%s. Until it is back, the app goes on without its %s", reason, self._keeps)
            self._failure, self._asks_again_s = reason, self._clock() + self._settings.retry_s
            raise StateAway(reason) from exc
        self._answered_s = self._clock()
        if self._failure:
            _log.warning("Redis at %s is back", self.shown_url)
            self._failure = ""
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()


def open_link(settings: StateSettings, keeps: str = _CONVERSATIONS) -> RedisLink | None:
    """Return the Redis that the settings name; None where this process keeps the state itself.

    Args:
        settings: address and timeouts.
        keeps: what is kept there, for the log.

    Raises:
        InvalidSetting: `redis` is set and no Redis is named that could be asked.
    """
    if settings.mode == "process":
        _log.warning("SIGHTLINE_APP_STATE=process: %s", _PROCESS_ONLY.format(keeps))
        return None
    local = f"redis://{settings.local_host}:{settings.local_port}/0"
    link = RedisLink(settings.redis_secret_url or local, settings, keeps=keeps)
    if settings.mode == "redis" or settings.redis_secret_url or answers(local, settings.connect_timeout_s):
        _log.info("%s are kept in Redis at %s", keeps, link.shown_url)
        return link
    _log.error(
        "NO REDIS: none answers at %s and REDIS_URL is not set: %s. Start `sightline-redis`, then this app again",
        link.shown_url,
        _PROCESS_ONLY.format(keeps),
    )
    return None


_PROCESS_ONLY = "{} are kept in this process alone: no other process shares them, and they end with it"


def answers(url: str, timeout_s: float) -> bool:
    """Whether a Redis is at an address and ready, asked once by a connection of its own."""
    client = redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


def _without_secret(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return "***"
    return (
        f"{parts.scheme}://{parts.hostname}:{port}{parts.path}" if parts.hostname else f"{parts.scheme}://{parts.path}"
    )
