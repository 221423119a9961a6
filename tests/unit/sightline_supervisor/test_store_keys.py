"""Keys of the embedded store: made once, by the store's own command, and given to each role by what it does."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from sightline_supervisor.errors import StepFailed
from sightline_supervisor.roles import demo_env, demo_roles, platform_roles, shared_env
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.store_keys import NO_KEYS, key_file, store_keys


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    """The second start gives the same; a folder whose keys were removed, or one file that is gone, gets new ones."""
    settings = SupervisorSettings(data_dir=tmp_path)
    first = asyncio.run(store_keys(settings, os.environ))
    held = json.loads((settings.folder("store") / "access_keys.json").read_text())["keys"]
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
    (settings.folder("store") / "access_keys.json").unlink()
    assert asyncio.run(store_keys(settings, os.environ)).admin != first.admin


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
    settings.folder("store").mkdir()
    (settings.folder("store") / "access_keys.json").write_text("{}")
    with pytest.raises(StepFailed, match="is no file of keys"):
        asyncio.run(store_keys(settings, os.environ))


def test_who_writes_gets_the_admins_key_and_who_reads_the_readers(tmp_path: Path) -> None:
    """The store needs none; the dashboards cannot write."""
    settings = SupervisorSettings(data_dir=tmp_path)
    keys = asyncio.run(store_keys(settings, os.environ))
    roles = {role.name: role for role in platform_roles(settings, shared_env(settings), keys)}
    roles |= {role.name: role for role in demo_roles(settings, demo_env(settings, {}), keys, with_weaviate=True)}
    given = {name: role.env.get("SIGHTLINE_STORE_PASSWORD") for name, role in roles.items()}
    admin, reader = keys.admin["SIGHTLINE_STORE_PASSWORD"], keys.reader["SIGHTLINE_STORE_PASSWORD"]
    assert given == {
        "store": None, "collector": admin, "dashboards": reader, "weaviate": None, "model": None, "app": admin,
    }  # fmt: skip
