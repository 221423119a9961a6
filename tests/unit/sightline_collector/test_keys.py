"""API keys: shown once, kept hashed, followed by a running collector."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_collector.errors import KeysUnusable
from sightline_collector.receiver import keys
from sightline_collector.receiver.keys import KeyRing


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keys go; the folder is not there yet."""
    return tmp_path / "new" / "keys.json"


def _run(path: Path, *argv: str) -> None:
    parser = argparse.ArgumentParser()
    keys.add_parser(parser.add_subparsers(dest="command", required=True))
    keys.run(parser.parse_args(["keys", *argv]), path)


def test_key_opens_and_its_secret_is_nowhere(path: Path) -> None:
    """The token finds its key; the file holds its hash, is the owner's alone, and leaves nothing beside it."""
    ring = KeyRing(path)
    token = ring.create("ci", "acme", 100)
    key = ring.find(token)
    assert key is not None
    assert (key.name, key.tenant, key.rate_spans_per_s, key.burst_spans) == ("ci", "acme", 100, 500)
    assert len(token) == 55
    assert token.startswith(f"sl_{key.id}_")
    content = path.read_text()
    assert token[12:] not in content
    assert hashlib.sha256(token.encode()).hexdigest() in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {one.name for one in path.parent.iterdir()} == {"keys.json", ".keys.json.lock"}


@given(st.text(max_size=80))
def test_nothing_else_opens(token: str) -> None:
    """No other text is a key, whatever characters it is made of."""
    assert KeyRing(Path("/nonexistent/keys.json")).find(token) is None


def test_wrong_secret_and_foreign_id_do_not_open(path: Path) -> None:
    """The id alone does not do, nor one key's secret under another's id, nor more or less of the right one."""
    ring = KeyRing(path)
    one, two = ring.create("one", "acme"), ring.create("two", "acme")
    for token in (one[:12] + two[12:], one[:12] + "A" * 43, one[:-1], one + "A", one.upper(), f" {one}", ""):
        assert ring.find(token) is None


def test_revoked_key_ends_and_stays_listed(path: Path) -> None:
    """Revoking ends a key for good; a second time changes nothing; an unknown one is said."""
    ring = KeyRing(path)
    token = ring.create("ci", "acme")
    (key,) = ring
    revoked = ring.revoke(key.id)
    assert revoked.revoked
    assert ring.revoke(key.id) == revoked
    assert ring.find(token) is None
    assert len(KeyRing(path)) == 1
    with pytest.raises(KeysUnusable, match="00000000"):
        ring.revoke("00000000")


def test_running_collector_follows_within_a_second(path: Path) -> None:
    """A ring looks at its file once a second: keys made and revoked elsewhere hold, and end, by then."""
    clock = Clock()
    ring = KeyRing(path, clock)
    token = KeyRing(path).create("ci", "acme")
    assert ring.find(token) is None
    clock.now_s += 1
    key = ring.find(token)
    assert key is not None
    KeyRing(path).revoke(key.id)
    assert ring.find(token) is not None
    clock.now_s += 1
    assert ring.find(token) is None


def test_file_that_goes_away_closes(path: Path) -> None:
    """Without its file no key holds, and the ring does not look as if none was ever made; back, it holds again."""
    clock = Clock()
    ring = KeyRing(path, clock)
    token = ring.create("ci", "acme")
    path.rename(path.with_suffix(".away"))
    clock.now_s += 1
    assert ring.find(token) is None
    assert len(ring) == 1
    path.with_suffix(".away").rename(path)
    clock.now_s += 1
    assert ring.find(token) is not None


def test_damaged_file_keeps_known_keys_and_stops_a_start(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read is said and changes nothing; a ring does not start on it."""
    clock = Clock()
    ring = KeyRing(path, clock)
    token = ring.create("ci", "acme")
    path.write_text("{")
    clock.now_s += 1
    assert ring.find(token) is not None
    assert "no file of keys" in caplog.text
    with pytest.raises(KeysUnusable, match="SIGHTLINE_COLLECTOR_KEYS_FILE"):
        KeyRing(path)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"version": 2, "keys": []}',
        '{"version": 1}',
        '{"version": 1, "keys": [{}]}',
        '{"version": 1, "keys": [{"id": "x", "name": "n", "tenant": "t", "digest": "", "created": ""}]}',
        "\x00",
        "",
    ],
)
def test_foreign_file_is_refused(tmp_path: Path, content: str) -> None:
    """Whatever is no file of keys is refused as a whole."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(KeysUnusable, match="SIGHTLINE_COLLECTOR_KEYS_FILE"):
        KeyRing(path)


def test_file_that_others_may_write_is_refused(path: Path) -> None:
    """Who can write the file can make keys: it is not trusted."""
    KeyRing(path).create("ci", "acme")
    path.chmod(0o620)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        KeyRing(path)


@pytest.mark.parametrize(
    ("name", "tenant", "rate", "burst"),
    [
        ("", "t", 0, 0),
        ("n", "", 0, 0),
        ("n", " t", 0, 0),
        ("n", "t\n", 0, 0),
        ("n", "t" * 129, 0, 0),
        ("n", "t", -1, 0),
        ("n", "t", float("nan"), 0),
        ("n", "t", 0, 5),
    ],
)
def test_impossible_keys_are_not_made(path: Path, name: str, tenant: str, rate: float, burst: float) -> None:
    """What could not be read again is not written."""
    with pytest.raises(ValueError, match=r"needs|burst"):
        KeyRing(path).create(name, tenant, rate, burst)
    assert not path.exists()


def test_writers_do_not_lose_each_others_keys(path: Path) -> None:
    """Keys made at once by many are all there."""
    threads = [threading.Thread(target=lambda: KeyRing(path).create("ci", "acme")) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(KeyRing(path)) == 12


def test_failed_write_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the keys as they were and nothing beside them."""
    token = KeyRing(path).create("ci", "acme")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(KeysUnusable, match="No space"):
            KeyRing(path).create("two", "acme")
    assert {one.name for one in path.parent.iterdir()} == {"keys.json", ".keys.json.lock"}
    assert KeyRing(path).find(token) is not None


def test_commands_create_list_and_revoke(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`create` writes the key alone to standard output; `list` never shows it; `revoke` takes the id."""
    _run(path, "create", "--name", "ci", "--tenant", "acme", "--rate", "50")
    token = capsys.readouterr().out.strip()
    assert KeyRing(path).find(token) is not None
    _run(path, "list")
    listed = capsys.readouterr().out
    assert "acme" in listed
    assert "50" in listed
    assert token[12:] not in listed
    assert json.loads(path.read_text())["keys"][0]["digest"] not in listed
    _run(path, "revoke", token[3:11])
    assert "revoked" in capsys.readouterr().out
    assert KeyRing(path).find(token) is None
