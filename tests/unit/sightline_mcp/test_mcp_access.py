"""Who may ask over HTTP: settings, keys, the gate, and the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sightline_mcp.__main__ import main
from sightline_mcp.errors import KeysUnusable
from sightline_mcp.key_gate import HEALTH, TENANT, KeyGate
from sightline_mcp.keys import KeyRing
from sightline_mcp.settings import McpSettings


class Behind:
    """An application that remembers what came through."""

    def __init__(self) -> None:
        self.tenants: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Remember the tenant of a request."""
        del receive, send
        self.tenants.append(scope.get(TENANT))


async def _through(gate: KeyGate, path: str = "/mcp", **headers: str) -> list[int]:
    """Send a request to a gate; the status of what it answered by itself."""
    sent: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await gate({"type": "http", "path": path, "headers": listed}, lambda: None, send)  # type: ignore[arg-type,return-value]  # nothing is read
    return sent


async def test_a_key_says_which_tenant_is_read(tmp_path: Path) -> None:
    """Its own, else the setting's; in either header; without a valid key nothing comes through but the health check."""
    ring, behind = KeyRing(tmp_path / "keys.json"), Behind()
    of_acme, of_all = ring.create("one", "acme"), ring.create("two")
    gate = KeyGate(behind, ring, "globex")
    assert await _through(gate, authorization=f"Bearer {of_acme}") == []
    assert await _through(gate, x_api_key=of_all) == []
    assert behind.tenants == ["acme", "globex"]
    assert await _through(gate) == [401]
    assert await _through(gate, authorization=f"Basic {of_acme}") == [401]
    assert await _through(gate, x_api_key=f"{of_acme[:-1]}_") == [401]
    ring.revoke(of_acme.split("_")[1])
    assert await _through(gate, x_api_key=of_acme) == [401]
    assert behind.tenants == ["acme", "globex"]
    assert await _through(gate, HEALTH) == []


async def test_without_a_file_of_keys_everybody_reads_what_the_setting_says() -> None:
    """That is for loopback only; an empty file of keys lets nobody in."""
    behind = Behind()
    assert await _through(KeyGate(behind, None, "acme"), x_api_key="anything") == []
    assert behind.tenants == ["acme"]


async def test_a_file_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    """Also one that is not there yet."""
    assert await _through(KeyGate(Behind(), KeyRing(tmp_path / "none.json"), "")) == [401]


def test_beyond_loopback_keys_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says which setting is missing and starts nothing."""
    monkeypatch.setenv("SIGHTLINE_MCP_HOST", "0.0.0.0")
    with pytest.raises(SystemExit, match=r"SIGHTLINE_MCP_HOST is '0\.0\.0\.0'; needs SIGHTLINE_MCP_KEYS_FILE"):
        main(["--http"])
    McpSettings(host="0.0.0.0", keys_file=Path("keys.json")).check_http()
    McpSettings().check_http()


def test_keys_are_created_listed_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key alone is on standard output, once; the list shows no secret; a revoked key finds nothing."""
    path = tmp_path / "keys.json"
    monkeypatch.setenv("SIGHTLINE_MCP_KEYS_FILE", str(path))
    main(["keys", "create", "--name", "bob", "--tenant", "acme"])
    token = capsys.readouterr().out.strip()
    key = KeyRing(path).find(token)
    assert key is not None
    assert (key.name, key.tenant) == ("bob", "acme")
    main(["keys", "list"])
    listed = capsys.readouterr().out
    assert "acme" in listed
    assert key.digest not in listed
    main(["keys", "revoke", key.id])
    assert KeyRing(path).find(token) is None


def test_keys_need_a_file_and_a_tenant_that_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting, or what is wrong with the value."""
    with pytest.raises(SystemExit, match="set SIGHTLINE_MCP_KEYS_FILE"):
        main(["keys", "list"])
    monkeypatch.setenv("SIGHTLINE_MCP_KEYS_FILE", str(tmp_path / "keys.json"))
    with pytest.raises(SystemExit, match="tenant needs 1 to 128 printable characters"):
        main(["keys", "create", "--name", "bob", "--tenant", " "])
    with pytest.raises(KeysUnusable, match="holds no key"):
        KeyRing(tmp_path / "keys.json").revoke("12345678")
