"""What the node's process may open and keep, worked out from its settings; the kernel's part is an integration test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sightline_node.isolation import confinement, environment, landlock
from sightline_node.readers import keys
from sightline_node.settings import NodeSettings
from sightline_roles import key_file
from sightline_store import errors
from sightline_store.errors import StoreError


def _holds(path: str | Path, folders: tuple[Path, ...]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def test_a_node_writes_its_data_and_its_backups_and_connects_to_nothing(tmp_path: Path) -> None:
    """By default there is no port, no name service and no folder of the user's among what it may open."""
    rules = confinement.rules(NodeSettings(data_dir=tmp_path / "data", backup_dir=tmp_path / "backups"))
    assert rules.write == (tmp_path / "data", tmp_path / "backups", Path("/dev/null"))
    assert rules.ports == frozenset()
    for path in (
        "/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/ssl/private/a.key", "/proc/self/environ", "/proc/self/mem",
        "/proc/1/environ", "/root/.ssh/id_rsa", "/home/a/.aws/credentials", "/var/run/docker.sock", "/tmp/a",
        tmp_path / "keys" / "admin.key",
    ):  # fmt: skip
        assert not _holds(path, (*rules.read, *rules.write)), path


def test_what_an_admin_asks_for_is_added(tmp_path: Path) -> None:
    """Folders to read, folders to write and ports are taken from the settings; brokers bring their ports."""
    env = {
        "SIGHTLINE_STORE_ALLOW_READ": "/data/in:/data/more",
        "SIGHTLINE_STORE_ALLOW_WRITE": "/data/out",
        "SIGHTLINE_STORE_ALLOW_CONNECT": "443, 9440",
        "SIGHTLINE_KAFKA_BROKERS": "a:9093,b,c:19092",
        "SIGHTLINE_STORE_DATA_DIR": str(tmp_path),
    }
    rules = confinement.rules(NodeSettings.from_env(env))
    assert {Path("/data/in"), Path("/data/more"), Path("/etc/hosts")} <= set(rules.read)
    assert Path("/data/out") in rules.write
    assert rules.ports == {443, 9440, 9092, 9093, 19092}
    assert confinement.rules(NodeSettings(data_dir=tmp_path, allow_connect="*")).ports is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("CONFINE", "yes"), ("ALLOW_CONNECT", "https"), ("ALLOW_CONNECT", "0"), ("ALLOW_CONNECT", "70000")],
)
def test_what_cannot_be_meant_is_refused_by_its_name(name: str, value: str) -> None:
    """A wall that was asked for in words that nobody knows must not silently be another one."""
    with pytest.raises(ValueError, match=f"SIGHTLINE_STORE_{name}"):
        NodeSettings.from_env({f"SIGHTLINE_STORE_{name}": value})


def test_code_is_found_and_a_folder_beside_the_data_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's and our own folders are among them; a PYTHONPATH that holds the data or the home is not."""
    for name in ("data", "lib", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "lib"), ""])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = confinement.code_folders(NodeSettings(data_dir=tmp_path / "data"))
    assert tmp_path / "lib" in found
    assert tmp_path not in found
    assert Path.cwd() not in found
    assert _holds(str(confinement.__file__), tuple(found))
    assert _holds(str(Path(pytest.__file__)), tuple(found))


def test_packages_that_the_node_imports_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of ours, also where its folder is in no entry of sys.path, as with an import hook of an installer."""
    monkeypatch.setattr(sys, "path", [])
    found = tuple(confinement.code_folders(NodeSettings(data_dir=tmp_path / "data")))
    for module in (confinement, key_file, errors):
        assert _holds(str(module.__file__), found), module


def test_the_environment_keeps_what_a_node_needs() -> None:
    """Settings and the language stay; a key, a password and what nobody knows does not."""
    kept = environment.kept(
        {
            "PATH": "/bin", "LC_ALL": "C", "SIGHTLINE_STORE_PORT": "1", "SIGHTLINE_KAFKA_BROKERS": "a:1",
            "SIGHTLINE_STORE_PASSWORD": "x", "SIGHTLINE_KAFKA_SASL_PASSWORD": "x", "OPENAI_API_KEY": "x",
            "AWS_ACCESS_KEY_ID": "x", "DATABASE_URL": "postgres://u:p@h", "HTTPS_PROXY": "http://u:p@h",
        }
    )  # fmt: skip
    assert set(kept) == {"PATH", "LC_ALL", "SIGHTLINE_STORE_PORT", "SIGHTLINE_KAFKA_BROKERS"}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_is_made_of_whole_instructions_whose_jumps_stay_inside(machine: str) -> None:
    """Each jump ends within the program, and the last instruction answers."""
    for internet in (False, True):
        program = landlock._filter(machine, internet=internet)
        codes = [program[at : at + 8] for at in range(0, len(program), 8)]
        assert len(program) % 8 == 0
        assert all(at + 1 + max(code[2], code[3]) < len(codes) for at, code in enumerate(codes) if code[0] in {21, 53})
        assert codes[-1][0] == 6


def test_plain_keys_are_looked_for_beside_the_data_folder(tmp_path: Path) -> None:
    """The reader's is in `keys` beside it; one that an earlier version left inside is found too."""
    data = tmp_path / "store"
    data.mkdir()
    assert keys.reader_key_file(data) is None
    assert keys.plain_keys_inside(data) == []
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "reader.key").write_text("x")
    (data / "admin.key").write_text("x")
    assert keys.reader_key_file(data) == tmp_path / "keys" / "reader.key"
    assert keys.plain_keys_inside(data) == [data / "admin.key"]


def test_a_taken_port_is_told_with_its_settings() -> None:
    """Before anything else happens, and naming what to change."""
    with confinement.listen(NodeSettings(port=0))[0] as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=f"SIGHTLINE_STORE_PORT={port}"):
            confinement.listen(NodeSettings(port=port))
