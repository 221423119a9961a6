"""The access folder: made whole, with the keys of an earlier version, and never again from the data folder."""

from __future__ import annotations

import logging
import os
import shutil
import stat
from pathlib import Path

import pytest

from sightline_node import access_folder, doctor
from sightline_node.isolation import confinement
from sightline_node.readers import access, keys
from sightline_node.readers.roles import Role
from sightline_node.settings import NodeSettings
from sightline_roles import store_access
from sightline_store.errors import StoreError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _old_store(data_dir: Path) -> str:
    """A data folder as an earlier version left it, with a key of an admin."""
    token = keys.create(data_dir, "collector", Role.ADMIN)
    data_dir.mkdir()
    (access_folder.path(data_dir) / store_access.KEYS_FILE).rename(data_dir / store_access.KEYS_FILE)
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
    assert (_mode(folder), _mode(folder / store_access.KEYS_FILE)) == (0o700, 0o600)
    assert list(data.iterdir()) == []
    (folder / store_access.KEYS_FILE).rename(data / store_access.KEYS_FILE)
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


def test_the_first_key_marks_the_data_folder(tmp_path: Path) -> None:
    """A copy that is made before the node has started again with its key is not open either."""
    data = tmp_path / "data"
    keys.create(data, "collector", Role.ADMIN)
    assert not data.exists()
    data.mkdir()
    keys.create(data, "dashboards", Role.READER)
    assert list(data.iterdir()) == []
    (data / "sightline.json").write_text("{}")
    keys.create(data, "evals", Role.READER)
    shutil.copytree(data, tmp_path / "copy")
    with pytest.raises(StoreError, match="has had keys"):
        access.require_keys(NodeSettings(data_dir=tmp_path / "copy"))


def test_a_move_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    """Keys that are still in the data folder, unchanged, are removed; a folder that a crash left unfinished too."""
    data = tmp_path / "data"
    token = _old_store(data)
    content = (data / store_access.KEYS_FILE).read_bytes()
    leftover, recent = tmp_path / ".data.access.crashed", tmp_path / ".data.access.recent"
    for folder in (leftover, recent):
        folder.mkdir()
    os.utime(leftover, (0, 0))
    folder = access_folder.prepare(data)
    assert (leftover.exists(), recent.exists()) == (False, True)
    (data / store_access.KEYS_FILE).write_bytes(content)
    assert access_folder.prepare(data) == folder
    assert not (data / store_access.KEYS_FILE).exists()
    assert keys.KeyRing(data).find(token) is not None


@pytest.mark.parametrize(("fault", "advice"), [("link", "move it away"), ("mode", "chmod 700"), ("owner", "chown -R")])
def test_a_folder_that_others_could_have_made_is_refused(tmp_path: Path, fault: str, advice: str) -> None:
    """Who can put a folder of keys there, or write into it, would be admin; the doctor says it too."""
    data, folder = tmp_path / "data", tmp_path / "data.access"
    assert access_folder.objection(data) == ""
    if fault == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(mode=0o700)
    if fault == "mode":
        folder.chmod(0o770)
    elif fault == "owner":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(folder, 65534, 65534)
    with pytest.raises(StoreError, match=advice):
        access_folder.prepare(data)
    _, result_advice = doctor._access(NodeSettings(data_dir=data))
    assert advice in result_advice


def test_the_doctor_finds_what_others_may_open_in_it(tmp_path: Path) -> None:
    """A file that its group may read is named with the command that closes it."""
    settings = NodeSettings(data_dir=tmp_path / "data")
    assert doctor._access(settings)[1] == ""
    keys.create(settings.data_dir, "collector", Role.ADMIN)
    assert doctor._access(settings)[1] == ""
    file = access_folder.path(settings.data_dir) / store_access.KEYS_FILE
    file.chmod(0o640)
    assert f"chmod go= {file}" in doctor._access(settings)[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_changes_stays_the_nodes(tmp_path: Path) -> None:
    """A key that root makes or revokes is in a file of the user that owns the access folder; so is the mark."""
    data, owner = tmp_path / "data", 65534
    keys.create(data, "first", Role.ADMIN)
    data.mkdir()
    (data / "sightline.json").write_text("{}")
    for path in (data, data / "sightline.json"):
        os.chown(path, owner, owner)
    folder = access_folder.path(data)
    access_folder.give_to(data, owner, owner)
    token = keys.create(data, "second", Role.ADMIN)
    keys.revoke(data, token[4:12])
    assert {path.stat().st_uid for path in (*folder.iterdir(), *data.iterdir())} == {owner}
