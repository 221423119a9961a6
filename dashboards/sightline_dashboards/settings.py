"""Settings of the dashboards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DashboardSettings:
    """Where the pages are served. Which store they ask is `sightline_store.settings.StoreSettings`."""

    host: str = "127.0.0.1"
    """SIGHTLINE_DASHBOARDS_HOST: address to listen on. Default: loopback only."""
    port: int = 8501
    """SIGHTLINE_DASHBOARDS_PORT: port to listen on. Default: 8501."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if not self.host:
            raise ValueError("SIGHTLINE_DASHBOARDS_HOST is empty; needs an address such as 127.0.0.1")
        if not 0 < self.port < 65536:
            raise ValueError(f"SIGHTLINE_DASHBOARDS_PORT is {self.port}; needs 1 to 65535")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> DashboardSettings:
        """Read the variables named above; what is absent or blank keeps its default."""
        port = env.get("SIGHTLINE_DASHBOARDS_PORT", "").strip()
        if port and not port.isdecimal():
            raise ValueError(f"SIGHTLINE_DASHBOARDS_PORT is {port!r}; needs a number, default {cls.port}")
        return cls(
            host=env.get("SIGHTLINE_DASHBOARDS_HOST", cls.host).strip(),
            port=int(port) if port else cls.port,
        )
