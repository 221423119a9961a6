"""Who may ask a port: by the name that was asked for, and by the page that made a browser ask."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_roles.host_check import HostCheck, are_host_names, headers_by_name, is_loopback, parse_host

HERE = "127.0.0.1:8501"
_SETTING = "SIGHTLINE_X_ALLOWED_HOSTS"


def _callers(listens_on: str = "127.0.0.1", *allowed: str, any_name: bool = False, links: bool = False) -> HostCheck:
    return HostCheck(_SETTING, listens_on, allowed, any_name=any_name, links=links)


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("localhost", "localhost", None),
        ("LocalHost:8501", "localhost", 8501),
        ("localhost.:8501", "localhost", 8501),
        ("localhost:", "localhost", None),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]", "::1", None),
        ("[0:0:0:0:0:0:0:1]:80", "::1", 80),
        ("[2001:DB8::1]:80", "2001:db8::1", 80),
        ("a_b.example-1.org", "a_b.example-1.org", None),
    ],
)
def test_host_is_read(host: str, name: str, port: int | None) -> None:
    """Letter case, the dot at the end and the way an address is written do not matter."""
    assert parse_host(host) == (name, port)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        ".",
        "..",
        "localhost..",
        ".localhost",
        "localhost:80:80",
        "localhost:65536",
        "localhost:-1",
        "localhost:8a",
        "localhost:\u0661",
        "user@localhost",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "user:pass@localhost",
        "localhost/evil.example",
        "localhost?x",
        "localhost#x",
        "localhost\\evil.example",
        "http://localhost",
        "localhost, evil.example",
        "localhost,localhost",
        "localhost evil.example",
        "localhost\tevil",
        "localhost\n",
        " localhost",
        "localhost ",
        "l\u00f6calhost",
        "\uff4cocalhost",
        "localhos\u212a",
        "localhost%00",
        "%6cocalhost",
        "[::1",
        "::1]",
        "::1",
        "[::1]x",
        "[localhost]",
        "[127.0.0.1]",
        "[fe80::1%25eth0]",
        "[]",
        "a" * 300,
    ],
)
def test_what_names_no_host_is_refused_everywhere(host: str) -> None:
    """Users, paths, several names, spaces, other scripts and broken addresses pass nowhere, whatever is listed."""
    assert parse_host(host) is None
    for callers in (_callers(), _callers("0.0.0.0"), _callers("0.0.0.0", any_name=True), _callers("::", "localhost")):
        assert _SETTING in callers.refusal({"host": host})


_EVIL = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.localhost",
    "localhostx",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.1.nip.io",
)


@pytest.mark.parametrize("name", _EVIL)
def test_foreign_names_are_refused_under_any_case_port_and_dot(name: str) -> None:
    """A name that could have been pointed here passes neither on loopback nor, unlisted, for a page elsewhere."""
    for host in (name, name.upper(), f"{name}.", f"{name}:8501", f"{name}.:80"):
        for callers in (_callers(), _callers("0.0.0.0"), _callers("10.0.0.5", "sightline.example.org")):
            assert "is not this server" in callers.refusal({"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.3", "[::1]", "[::ffff:127.0.0.1]", "LOCALHOST."])
def test_loopback_passes_everywhere(host: str) -> None:
    """Who is on this machine asks by loopback's names, whatever the server is bound to."""
    for listens_on in ("127.0.0.1", "127.0.0.2", "localhost", "::1", "0.0.0.0", "::", "10.0.0.5", "store.internal"):
        assert _callers(listens_on).refusal({"host": host}) == ""
        assert _callers(listens_on, "proxy.internal").refusal({"host": f"{host}:8123"}) == ""


@pytest.mark.parametrize("address", ["192.0.2.1", "0.0.0.0", "[2001:db8::1]", "[::]", "[::ffff:192.0.2.1]"])
def test_addresses_pass_where_others_can_reach_the_server(address: str) -> None:
    """An address cannot be rebound; on loopback only loopback's are asked for in earnest, or listed."""
    for port in ("", ":8501"):
        assert _SETTING in _callers().refusal({"host": address + port})
        assert _callers("127.0.0.1", address).refusal({"host": address + port}) == ""
        assert _callers("0.0.0.0").refusal({"host": address + port}) == ""
        assert _callers("0.0.0.0", "sightline.example.org").refusal({"host": address + port}) == ""


def test_names_of_the_setting_and_of_the_server_pass() -> None:
    """Listed names, all below a listed one, and the name that the server is bound to; a key's port takes any."""
    callers = _callers("store.internal", "Sightline.Example.Org", "*.below.example")
    for host in ("sightline.example.org:1", "SIGHTLINE.example.org.", "a.b.below.example", "store.internal:8123"):
        assert callers.refusal({"host": host}) == ""
    for host in ("below.example", "notbelow.example", "x.example.org", "evil.example"):
        assert _SETTING in callers.refusal({"host": host})
    assert _callers("0.0.0.0", any_name=True).refusal({"host": "any.example"}) == ""
    assert _SETTING in _callers("0.0.0.0", "store.example", any_name=True).refusal({"host": "any.example"})
    assert _SETTING in _callers("127.0.0.1", any_name=True).refusal({"host": "any.example"})


