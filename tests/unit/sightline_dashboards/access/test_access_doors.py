"""Where the dashboards may listen, which requests come through, and what a page shows to whom."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from streamlit.testing.v1 import AppTest

import sightline_dashboards
from sightline_dashboards import elements
from sightline_dashboards.__main__ import main
from sightline_dashboards.access import audit, current
from sightline_dashboards.access.errors import NotAllowed
from sightline_dashboards.access.gate import ProxyGate
from sightline_dashboards.access.rules import Identity
from sightline_dashboards.downloads import Format, Offer
from sightline_dashboards.settings import AccessSettings, DashboardSettings
from sightline_roles.settings import SettingInvalid
from sightline_store.settings import StoreSettings

_SECRET = "s" * 32
_RULES = """
[[people]]
user = "ann"
role = "editor"
[[people]]
user = "bob"
role = "viewer"
tenant = "acme"
[[people]]
user = "cid"
role = "reviewer"
content = false
"""
_KEYS = '[[keys]]\ntenant = "acme"\nkey = "of acme"\n[[keys]]\ncontent = false\nkey = "without content"\n'


def test_beyond_loopback_somebody_has_to_sign_in_or_a_setting_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names both ways out."""
    AccessSettings().check_address(DashboardSettings())
    AccessSettings(open_to_network=True).check_address(DashboardSettings(host="0.0.0.0"))
    AccessSettings(sign_in="header", access_file=Path("a"), proxy_secret=_SECRET).check_address(
        DashboardSettings(host="0.0.0.0")
    )
    monkeypatch.setenv("SIGHTLINE_DASHBOARDS_HOST", "0.0.0.0")
    with pytest.raises(SystemExit, match=r"_HOST is '0\.0\.0\.0'.*_SIGN_IN=oidc or header.*_OPEN_TO_NETWORK=true"):
        main([])


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"sign_in": "oidc"}, "ACCESS_FILE"),
        ({"sign_in": "oidc", "access_file": Path("a")}, "OIDC_METADATA_URL"),
        ({"sign_in": "header", "access_file": Path("a")}, "TRUSTED_PROXIES or SIGHTLINE_DASHBOARDS_PROXY_SECRET"),
        ({"sign_in": "header", "proxy_secret": _SECRET}, "ACCESS_FILE"),
        ({"proxy_secret": "short"}, "at least 24 characters"),
        ({"cookie_secret": "short"}, "at least 24 characters"),
        ({"trusted_proxies": ("10.0.0.300",)}, "addresses or networks"),
        ({"sign_in": "password"}, "none, oidc or header"),
    ],
)
def test_a_sign_in_that_is_not_whole_is_refused(settings: dict[str, Any], missing: str) -> None:
    """Nothing is open because a setting is missing."""
    with pytest.raises(SettingInvalid, match=missing) as refused:
        AccessSettings(**settings)
    assert "short" not in str(refused.value)


