"""Which requests a port takes, by the name that they were sent to and the page that made a browser send them.

A page of a foreign site can make its visitor's browser ask any address that the browser can reach. It can choose
neither Origin, Referer and Sec-Fetch-Site nor, by pointing a name of its own at this address (DNS rebinding), the Host.
An address instead of a name cannot be rebound. What is no browser sends none of the first three, and the Host that its
user wrote.

Pure: headers in, a sentence out.

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
_REMEMBERED = 64
_MAX_TOLD_CHARS = 200
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>[0-9]{1,5})?)?")
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<host>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_PATTERN = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?")


class Place(NamedTuple):
    """What a Host header names."""

    name: str
    """Lower case, without the dot at the end; an address as Python writes it."""
    port: int | None
    """None where the header has none."""


class Callers:
    """Judges who asks one port."""

    def __init__(
        self, setting: str, listens_on: str, allowed: Iterable[str] = (), *, any_name: bool = False, links: bool = False
    ) -> None:
        """Take the rules of a port.

        Bound to loopback it is asked by loopback's names and those of the setting. Bound elsewhere also by its own
        name and by any address.

        Args:
            setting: variable that holds `allowed`; refusals name it.
            listens_on: address or name that the port is bound to.
            allowed: further names, `*.example.org` for all below, `*` for any Host, also for none.
            any_name: bound elsewhere and without `allowed`, any name will do: for what asks for a key.
            links: pages elsewhere may link to pages here; what such a link opens cannot be read from there.
        """
        names = [_plain(name) for name in allowed]
        self._setting = setting
        self._names = frozenset(name for name in names if not name.startswith("*")) | {_plain(listens_on)}
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        self._is_off = "*" in names
        self._is_loopback = is_loopback(listens_on)
        self._takes_any_name = any_name and not names and not self._is_loopback
        self._takes_links = links
        self._known: dict[str, Place] = {}

    def refusal(self, headers: Mapping[str, str], may_send: Callable[[str], bool] | None = None) -> str:
        """Why a request is refused, '' for one that passes.

        Args:
            headers: lower-case names; a repeated one joined by commas, see `by_name`.
            may_send: says of an Origin whether its pages may ask, beside those of the place that was asked.
        """
        host = headers.get("host", "")
        place = self._known.get(host)
        if place is None:
            place, why = self._judged(host)
            if why:
                return why
        origin = headers.get("origin", "")
        if origin:
            if may_send is not None and may_send(origin):
                return ""
            if not _is_same_place(origin, place, with_path=False):
                return f"origin {origin[:_MAX_TOLD_CHARS]!r} may not ask"
        return self._page_refusal(headers, place)

    def _page_refusal(self, headers: Mapping[str, str], place: Place) -> str:
        site, referer = headers.get("sec-fetch-site", "").lower(), headers.get("referer", "")
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if site and site not in _SAFE_SITES and not (self._takes_links and is_link and "origin" not in headers):
            return "a page of another site may not ask"
        # Browsers tell the site only where they trust the way, so a link's Referer may be all that comes.
        if referer and not self._takes_links and not _is_same_place(referer, place, with_path=True):
            return f"referer {referer[:_MAX_TOLD_CHARS]!r} may not ask"
        return ""

    def _judged(self, host: str) -> tuple[Place, str]:
        place = parse_host(host) or Place("", None)
        if self._is_off:
            return place, ""
        if not host.strip():
            return place, f"a Host header is needed; {self._setting}=* takes requests without one"
        if not place.name or not self._is_ours(place.name):
            return place, f"host {host[:_MAX_TOLD_CHARS]!r} is not this server; its names are in {self._setting}"
        if len(self._known) < _REMEMBERED:
            self._known[host] = place
        return place, ""

    def _is_ours(self, name: str) -> bool:
        if name in self._names or is_loopback(name) or (self._below and name.endswith(self._below)):
            return True
        if self._is_loopback:
            return False
        return _address(name) is not None or self._takes_any_name


def by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """An ASGI scope's headers by their lower-case names; repeated ones are joined by commas, as RFC 9110 says."""
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    if len(found) != len(headers):
        found = {}
        for raw, value in headers:
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
            found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def parse_host(text: str) -> Place | None:
    """What a Host header names; None for what is none, such as two names, a user before an @, or a path."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = match["port"]
    if port and int(port) > 65535:
        return None
    if match["v6"] is not None:
        address = _address(match["v6"])
        return None if address is None or address.version == 4 else Place(_plain(match["v6"]), _number(port))
    name = _plain(match["name"])
    return Place(name, _number(port)) if all(name.split(".")) else None


def is_loopback(name: str) -> bool:
    """Whether a name or address, bare or in brackets, is this machine's and nobody else's."""
    if name.lower().removesuffix(".") == _LOOPBACK_NAME:
        return True
    address = _address(name)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address is not None and address.is_loopback


def read_names(setting: str, text: str) -> tuple[str, ...]:
    """The names of a setting, comma separated, in lower case.

    Raises:
        ValueError: one is no name; it names the setting.
    """
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    check_names(setting, names)
    return names


def check_names(setting: str, names: Iterable[str]) -> None:
    """Refuse what no Host header can name.

    Raises:
        ValueError: one is no name; it names the setting.
    """
    for name in names:
        if not _PATTERN.fullmatch(name) or (":" in name and _address(name) is None):
            raise ValueError(
                f"{setting} holds {name!r}; needs names without scheme, port and path, such as sightline.example.org, "
                "*.example.org or *"
            )


def _is_same_place(url: str, asked: Place, *, with_path: bool) -> bool:
    """Whether an Origin or a Referer is of the place that was asked: a proxy may end its TLS, so either scheme will."""
    match = _URL.fullmatch(url)
    if match is None or (match["rest"] and not with_path):
        return False
    scheme = match["scheme"].lower()
    place = parse_host(match["host"])
    if scheme not in _DEFAULT_PORTS or place is None or place.name != asked.name:
        return False
    usual = _DEFAULT_PORTS[scheme]
    return (usual if place.port is None else place.port) == (usual if asked.port is None else asked.port)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return None


def _plain(name: str) -> str:
    """A name as names are compared."""
    address = _address(name)
    return name.lower().removesuffix(".") if address is None else str(address)


def _number(port: str | None) -> int | None:
    return int(port) if port else None
