"""Settings of the dashboards."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from sightline_roles.host_check import check_names, read_names


@dataclass(frozen=True, kw_only=True)
class DashboardSettings:
    """Where the pages are served. Which store they ask is `sightline_store.settings.StoreSettings`."""

    host: str = "127.0.0.1"
    """SIGHTLINE_DASHBOARDS_HOST: address to listen on. Default: loopback only."""
    port: int = 8501
    """SIGHTLINE_DASHBOARDS_PORT: port to listen on. Default: 8501."""
    allowed_hosts: tuple[str, ...] = ()
    """SIGHTLINE_DASHBOARDS_ALLOWED_HOSTS: names by which browsers reach the pages beside loopback's and, beyond
    loopback, any plain address, comma separated, `*.example.org` for all below; `*` takes any Host and requests without
    one. A proxy in front must pass the Host on. Default: none."""
    max_connections: int = 1024
    """SIGHTLINE_DASHBOARDS_MAX_CONNECTIONS: connections open at once; for a new one beyond, one that has sent no whole
    request head or is idle is closed, else the new one is answered 503. Each open
    page holds one. Default: 1024."""
    header_timeout_s: float = 10.0
    """SIGHTLINE_DASHBOARDS_HEADER_TIMEOUT_S: seconds within which a request's head must come. Default: 10."""
    body_timeout_s: float = 30.0
    """SIGHTLINE_DASHBOARDS_BODY_TIMEOUT_S: seconds in which at least 1 KiB of a request's body must come, and some
    of an answer that waits must be taken. Default: 30."""
    idle_timeout_s: float = 75.0
    """SIGHTLINE_DASHBOARDS_IDLE_TIMEOUT_S: seconds that a connection may stay open between requests. Default: 75."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if not self.host:
            raise ValueError("SIGHTLINE_DASHBOARDS_HOST is empty; needs an address such as 127.0.0.1")
        if not 0 < self.port < 65536:
            raise ValueError(f"SIGHTLINE_DASHBOARDS_PORT is {self.port}; needs 1 to 65535")
        check_names("SIGHTLINE_DASHBOARDS_ALLOWED_HOSTS", self.allowed_hosts)
        for name in ("max_connections", "header_timeout_s", "body_timeout_s", "idle_timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"SIGHTLINE_DASHBOARDS_{name.upper()} is {getattr(self, name):g}; needs more than 0")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> DashboardSettings:
        """Read the variables named above; what is absent or blank keeps its default."""
        port = env.get("SIGHTLINE_DASHBOARDS_PORT", "").strip()
        if port and not port.isdecimal():
            raise ValueError(f"SIGHTLINE_DASHBOARDS_PORT is {port!r}; needs a number, default {cls.port}")
        return cls(
            host=env.get("SIGHTLINE_DASHBOARDS_HOST", cls.host).strip(),
            port=int(port) if port else cls.port,
            allowed_hosts=read_names(
                "SIGHTLINE_DASHBOARDS_ALLOWED_HOSTS", env.get("SIGHTLINE_DASHBOARDS_ALLOWED_HOSTS", "")
            ),
            max_connections=int(_number(env, "SIGHTLINE_DASHBOARDS_MAX_CONNECTIONS", cls.max_connections)),
            header_timeout_s=_number(env, "SIGHTLINE_DASHBOARDS_HEADER_TIMEOUT_S", cls.header_timeout_s),
            body_timeout_s=_number(env, "SIGHTLINE_DASHBOARDS_BODY_TIMEOUT_S", cls.body_timeout_s),
            idle_timeout_s=_number(env, "SIGHTLINE_DASHBOARDS_IDLE_TIMEOUT_S", cls.idle_timeout_s),
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text!r}; needs a number, default {default:g}")
    return value
