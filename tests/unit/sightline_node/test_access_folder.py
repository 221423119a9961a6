"""The access folder: made whole, with the keys of an earlier version, and never again from the data folder."""

from __future__ import annotations

import logging
import shutil
import stat
from pathlib import Path

import pytest

from sightline_node import access_folder
from sightline_node.isolation import confinement
from sightline_node.readers import access, keys
from sightline_node.readers.roles import Role
from sightline_node.settings import NodeSettings
from sightline_store.errors import StoreError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _old_store(data_dir: Path) -> str:
    """A data folder as an earlier version left it, with a key of an admin."""
    token = keys.create(data_dir, "collector", Role.ADMIN)
    data_dir.mkdir()
    (access_folder.path(data_dir) / access_folder.KEYS_FILE).rename(data_dir / access_folder.KEYS_FILE)
    for file in access_folder.path(data_dir).iterdir():
        file.unlink()
    access_folder.path(data_dir).rmdir()
    (data_dir / "configuration").mkdir()
    (data_dir / "configuration" / "users.xml").write_text("<clickhouse/>")
    return token


def test_it_lies_beside_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a relative folder, an absolute one, and a link to another place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    assert access_folder.path(Path(".sightline/store")) == tmp_path / ".sightline" / "store.access"
    assert access_folder.path(tmp_path / "any" / "path") == tmp_path / "any" / "path.access"
    assert access_folder.path(tmp_path / "link") == tmp_path / "disk.access"


def test_keys_of_an_earlier_version_move_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They hold as before, their owner's alone, and a log line says so; a file that appears there later is ignored."""
    data = tmp_path / "data"
    token = _old_store(data)
    with caplog.at_level(logging.WARNING):
        folder = access_folder.prepare(data)
    assert str(folder) in caplog.text
    assert keys.KeyRing(data).find(token) is not None
    assert (_mode(folder), _mode(folder / access_folder.KEYS_FILE)) == (0o700, 0o600)
    assert list(data.iterdir()) == []
    (folder / access_folder.KEYS_FILE).rename(data / access_folder.KEYS_FILE)
    assert access_folder.prepare(data) == folder
    assert len(keys.KeyRing(data)) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_the_first_key_command_moves_them_too(tmp_path: Path, command: str) -> None:
    """An admin's key of an earlier version counts when a reader's is made, is listed and can be revoked."""
    data = tmp_path / "data"
    token = _old_store(data)
    if command == "create":
        keys.create(data, "dashboards", Role.READER)
    elif command == "list":
        assert token[4:12] in keys.table(data)
    else:
        keys.revoke(data, token[4:12])
    assert len(keys.KeyRing(data)) == (2 if command == "create" else 1)
    assert (keys.KeyRing(data).find(token) is None) is (command == "revoke")


def test_a_data_folder_without_its_access_folder_is_not_open(tmp_path: Path) -> None:
    """A node that has had keys does not start without any; a new key or removing the mark lets it start."""
    settings = NodeSettings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    access.require_keys(settings)
    keys.create(settings.data_dir, "collector", Role.ADMIN)
    copy = NodeSettings(data_dir=tmp_path / "copy")
    access.require_keys(NodeSettings(data_dir=tmp_path / "data" / ".." / "data"))  # as read by a new process
    shutil.copytree(settings.data_dir, copy.data_dir)
    with pytest.raises(StoreError, match="has had keys"):
        access.require_keys(copy)
    keys.create(copy.data_dir, "collector", Role.ADMIN)
    access.require_keys(NodeSettings(data_dir=tmp_path / "copy" / ".." / "copy"))


def test_the_configuration_is_written_once(tmp_path: Path) -> None:
    """The same settings write nothing, since the confined process could not; others do."""
    settings = NodeSettings(data_dir=tmp_path / "data")
    main = access_folder.write_configuration(settings)
    before = main.stat().st_ino
    assert access_folder.write_configuration(settings).stat().st_ino == before
    access_folder.write_configuration(NodeSettings(data_dir=tmp_path / "data", reader_databases=("other",)))
    assert "`other`.*" in main.with_name("users.xml").read_text()
    assert _mode(main) == 0o600


def test_a_writable_folder_around_it_is_refused(tmp_path: Path) -> None:
    """A backup folder that contains the access folder would let a statement write keys."""
    settings = NodeSettings(data_dir=tmp_path / "data", backup_dir=tmp_path)
    with pytest.raises(StoreError, match="SIGHTLINE_STORE_BACKUP_DIR"):
        confinement.require_closed_access(settings, confinement.rules(settings))
