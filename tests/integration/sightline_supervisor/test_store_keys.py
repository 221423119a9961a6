"""Keys of the embedded store: made once, by the store's own command, and given to each role by what it does."""

import asyncio
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sightline_supervisor.errors import StepFailed
from sightline_supervisor.process import Launcher
from sightline_supervisor.roles import demo_env, demo_roles, platform_roles, shared_env
from sightline_supervisor.screen import Screen
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.store_keys import NO_KEYS, key_file, store_keys
from sightline_supervisor.up import tell_renewed


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    """The second start gives the same; a folder whose keys were removed, or one file that is gone, gets new ones."""
    settings = SupervisorSettings(data_dir=tmp_path)
    first = asyncio.run(store_keys(settings, os.environ))
    held = json.loads((tmp_path / "store.access" / "access_keys.json").read_text())["keys"]
    assert [(key["name"], key["role"]) for key in held] == [
        ("sightline-admin", "admin"),
        ("sightline-reader", "reader"),
    ]
    assert first.admin["SIGHTLINE_STORE_PASSWORD"] != first.reader["SIGHTLINE_STORE_PASSWORD"]
    for role, given in (("admin", first.admin), ("reader", first.reader)):
        file = key_file(settings, role)
        assert file.read_text().strip() == given["SIGHTLINE_STORE_PASSWORD"]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert asyncio.run(store_keys(settings, os.environ)) == first
    key_file(settings, "reader").unlink()
    second = asyncio.run(store_keys(settings, os.environ))
    assert second.admin == first.admin
    assert second.reader != first.reader
    (tmp_path / "store.access" / "access_keys.json").unlink()
    assert asyncio.run(store_keys(settings, os.environ)).admin != first.admin


@pytest.mark.parametrize("role", ["admin", "reader"])
def test_a_key_that_was_revoked_is_replaced_and_told(tmp_path: Path, role: str) -> None:
    """The next start notices it, makes a new one that holds, and leaves the other as it was."""
    settings = SupervisorSettings(data_dir=tmp_path)
    first = asyncio.run(store_keys(settings, os.environ))
    old = key_file(settings, role).read_text().strip()
    command = [str(Path(sys.executable).with_name("sightline-store")), "key", "revoke", old.split("_")[1]]
    env = {**os.environ, "SIGHTLINE_STORE_DATA_DIR": str(settings.folder("store"))}
    subprocess.run(command, env=env, check=True, capture_output=True)
    second = asyncio.run(store_keys(settings, os.environ))
    assert second.renewed == (key_file(settings, role),)
    new = key_file(settings, role).read_text().strip()
    assert new != old
    assert getattr(second, role)["SIGHTLINE_STORE_PASSWORD"] == new
    other = "reader" if role == "admin" else "admin"
    assert getattr(second, other) == getattr(first, other)
    told = io.StringIO()
    tell_renewed(second, Screen(Console(file=told)))
    assert str(key_file(settings, role)) in told.getvalue()
    assert str(key_file(settings, other)) not in told.getvalue()
    assert asyncio.run(store_keys(settings, os.environ)).renewed == ()


def test_keys_of_an_earlier_version_move_out_of_the_stores_folder(tmp_path: Path) -> None:
    """They stay the same keys, in a folder that the store's process does not open, and only their owner reads them."""
    settings = SupervisorSettings(data_dir=tmp_path)
    first = asyncio.run(store_keys(settings, os.environ))
    settings.folder("store").mkdir()
    for role in ("admin", "reader"):
        key_file(settings, role).rename(settings.folder("store") / f"{role}.key")
    key_file(settings, "admin").parent.rmdir()
    assert asyncio.run(store_keys(settings, os.environ)) == first
    assert list(settings.folder("store").glob("*.key")) == []
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").iterdir()] == [0o600, 0o600]


def test_the_store_is_started_without_secrets(tmp_path: Path) -> None:
    """What the supervisor was given for others does not reach the process that runs statements."""
    settings = SupervisorSettings(data_dir=tmp_path)
    roles = {role.name: role for role in platform_roles(settings, shared_env(settings))}
    assert {name for name, role in roles.items() if role.without_secrets} == {"store"}
    launcher = Launcher(tmp_path / "logs", 1.0, {"OPENAI_API_KEY": "k", "SIGHTLINE_STORE_PASSWORD": "p", "LANG": "C"})
    out = tmp_path / "out"
    try:
        code = "import os, sys; sys.stdout.write(' '.join(sorted(os.environ)))"
        running = launcher.launch(
            "env", [sys.executable, "-c", code], {"HF_TOKEN": "t", "X": "1"}, stdout=out, without_secrets=True
        )
        assert asyncio.run(running.wait()) == 0
    finally:
        launcher.close()
    names = set(out.read_text().split())
    assert {"LANG", "X"} <= names
    assert not names & {"OPENAI_API_KEY", "SIGHTLINE_STORE_PASSWORD", "HF_TOKEN"}


def test_the_users_own_store_or_password_is_left_alone(tmp_path: Path) -> None:
    """A ClickHouse at a URL has its own users, and a password that was given is one that holds."""
    at_url = SupervisorSettings(data_dir=tmp_path, store_url="http://ch:8123")
    assert asyncio.run(store_keys(at_url, os.environ)) == NO_KEYS
    embedded = SupervisorSettings(data_dir=tmp_path)
    assert asyncio.run(store_keys(embedded, {**os.environ, "SIGHTLINE_STORE_PASSWORD": "mine"})) == NO_KEYS
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_made_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    """What the store's command says is told."""
    settings = SupervisorSettings(data_dir=tmp_path)
    (tmp_path / "store.access").mkdir()
    (tmp_path / "store.access" / "access_keys.json").write_text("{}")
    with pytest.raises(StepFailed, match="is no file of keys"):
        asyncio.run(store_keys(settings, os.environ))


def test_who_writes_gets_the_admins_key_and_who_reads_the_readers(tmp_path: Path) -> None:
    """The store needs none; the dashboards cannot write."""
    settings = SupervisorSettings(data_dir=tmp_path)
    keys = asyncio.run(store_keys(settings, os.environ))
    roles = {role.name: role for role in platform_roles(settings, shared_env(settings), keys)}
    roles |= {
        role.name: role
        for role in demo_roles(settings, demo_env(settings, {}), keys, with_weaviate=True, with_redis=True)
    }
    given = {name: role.env.get("SIGHTLINE_STORE_PASSWORD") for name, role in roles.items()}
    admin, reader = keys.admin["SIGHTLINE_STORE_PASSWORD"], keys.reader["SIGHTLINE_STORE_PASSWORD"]
    writers = dict.fromkeys(("collector", "janitor", "alerts", "app"), admin)
    others = dict.fromkeys(("store", "weaviate", "redis", "model"))
    assert given == {**writers, **others, "dashboards": reader}
