"""Signing in to the dashboards in a real browser, at a real provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser import Browser
from oidc_provider import CLIENT_ID, CLIENT_SECRET, provider
from role_process import free_port

_RULES = """
[[people]]
user = "ann@example.org"
role = "reviewer"
tenant = "acme"
"""


def _press(browser: Browser, label: str) -> None:
    found = f"[...document.querySelectorAll('button')].find((e) => e.innerText.trim() === {label!r})"
    browser.until(f"const found = {found}; found?.click(); return found;", label)


def test_people_sign_in_at_a_provider_and_see_what_is_theirs(
    roles: Callable[..., Any], tmp_path: Path, browser: Browser
) -> None:
    """Nobody sees a page before; who has no rule is told so; who has one sees pages with its limits, and signs out."""
    rules, port = tmp_path / "access.toml", free_port()
    rules.write_text(_RULES)
    rules.chmod(0o600)
    url = f"http://localhost:{port}"
    with provider() as people:
        env = {
            "SIGHTLINE_DASHBOARDS_PORT": str(port),
            "SIGHTLINE_DASHBOARDS_SIGN_IN": "oidc",
            "SIGHTLINE_DASHBOARDS_ACCESS_FILE": str(rules),
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
