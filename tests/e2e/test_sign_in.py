"""Signing in to the dashboards in a real browser: at a provider, and by a proxy in front that names people."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from keyed_store import filled_store
from naming_proxy import naming_proxy
from oidc_provider import CLIENT_ID, CLIENT_SECRET, provider
from role_process import free_port

_RULES = """
[[people]]
user = "ann@example.org"
role = "reviewer"
tenant = "acme"
"""

_PROXY_SECRET = "known to the proxy and the dashboards"
_RULES_BY_GROUP = """
[[people]]
user = "ann@example.org"
role = "viewer"

[[people]]
claim = "groups"
value = "support"
role = "viewer"
content = false
"""


def _private(file: Path, text: str) -> str:
    """A file that only its owner reads; returns its path."""
    file.write_text(text)
    file.chmod(0o600)
    return str(file)


def _press(browser: Browser, label: str) -> None:
    found = f"[...document.querySelectorAll('button')].find((e) => e.innerText.trim() === {label!r})"
    browser.until(f"const found = {found}; found?.click(); return found;", label)


def test_people_sign_in_at_a_provider_and_see_what_is_theirs(
    roles: Callable[..., Any], tmp_path: Path, browser: Browser
) -> None:
    """Nobody sees a page before; who has no rule is told so; who has one sees pages with its limits, and signs out."""
    rules, port = _private(tmp_path / "access.toml", _RULES), free_port()
    url = f"http://localhost:{port}"
    with provider() as people:
        env = {
            "SIGHTLINE_DASHBOARDS_PORT": str(port),
            "SIGHTLINE_DASHBOARDS_SIGN_IN": "oidc",
            "SIGHTLINE_DASHBOARDS_ACCESS_FILE": rules,
            "SIGHTLINE_DASHBOARDS_OIDC_METADATA_URL": people.metadata_url,
            "SIGHTLINE_DASHBOARDS_OIDC_CLIENT_ID": CLIENT_ID,
            "SIGHTLINE_DASHBOARDS_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "SIGHTLINE_STORE_URL": f"http://127.0.0.1:{free_port()}",
        }
        role = roles("sightline-dashboards", env=env, health_url=f"http://127.0.0.1:{port}/_stcore/health")
        people.claims = {"email": "bob@example.org", "email_verified": True}
        browser.driver.get(f"{url}/cost?tenant=acme")
        assert "Overview" not in browser.text("Sign in")
        _press(browser, "Sign in")
        told = browser.text("no rule of access is for bob@example.org")
        assert "Overview" not in told
        assert people.redirects == [f"{url}/oauth2callback"]

        people.claims = {"email": "Ann@example.org", "email_verified": True}
        _press(browser, "Sign out")
        _press(browser, "Sign in")
        told = browser.text("Ann@example.org: reviewer, tenant acme")
        assert "Overview" in told
        browser.text("SIGHTLINE_STORE_KEYS_FILE has no key of the store for tenant 'acme'")
        cookies = {cookie["name"]: cookie for cookie in browser.driver.get_cookies()}
        assert cookies["_streamlit_user"]["httpOnly"]
    assert CLIENT_SECRET not in role.log.read_text()
    assert role.stop() == 0


def test_a_proxy_names_people_who_see_what_is_theirs(
    roles: Callable[..., Any], tmp_path: Path, browser: Browser
) -> None:
    """Who comes past the proxy is refused, whom it does not name sees no page, and no text without the right to it."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with filled_store(tmp_path / "store") as store, naming_proxy(url) as proxy:
        key = store.limited_key(content=False)
        env = {
            "SIGHTLINE_DASHBOARDS_PORT": str(port),
            "SIGHTLINE_DASHBOARDS_SIGN_IN": "header",
            "SIGHTLINE_DASHBOARDS_PROXY_SECRET": _PROXY_SECRET,
            "SIGHTLINE_DASHBOARDS_ACCESS_FILE": _private(tmp_path / "access.toml", _RULES_BY_GROUP),
            "SIGHTLINE_STORE_KEYS_FILE": _private(
                tmp_path / "keys.toml", f'[[keys]]\ncontent = false\nkey = "{key}"\n'
            ),
            "SIGHTLINE_STORE_URL": store.url,
            "SIGHTLINE_STORE_PASSWORD": store.reader_key,
        }
        role = roles("sightline-dashboards", env=env, health_url=f"{url}/_stcore/health")
        named = urllib.request.Request(f"{url}/trace", headers={"x-forwarded-user": "ann@example.org"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(named, timeout=30)

        spans = next(spans for spans in (trace.spans for trace in store.traces) if _question(spans) and len(spans) > 7)
        page, question = f"{proxy.url}/trace?trace={spans[0]['TraceId']}", _question(spans)
        secret = {"x-sightline-proxy-secret": _PROXY_SECRET}
        proxy.headers = {**secret, "x-forwarded-user": "", "x-forwarded-groups": ""}
        browser.driver.get(page)
        assert "Overview" not in browser.text("The proxy in front of the dashboards named nobody.")

        proxy.headers = {**secret, "x-forwarded-user": "bob@example.org", "x-forwarded-groups": "staff, support"}
        browser.driver.get(page)
        told = browser.text("What was asked and answered is hidden")
        assert "bob@example.org: viewer, without prompts and answers" in told
        assert question not in browser.text("The request as the user sees it")

        proxy.headers = {**secret, "x-forwarded-user": "ann@example.org", "x-forwarded-groups": ""}
        browser.driver.get(page)
        assert "ann@example.org: viewer" in browser.text(question)
    assert _PROXY_SECRET not in role.log.read_text()


def _question(spans: list[dict[str, Any]]) -> str:
    """What was asked in a trace; '' where that was not captured."""
    return next((found for span in spans if (found := span["SpanAttributes"].get("sightline.input"))), "")
