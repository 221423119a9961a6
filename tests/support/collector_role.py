"""A collector as a process on free ports, for tests that send to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from role_process import Role, StartRole, free_port


@dataclass(frozen=True)
class CollectorRole:
    """A collector that is healthy."""

    role: Role
    port: int
    """OTLP over HTTP."""
    grpc_port: int

    @property
    def url(self) -> str:
        """Of OTLP over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc_address(self) -> str:
        """Of OTLP over gRPC."""
        return f"127.0.0.1:{self.grpc_port}"


def start_collector(roles: StartRole, folder: Path, store_url: str, **settings: str) -> CollectorRole:
    """Start one with its spool and its keys in `folder`; `settings` are SIGHTLINE_ variables without that prefix."""
    port, grpc_port = free_port(), free_port()
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(grpc_port),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(folder / "keys.json"),
        "SIGHTLINE_STORE_URL": store_url,
        **{f"SIGHTLINE_{name}": value for name, value in settings.items()},
    }
    role = roles("sightline-collector", "serve", env=env, health_url=f"http://127.0.0.1:{port}/healthz")
    return CollectorRole(role, port, grpc_port)
