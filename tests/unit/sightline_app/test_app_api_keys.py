"""Who may ask: keys, tenants and roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sightline_app.errors import InvalidSetting, KeysUnusable, RequestRefused
from sightline_app.limits.access import Access
from sightline_app.limits.api_keys import SERVICE, KeyRing
from sightline_app.settings import AppSettings, LimitSettings


def app(keys_file: Path | None, host: str = "127.0.0.1", **limits: Any) -> AppSettings:
    """Settings with a file of keys."""
    return AppSettings(host=host, limits=LimitSettings(keys_file=keys_file, **limits))


def refusal(access: Access, **headers: str) -> tuple[int, str]:
    """Status and kind of a refusal."""
    with pytest.raises(RequestRefused) as refused:
        access.caller({name.replace("_", "-"): value for name, value in headers.items()})
    assert refused.value.status != 401 or refused.value.headers["www-authenticate"].startswith("Bearer")
    return refused.value.status, refused.value.kind


def test_open_app_believes_its_callers() -> None:
    """Without a file of keys, on loopback, tenant and user are what the request says; limits are the settings'."""
    caller = Access(app(None, tokens_per_day=5)).caller({"x-tenant-id": "acme", "x-user-id": "u1"})
    assert (caller.tenant, caller.user, caller.owner) == ("acme", "u1", "tenant acme")
    assert caller.limits.tokens_per_day == 5
    assert Access(app(None)).caller({}).reads_as == "public"


def test_app_beyond_loopback_needs_keys_or_a_word_of_its_operator() -> None:
    """It does not start open to a network by mistake."""
    with pytest.raises(InvalidSetting, match="SIGHTLINE_APP_KEYS_FILE"):
        Access(app(None, host="0.0.0.0"))
    assert Access(app(None, host="0.0.0.0", allow_open=True)).is_open


def test_member_key_says_the_tenant(tmp_path: Path) -> None:
    """Either header takes the key; the tenant is the key's, and another one is forbidden."""
    token = KeyRing(tmp_path / "keys").create("web", "acme", tokens_per_day=7)
    access = Access(app(tmp_path / "keys", tokens_per_day=5, tokens_per_month=50))
    for headers in ({"authorization": f"Bearer {token}"}, {"x-api-key": token}):
        caller = access.caller(headers)
        assert (caller.tenant, caller.role) == ("acme", "member")
        assert caller.owner == f"key {caller.key_id}"
        assert (caller.limits.tokens_per_day, caller.limits.tokens_per_month) == (7, 50)
    assert refusal(access, x_api_key=token, x_tenant_id="globex") == (403, "tenant_forbidden")


def test_service_key_names_the_tenant_of_each_request(tmp_path: Path) -> None:
    """A backend asks for several tenants; without a name, for its own."""
    token = KeyRing(tmp_path / "keys").create("gateway", "own", role=SERVICE)
    access = Access(app(tmp_path / "keys"))
    assert access.caller({"x-api-key": token, "x-tenant-id": "globex"}).tenant == "globex"
    assert access.caller({"x-api-key": token}).tenant == "own"


def test_nobody_passes_without_a_valid_key(tmp_path: Path) -> None:
    """No key, a wrong one, a revoked one, one with a changed letter: each is a 401 that repeats nothing."""
    ring = KeyRing(tmp_path / "keys")
    token = ring.create("web", "acme")
    access = Access(app(tmp_path / "keys"))
    assert refusal(access) == (401, "api_key_missing")
    for wrong in ("x", token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A", "sla_" + "0" * 8 + token[12:]):
        assert refusal(access, x_api_key=wrong) == (401, "api_key_invalid")
    ring.revoke(token.split("_")[1])
    assert refusal(Access(app(tmp_path / "keys")), x_api_key=token) == (401, "api_key_invalid")


def test_file_of_keys_that_is_missing_lets_nobody_in(tmp_path: Path) -> None:
    """Whoever sets the file wants keys: an empty or missing one closes, it never opens."""
    assert refusal(Access(app(tmp_path / "none"))) == (401, "api_key_missing")


def test_file_holds_no_key_and_only_its_owner_may_write_it(tmp_path: Path) -> None:
    """Hashes alone are kept; a file that others may write is refused."""
    path = tmp_path / "keys"
    token = KeyRing(path).create("web", "acme")
    assert token not in path.read_text()
    assert token.split("_")[2] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o666)
    with pytest.raises(KeysUnusable, match="others may write"):
        Access(app(path))


@pytest.mark.parametrize("fields", [{"role": "root"}, {"tokens_per_day": -1}, {"tenant": ""}, {"tokens_per_day": True}])
def test_key_that_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    """A wrong role, limit or tenant makes no key."""
    with pytest.raises(ValueError, match="needs"):
        KeyRing(tmp_path / "keys").create(**{"name": "web", "tenant": "acme", **fields})


def test_ids_that_cannot_be_are_refused() -> None:
    """A tenant or a user is never cut to fit."""
    access = Access(app(None))
    assert refusal(access, x_tenant_id="x" * 201) == (400, "invalid_tenant")
    assert refusal(access, x_user_id="a\x00b") == (400, "invalid_user")