class Behind:
    """An application that counts what came through."""

    def __init__(self) -> None:
        self.came = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Count."""
        del scope, receive, send
        self.came += 1


async def _through(
    settings: AccessSettings, kind: str, client: str, *headers: tuple[str, str], path: str = "/"
) -> tuple[int, Any]:
    """How many requests came through, and what the gate answered by itself."""
    behind, sent = Behind(), []

    async def send(message: Any) -> None:
        sent.append(message)

    listed = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": kind, "path": path, "headers": listed, "client": (client, 1) if client else None}
    await ProxyGate(behind, settings)(scope, lambda: None, send)  # type: ignore[arg-type,return-value]  # not read
    return behind.came, sent[0].get("status", sent[0].get("code")) if sent else None


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_only_the_proxy_comes_through(kind: str) -> None:
    """By its address, by its secret, by both; it names one person only."""
    refused = (0, 403 if kind == "http" else 1008)
    common: dict[str, Any] = {"sign_in": "header", "access_file": Path("a")}
    listed = AccessSettings(**common, trusted_proxies=("10.1.0.0/16", "::1"))
    user, secret = ("x-forwarded-user", "ann"), ("x-sightline-proxy-secret", _SECRET)
    for client in ("10.1.2.3", "::1"):
        assert await _through(listed, kind, client, user) == (1, None)
    for client in ("10.2.0.1", "127.0.0.1", "", "somewhere"):
        assert await _through(listed, kind, client, user, ("x-forwarded-for", "10.1.2.3")) == refused
    secretive = AccessSettings(**common, proxy_secret=_SECRET)
    assert await _through(secretive, kind, "192.0.2.1", user, secret) == (1, None)
    assert await _through(secretive, kind, "127.0.0.1", user) == refused
    assert await _through(secretive, kind, "127.0.0.1", user, (secret[0], _SECRET[:-1] + "x")) == refused
    both = AccessSettings(**common, proxy_secret=_SECRET, trusted_proxies=("10.1.0.0/16",))
    assert await _through(both, kind, "10.1.0.1", user, secret) == (1, None)
    assert await _through(both, kind, "10.1.0.1", user) == refused
    assert await _through(both, kind, "10.2.0.1", user, secret) == refused
    asked = await _through(both, kind, "127.0.0.1", user, path="/_stcore/health")
    assert asked == ((1, None) if kind == "http" else refused)
    for twice in (("x-forwarded-user", "eve"), ("X-Forwarded-User", "eve")):
        assert await _through(listed, kind, "10.1.2.3", user, twice) == refused


@pytest.fixture
def signed_in(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The dashboards with sign-in by header; the test says who it is."""
    for name, text in (("access.toml", _RULES), ("keys.toml", _KEYS)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    settings = AccessSettings(
        sign_in="header",
        access_file=tmp_path / "access.toml",
        store_keys_file=tmp_path / "keys.toml",
        proxy_secret=_SECRET,
    )
    headers: dict[str, Any] = {}
    held = current.load(settings, StoreSettings(url="http://127.0.0.1:1", password="of all"))
    with patch.object(current, "policy", lambda: held), patch("streamlit.context") as context:
        context.headers = headers
        yield headers
    held.stores.close()


def test_the_proxys_header_decides_which_key_asks_the_store(signed_in: dict[str, Any]) -> None:
    """Nobody, and somebody whom no rule knows, get none."""
    asked = []
    for name in ("ann", "bob", "cid"):
        signed_in["x-forwarded-user"] = name
        asked.append((current.client().settings.password, current.client().sees_content))
    assert asked == [("of all", True), ("of acme", True), ("without content", False)]
    for name, why in (("", "nobody is signed in"), ("eve", "no rule of access is for eve")):
        signed_in["x-forwarded-user"] = name
        with pytest.raises(NotAllowed, match=why):
            current.client()


def test_groups_come_from_a_header(signed_in: dict[str, Any]) -> None:
    """With commas between, blanks around."""
    signed_in.update({"x-forwarded-user": "dan", "x-forwarded-groups": " a ,b,, "})
    assert current.signed_in(current.policy().settings) == Identity("dan", {"groups": ["a", "b"]})


def _whole() -> None:
    from sightline_dashboards import app

    app.run()


def _shown(app: AppTest) -> str:
    return "\n".join(str(getattr(each, "proto", "")) for part in (app.main, app.sidebar) for each in part)


def test_a_page_tells_who_is_signed_in_and_shows_nothing_to_others(signed_in: dict[str, Any]) -> None:
    """Another person in the same session starts with an empty one; the store is away, which the pages say."""
    app = AppTest.from_function(_whole)
    app.session_state["kept"] = "of nobody"
    app.run(timeout=60)
    assert "named nobody" in _shown(app)
    signed_in["x-forwarded-user"] = "eve"
    app.run(timeout=60)
    assert "no rule of access is for eve" in _shown(app)
    signed_in["x-forwarded-user"] = "bob"
    app.run(timeout=60)
    assert "bob: viewer, tenant acme" in _shown(app)
    assert "No store answers" in _shown(app)
    app.session_state["kept"] = "of bob"
    app.run(timeout=60)
    assert app.session_state["kept"] == "of bob"
    signed_in["x-forwarded-user"] = "cid"
    app.run(timeout=60)
    assert "kept" not in app.session_state
    assert "cid: reviewer, without prompts and answers" in _shown(app)


def test_readings_of_content_are_logged_once_a_while(
    signed_in: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Who, with which limits, which trace; nothing of who sees none, and no name can forge a line."""
    kept: dict[str, Any] = {}
    signed_in["x-forwarded-user"] = "bob"
    with caplog.at_level(logging.INFO, audit.LOG.name), patch("streamlit.session_state", kept):
        audit.content_read("trace", ["a", "b"])
        audit.content_read("trace", ["b", "c"])
        signed_in["x-forwarded-user"] = "cid"
        audit.content_read("trace", ["d"])
    who = 'content read: {"user": "bob", "role": "viewer", "tenant": "acme"} page=trace trace='
    assert [record.getMessage() for record in caplog.records] == [f"{who}{trace}" for trace in "abc"]


def test_a_file_with_content_is_one_line_of_the_log(
    signed_in: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """With its rows and what the page showed; a file without content, or of who sees none, is no reading."""
    offered = Offer([{"question": "Why?"}, {"question": "How?"}], content=True)
    address = Mock(to_dict=lambda: {"q": "error"})
    with (
        caplog.at_level(logging.INFO, audit.LOG.name),
        patch("streamlit.query_params", address),
        patch("sightline_dashboards.elements._component"),
    ):
        for user in ("bob", "cid"):
            signed_in["x-forwarded-user"] = user
            elements._hand_over(offered, Format.CSV, "traces")
            elements._hand_over(Offer(offered.rows), Format.CSV, "models")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        'content taken: {"user": "bob", "role": "viewer", "tenant": "acme"} file="traces.csv" rows=2 of={"q": "error"}'
    )


def test_nothing_that_viewers_see_is_kept_for_all_of_them() -> None:
    """Streamlit's caches are shared by all sessions: only what is the same for everybody stands in one."""
    folder = Path(sightline_dashboards.__file__).parent
    cached = {
        f"{file.relative_to(folder)}:{node.name}"
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if "st.cache" in ast.unparse(decorator)
    }
    assert cached == {"access/current.py:policy", "reviewing.py:sender", "views/sidebar.py:_saved"}
