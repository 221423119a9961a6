"""Harms to servers beside the app: they are stopped (SIGSTOP), so that they take connections and answer none."""

from __future__ import annotations

import signal
from typing import Any
from urllib.parse import urlsplit

from sightline_app.chaos.harm import Context, Harm
from sightline_app.chaos.journal import ChaosRefused
from sightline_app.chaos.processes import Process
from sightline_app.settings import AppSettings
from sightline_app.state.redis_server import BINARIES
from sightline_app.vector_stores.weaviate_search import weaviate_address
from sightline_roles.host_check import is_loopback


class _Stopped(Harm):
    """A server of this machine that does not answer."""

    binaries: tuple[str, ...]
    title: str

    def prepare(self, context: Context) -> dict[str, Any]:
        """Find the process."""
        host, port = self.address(context.settings)
        if not is_loopback(host):
            raise ChaosRefused(f"{self.title} is at {host}; only one of this machine is stopped")
        found = Process.listening(port, self.binaries)
        if found is None:
            raise ChaosRefused(f"no {' or '.join(self.binaries)} of this user listens on port {port} (Linux only)")
        return {"pid": found.pid, "start": found.start}

    def begin(self, context: Context, undo: dict[str, Any]) -> str:
        """Stop it."""
        if not Process(**undo).send(signal.SIGSTOP):
            raise ChaosRefused(f"{self.title} is gone")
        return f"{self.title} (pid {undo['pid']}) is stopped and answers nothing"

    def undo(self, context: Context, undo: dict[str, Any]) -> None:
        """Let it go on."""
        Process(**undo).send(signal.SIGCONT)  # one that was ended meanwhile is not stopped either

    def address(self, settings: AppSettings) -> tuple[str, int]:
        """Return host and port of the server."""
        raise NotImplementedError


class RedisAway(_Stopped):
    """Redis does not answer."""

    name = "redis-away"
    about = "Redis is stopped: conversations, limits and shared streams go without it"
    binaries = BINARIES
    title = "Redis"

    def address(self, settings: AppSettings) -> tuple[str, int]:
        """Return host and port of the server."""
        state = settings.state
        if not state.redis_secret_url:
            return state.local_host, state.local_port
        parts = urlsplit(state.redis_secret_url)
        return parts.hostname or "", parts.port or 6379


class WeaviateAway(_Stopped):
    """Weaviate does not answer."""

    name = "weaviate-away"
    about = "Weaviate is stopped: searches fail"
    binaries = ("weaviate",)
    title = "Weaviate"

    def address(self, settings: AppSettings) -> tuple[str, int]:
        """Return host and port of the server."""
        parts = urlsplit(weaviate_address(settings))
        return parts.hostname or "", parts.port or 0
