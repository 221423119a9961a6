"""Files of keys that were written before still open, whoever owns them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline_collector.errors import KeysUnusable
from sightline_collector.receiver.keys import KeyRing as CollectorKeys
from sightline_node.readers.keys import KeyRing as NodeKeys
from sightline_roles.key_file import aligned

_CREATED = "2026-01-02T03:04:05+00:00"


def _entry(token: str, **own: object) -> dict[str, object]:
    """A key as version 1 of the file holds it."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"id": token.split("_")[1], "name": "ci", "digest": digest, "created": _CREATED, **own}


def _file(path: Path, *entries: dict[str, object]) -> None:
    path.write_text(json.dumps({"version": 1, "keys": entries}, indent=1) + "\n")
    path.chmod(0o600)


def test_a_collectors_file_of_version_1_opens(tmp_path: Path) -> None:
    """Every field that a file of the collector may hold is read, and a file without the optional ones too."""
    full, bare, ended = (f"sl_{digit * 8}_{'s' * 43}" for digit in "abc")
    _file(
        tmp_path / "keys.json",
        _entry(full, tenant="acme", rate_spans_per_s=100.0, burst_spans=500.0, revoked=None),
        _entry(bare, tenant="acme"),
        _entry(ended, tenant="acme", revoked=_CREATED),
    )
    ring = CollectorKeys(tmp_path / "keys.json")
    found = ring.find(full)
    assert found is not None
    assert (found.tenant, found.rate_spans_per_s, found.burst_spans) == ("acme", 100.0, 500.0)
    assert ring.find(bare) is not None
    assert ring.find(ended) is None
    ring.create("second", "acme")
    again = CollectorKeys(tmp_path / "keys.json")
    assert again.find(full) == found
    assert len(again) == 4


def test_a_nodes_file_of_version_1_opens(tmp_path: Path) -> None:
    """A node's keys keep their role, and a key of a collector is none of its."""
    token = f"sls_{'a' * 8}_{'s' * 43}"
    path = NodeKeys(tmp_path).path
    path.parent.mkdir(exist_ok=True)
    _file(path, _entry(token, role="reader", revoked=None))
    ring = NodeKeys(tmp_path)
    found = ring.find(token)
    assert found is not None
    assert found.role == "reader"
    assert ring.find(token.replace("sls_", "sl_")) is None
    ring.revoke("a" * 8)
    assert NodeKeys(tmp_path).find(token) is None


@pytest.mark.parametrize("own", [{"tenant": "acme"}, {"role": "reader"}])
def test_a_file_of_the_other_kind_is_refused(tmp_path: Path, own: dict[str, object]) -> None:
    """A node does not start on a collector's file, nor a collector on a node's."""
    path = NodeKeys(tmp_path).path
    path.parent.mkdir(exist_ok=True)
    _file(path, _entry(f"sl_{'a' * 8}_{'s' * 43}", **own))
    with pytest.raises(Exception, match="is no file of keys"):
        NodeKeys(tmp_path) if "tenant" in own else CollectorKeys(path)


def test_columns_stand_below_each_other() -> None:
    """A list of keys is as wide as its longest cell and has no blanks at the end of a line."""
    assert aligned([("ID", "NAME"), ("1", "a long name"), ("22", "b")]) == "ID  NAME\n1   a long name\n22  b\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    """The service's user reads the keys that root made; so it is after a second key, and with a file of that user's."""
    folder = tmp_path / "service"
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    for _ in range(2):
        CollectorKeys(folder / "keys.json").create("ci", "acme")
        assert {(path.name, path.stat().st_uid, path.stat().st_mode & 0o777) for path in folder.iterdir()} == {
            ("keys.json", 1234, 0o600),
            (".keys.json.lock", 1234, 0o600),
        }
    os.chown(folder / "keys.json", 4321, 4321)
    CollectorKeys(folder / "keys.json").create("ci", "acme")
    assert (folder / "keys.json").stat().st_uid == 4321


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("place", [Path.symlink_to, Path.hardlink_to])
def test_root_gives_away_no_file_that_was_there(tmp_path: Path, place: Callable[[Path, Path], None]) -> None:
    """A link in place of the lock, made by the owner of the folder, does not make a file of root's theirs."""
    folder = tmp_path / "service"
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    own = tmp_path / "own"
    own.write_text("root's")
    place(folder / ".keys.json.lock", own)
    with contextlib.suppress(KeysUnusable):
        CollectorKeys(folder / "keys.json").create("ci", "acme")
    assert own.stat().st_uid == 0


def test_a_file_that_cannot_be_read_gives_no_access(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No key is valid until the file can be read again, and the log says so."""
    now_s = 0.0
    path = tmp_path / "keys.json"
    token = CollectorKeys(path).create("ci", "acme")
    ring = CollectorKeys(path, clock=lambda: now_s)
    assert ring.find(token) is not None
    path.rename(tmp_path / "aside")
    path.mkdir()  # which root cannot read as a file either
    now_s = 2.0
    assert ring.find(token) is None
    assert len(ring) == 1
    assert f"cannot read SIGHTLINE_COLLECTOR_KEYS_FILE={path}" in caplog.text
    assert "no key is valid until" in caplog.text
    path.rmdir()
    (tmp_path / "aside").rename(path)
    now_s = 4.0
    assert ring.find(token) is not None
