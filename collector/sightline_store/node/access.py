"""Who may ask the embedded node. Pure: decided on the request's headers alone.

A page of a foreign site that is open in the user's browser can reach loopback. It can neither choose its Origin nor,
by rebinding a name of its own to 127.0.0.1, the Host header, so both are held against the addresses of this node.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sightline_store.errors import QueryRejected

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check(headers: Mapping[str, str], host: str) -> None:
    """Let a request pass, or refuse it.

    Args:
        headers: lower-case names.
        host: the address that the node listens on.

    Raises:
        QueryRejected: 403, a foreign origin or a foreign name for this host.
    """
    known = _LOOPBACK | {host}
    origin = headers.get("origin", "")
    if origin and urlsplit(origin).hostname not in known:
        raise QueryRejected(403, 497, f"Code: 497. DB::Exception: origin {origin[:200]!r} may not ask (ACCESS_DENIED)")
    if host in _LOOPBACK and (name := headers.get("host", "")) and urlsplit(f"//{name}").hostname not in known:
        raise QueryRejected(403, 497, f"Code: 497. DB::Exception: host {name[:200]!r} is not this node (ACCESS_DENIED)")
