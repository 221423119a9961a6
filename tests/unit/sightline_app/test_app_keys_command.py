"""`sightline-app keys`, and what the log may say of Redis's address."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline_app.__main__ import main
from sightline_app.errors import InvalidSetting
from sightline_app.limits.api_keys import KeyRing
from sightline_app.settings import StateSettings
from sightline_app.state.redis_link import RedisLink


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "folder" / "keys"
    monkeypatch.setenv("SIGHTLINE_APP_KEYS_FILE", str(path))
    return path


def test_keys_are_created_listed_and_revoked(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key alone is on standard output, once; the list shows limits and no secret; a revoked key finds nothing."""
    command = ["keys", "create", "--name", "web", "--tenant", "acme", "--role", "service", "--tokens-per-day", "500"]
    assert main(command) == 0
    token = capsys.readouterr().out.strip()
    key = KeyRing(path).find(token)
    assert key is not None
    assert (key.tenant, key.role, key.tokens_per_day, key.tokens_per_month) == ("acme", "service", 500, None)
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key.id in listed
    assert "500" in listed
    assert key.digest not in listed
    assert main(["keys", "revoke", key.id]) == 0
    assert KeyRing(path).find(token) is None


def test_keys_need_a_file_and_values_that_can_be(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 and the setting's name; nothing is written."""
    assert main(["keys", "create", "--name", "web", "--tenant", "acme", "--tokens-per-day", "-1"]) == 2
    assert not path.exists()
    monkeypatch.delenv("SIGHTLINE_APP_KEYS_FILE")
    assert main(["keys", "list"]) == 2
    assert "SIGHTLINE_APP_KEYS_FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:s3cret@example.org:7000/2", "redis://example.org:7000/2"),
        ("rediss://:s3cret@example.org", "rediss://example.org:6379"),
        ("unix:///run/redis.sock?password=s3cret", "unix:///run/redis.sock"),
    ],
)
def test_password_of_redis_is_never_shown(url: str, shown: str) -> None:
    """What logs and errors say of the address has neither user nor password."""
    assert RedisLink(url, StateSettings()).shown_url == shown


def test_address_that_is_none_of_redis_names_the_setting() -> None:
    """The app does not start with it, and its password is not in the message."""
    with pytest.raises(InvalidSetting, match="REDIS_URL") as caught:
        RedisLink("http://:s3cret@example.org", StateSettings())
    assert "s3cret" not in str(caught.value)
