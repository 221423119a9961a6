"""Decides by Host, Origin, Referer and Sec-Fetch-Site whether a port takes a request.

A page of a foreign site can make its visitor's browser send requests to any address that the browser can reach. The
browser then sets Origin, Referer and Sec-Fetch-Site; the page cannot change them. With DNS rebinding, where a foreign
name points at this server's address, the Host header still holds the foreign name; an address instead of a name cannot
be rebound. Other clients send none of the first three headers, and the Host that their user wrote.

Pure functions: headers in, the reason of a refusal out.

Source: https://fetch.spec.whatwg.org/#origin-header, https://www.rfc-editor.org/rfc/rfc9110#name-host-and-authority
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

_LOOPBACK_NAME = "localhost"
_SAFE_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_KNOWN_HOSTS = 64
_MAX_SHOWN_CHARS = 200
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>[0-9]{1,5})?)?")
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<host>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_PATTERN = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?")


class HostPort(NamedTuple):
    """The name and the port in a Host header."""

    name: str
    """Lower case, without the dot at the end; an address as Python writes it."""
    port: int | None
    """None if the header has no port."""


class HostCheck:
    """Decides for one port which requests it takes."""

    def __init__(
        self, setting: str, listens_on: str, allowed: Iterable[str] = (), *, any_name: bool = False, links: bool = False
    ) -> None:
        """Set the rules of a port.

        A port on loopback takes loopback's names and those of the setting; any other port also takes its own name and
        any address.

        Args:
            setting: variable that holds `allowed`; refusals name it.
            listens_on: address or name that the port is bound to.
            allowed: further names, `*.example.org` for all below, `*` for any Host, also for none.
            any_name: beyond loopback and without `allowed`, any name is taken: for a port that needs a key.
            links: foreign pages may link to pages here; they cannot read what such a link opens.
        """
        names = [_plain(name) for name in allowed]
        self._setting = setting
        self._names = frozenset(name for name in names if not name.startswith("*")) | {_plain(listens_on)}
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        self._is_off = "*" in names
        self._is_loopback = is_loopback(listens_on)
        self._allows_any_name = any_name and not names and not self._is_loopback
        self._allows_links = links
        self._known: dict[str, HostPort] = {}

    def refusal(self, headers: Mapping[str, str], may_send: Callable[[str], bool] | None = None) -> str:
        """The reason to refuse a request; '' if it passes.

        Args:
            headers: lower-case names; a repeated one joined by commas, see `headers_by_name`.
            may_send: whether the pages of a foreign Origin may send; this server's own always may.
        """
        host = headers.get("host", "")
        asked = self._known.get(host)
        if asked is None:
            asked, why = self._check_host(host)
            if why:
                return why
        origin = headers.get("origin", "")
        if origin:
            if may_send is not None and may_send(origin):
                return ""
            if not _is_same_origin(origin, asked, with_path=False):
                return f"origin {origin[:_MAX_SHOWN_CHARS]!r} may not ask"
        return self._page_refusal(headers, asked)

    def _page_refusal(self, headers: Mapping[str, str], asked: HostPort) -> str:
        site, referer = headers.get("sec-fetch-site", "").lower(), headers.get("referer", "")
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if site and site not in _SAFE_SITES and not (self._allows_links and is_link and "origin" not in headers):
            return "a page of another site may not ask"
        # Browsers send Sec-Fetch-Site only over TLS and to loopback, so a link may bring a Referer alone.
        if referer and not self._allows_links and not _is_same_origin(referer, asked, with_path=True):
            return f"referer {referer[:_MAX_SHOWN_CHARS]!r} may not ask"
        return ""

    def _check_host(self, host: str) -> tuple[HostPort, str]:
        asked = parse_host(host) or HostPort("", None)
        if self._is_off:
            return asked, ""
        if not host.strip():
            return asked, f"a Host header is needed; {self._setting}=* takes requests without one"
        if not asked.name or not self._is_ours(asked.name):
            return asked, f"host {host[:_MAX_SHOWN_CHARS]!r} is not this server; its names are in {self._setting}"
        if len(self._known) < _MAX_KNOWN_HOSTS:
            self._known[host] = asked
        return asked, ""

    def _is_ours(self, name: str) -> bool:
        if name in self._names or is_loopback(name) or (self._below and name.endswith(self._below)):
            return True
        if self._is_loopback:
            return False
        return _address(name) is not None or self._allows_any_name


def headers_by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of an ASGI scope by lower-case name; repeated headers are joined by commas, as in RFC 9110."""
    values = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    if len(values) != len(headers):
        values = {}
        for raw, value in headers:
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
            values[name] = f"{values[name]}, {text}" if name in values else text
    return values


def parse_host(text: str) -> HostPort | None:
    """Parse a Host header; None if it is invalid, for example two names, a user before an @, or a path."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = match["port"]
    if port and int(port) > 65535:
        return None
    if match["v6"] is not None:
        address = _address(match["v6"])
        return None if address is None or address.version == 4 else HostPort(_plain(match["v6"]), _number(port))
    name = _plain(match["name"])
    return HostPort(name, _number(port)) if all(name.split(".")) else None


def is_loopback(name: str) -> bool:
    """Whether a name or an address, with or without brackets, is a loopback one."""
    if name.lower().removesuffix(".") == _LOOPBACK_NAME:
        return True
    address = _address(name)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address is not None and address.is_loopback


def are_host_names(names: Iterable[str]) -> bool:
    """Whether each is a name or an address that a Host header can hold, `*.` before a name, or `*`."""
    return all(_PATTERN.fullmatch(name) and (":" not in name or _address(name) is not None) for name in names)


def _is_same_origin(url: str, asked: HostPort, *, with_path: bool) -> bool:
    """Whether an Origin or a Referer is this server's; http and https both are, because a proxy may end TLS."""
    match = _URL.fullmatch(url)
    if match is None or (match["rest"] and not with_path):
        return False
    scheme = match["scheme"].lower()
    named = parse_host(match["host"])
    if scheme not in _DEFAULT_PORTS or named is None or named.name != asked.name:
        return False
    usual = _DEFAULT_PORTS[scheme]
    return (usual if named.port is None else named.port) == (usual if asked.port is None else asked.port)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return None


def _plain(name: str) -> str:
    """A name in the form in which names are compared."""
    address = _address(name)
    return name.lower().removesuffix(".") if address is None else str(address)


def _number(port: str | None) -> int | None:
    return int(port) if port else None