def test_no_host_is_refused_but_where_any_will_do() -> None:
    """A request of HTTP/1.0 without a name tells nothing of who asks; `*` turns the check off."""
    for callers in (_callers(), _callers("0.0.0.0"), _callers("0.0.0.0", any_name=True)):
        for headers in ({}, {"host": ""}, {"host": " "}, {"origin": f"http://{HERE}"}):
            assert f"{_SETTING}=* takes" in callers.refusal(headers)
    assert _callers("127.0.0.1", "*").refusal({}) == ""
    assert _callers("127.0.0.1", "*").refusal({"host": "evil.example"}) == ""
    assert "origin" in _callers("127.0.0.1", "*").refusal({"host": "evil.example", "origin": "http://other.example"})


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        (HERE, f"http://{HERE}", True),
        (HERE, f"https://{HERE}", True),
        (HERE, f"HTTP://{HERE}", True),
        ("LOCALHOST:8501", "http://localhost:8501", True),
        ("localhost", "http://localhost", True),
        ("localhost", "https://localhost:443", True),
        ("localhost:443", "https://localhost", True),
        ("localhost:80", "https://localhost", False),
        ("[::1]:8501", "http://[::1]:8501", True),
        (HERE, "http://localhost:8501", False),
        (HERE, "http://127.0.0.1:3000", False),
        (HERE, "http://127.0.0.1", False),
        (HERE, "http://127.0.0.1:8501.evil.example", False),
        (HERE, f"http://evil@{HERE}", False),
        (HERE, f"http://{HERE}/", False),
        (HERE, f"http://{HERE} ", False),
        (HERE, f"http://{HERE}, http://evil.example", False),
        (HERE, f"ws://{HERE}", False),
        (HERE, f"file://{HERE}", False),
        (HERE, HERE, False),
        (HERE, "null", False),
        (HERE, "http://", False),
        (HERE, "http://[broken", False),
        (HERE, "https://evil.example", False),
    ],
)
def test_origin_must_be_the_place_that_was_asked(host: str, origin: str, passes: bool) -> None:
    """Neither another site nor another port of this machine; the scheme may differ, for a proxy may end TLS."""
    for callers in (_callers(), _callers(links=True), _callers("0.0.0.0")):
        assert (callers.refusal({"host": host, "origin": origin}) == "") is passes
    assert _callers().refusal({"host": host, "origin": origin}, lambda asked: asked == origin) == ""
    assert _SETTING in _callers().refusal({"host": "evil.example", "origin": origin}, lambda _: True)


def test_links_from_elsewhere_open_pages_and_nothing_else() -> None:
    """Where links are taken, a page may be gone to from elsewhere; frames, images, scripts and fetches may not come."""
    link = {"host": HERE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    referred = {"host": HERE, "referer": "https://chat.example/"}
    assert _callers(links=True).refusal(link) == ""
    assert _callers(links=True).refusal(referred) == ""
    assert _callers().refusal(link)
    assert "referer" in _callers().refusal(referred)
    for changed in ({"sec-fetch-dest": "iframe"}, {"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}):
        assert _callers(links=True).refusal(link | changed)
    assert _callers(links=True).refusal(link | {"origin": "https://evil.example"})
    assert _callers(links=True).refusal({"host": HERE, "sec-fetch-site": "same-site"})
    assert (
        _callers().refusal({"host": HERE, "referer": f"http://{HERE}/play?x=1", "sec-fetch-site": "same-origin"}) == ""
    )


def test_repeated_headers_are_one_that_passes_nowhere() -> None:
    """Of two Host headers neither is believed."""
    headers = headers_by_name(
        [(b"Host", b"localhost"), (b"accept", b"a"), (b"host", b"evil.example"), (b"Accept", b"b")]
    )
    assert headers == {"host": "localhost, evil.example", "accept": "a, b"}
    assert _SETTING in _callers().refusal(headers)
    assert headers_by_name([(b"HOST", b"localhost"), (b"x", b"\xff")]) == {"host": "localhost", "x": "\xff"}


def test_only_what_a_host_header_can_name_may_be_allowed() -> None:
    """Names, addresses and patterns pass; schemes, ports, paths and other wildcards do not."""
    assert are_host_names(("a.example", "*.b.example", "10.0.0.5", "[::1]", "2001:db8::1", "*"))
    assert are_host_names(())
    for wrong in ("https://a.example", "a.example:80", "a.*.example", "*example", "**", "a/b", "a@b", "\u00e4.example"):
        assert not are_host_names(("a.example", wrong))


_LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)


@given(st.lists(_LABEL, min_size=1, max_size=4).map(".".join), st.sampled_from(["", ".", ":80", ".:8501"]))
def test_no_name_passes_by_chance(name: str, end: str) -> None:
    """Of all names only loopback's pass on loopback, and only those and addresses elsewhere."""
    is_address = all(part.isdecimal() and str(int(part)) == part and int(part) < 256 for part in name.split("."))
    is_address = is_address and name.count(".") == 3
    assert (_callers().refusal({"host": name + end}) == "") is is_loopback(name)
    assert (_callers("0.0.0.0").refusal({"host": name + end}) == "") is (is_address or is_loopback(name))


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_that_a_client_sends_breaks_the_check(host: str, origin: str) -> None:
    """Whatever the headers hold, the answer is a sentence or none; a foreign Origin never passes."""
    for callers in (_callers(), _callers("0.0.0.0", links=True), _callers("0.0.0.0", "*", any_name=True)):
        why = callers.refusal({"host": host, "origin": origin, "referer": origin, "sec-fetch-site": "none"})
        assert why or not origin or origin.lower().endswith(host.lower())
