"""The settings of a port that serves HTTP: its address, the names it is reached by, the limits of its clients."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_roles.host_check import are_host_names
from sightline_roles.settings import Settings, lower_names, setting


@dataclass(frozen=True, kw_only=True)
class PortSettings(Settings):
    """Base of the settings of every role that serves HTTP."""

    host: str = setting("{prefix}HOST", "127.0.0.1", "Address to listen on; the default is this machine only")
    allowed_hosts: tuple[str, ...] = setting(
        "{prefix}ALLOWED_HOSTS",
        (),
        "Names by which clients reach the port, beside loopback's and, where it listens beyond loopback, any plain "
        "address; `*.example.org` stands for all names below, `*` for any Host and for requests without one. A proxy "
        "in front must pass the Host on",
        read=lower_names,
        check=are_host_names,
        need="names without scheme, port and path, such as sightline.example.org, *.example.org or *",
    )
    max_connections: int = setting(
        "{prefix}MAX_CONNECTIONS",
        1024,
        "Connections open at once; for a new one beyond that, a connection that has sent no whole request head or is "
        "idle is closed; without such a one, the new connection is answered 503",
        above=0,
    )
    header_timeout_s: float = setting(
        "{prefix}HEADER_TIMEOUT_S", 10.0, "Seconds within which a request's head must come", above=0
    )
    body_timeout_s: float = setting(
        "{prefix}BODY_TIMEOUT_S",
        30.0,
        "Seconds within which at least 1 KiB of a request's body must come, and some of a waiting answer must be taken",
        above=0,
    )
    idle_timeout_s: float = setting(
        "{prefix}IDLE_TIMEOUT_S", 75.0, "Seconds that a connection may stay open between requests", above=0
    )
