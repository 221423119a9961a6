"""Keys, roles and browsers: the gates of the embedded node that need no engine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sightline_node import access_folder
from sightline_node.readers import access, keys, roles
from sightline_node.readers.keys import KeyRing
from sightline_node.readers.roles import READER_LIMITS, Caller, Role
from sightline_node.settings import NodeSettings
from sightline_roles import store_access
from sightline_store.errors import QueryRejected, StoreError

_HERE = "127.0.0.1:8123"


class Clock:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.mark.parametrize(
    "headers",
    [
        {"host": _HERE},
        {"host": "localhost:8123"},
        {"host": "[::1]:8123"},
        {"host": _HERE, "origin": f"http://{_HERE}", "sec-fetch-site": "same-origin"},
        {"host": _HERE, "referer": f"http://{_HERE}/", "sec-fetch-site": "same-origin"},
        {"host": _HERE, "sec-fetch-site": "none"},
    ],
)
def test_own_pages_and_programs_may_ask(headers: dict[str, str]) -> None:
    """Neither a client without a browser's headers nor a page of the node itself is turned away."""
    access.check(headers, "127.0.0.1")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": _HERE, "origin": "https://evil.example"},
        {"host": _HERE, "origin": "null"},
        {"host": _HERE, "origin": "http://127.0.0.1:3000"},
        {"host": _HERE, "origin": "http://127.0.0.1:8123.evil.example"},
        {"host": _HERE, "origin": f"http://{_HERE}", "sec-fetch-site": "cross-site"},
        {"host": _HERE, "sec-fetch-site": "cross-site"},
        {"host": _HERE, "sec-fetch-site": "same-site"},
        {"host": _HERE, "sec-fetch-site": "anything new"},
        {"host": _HERE, "referer": "https://evil.example/page"},
        {"host": _HERE, "referer": "http://[broken"},
        {"host": "evil.example:8123"},
        {"host": "127.0.0.1.evil.example:8123", "origin": "http://127.0.0.1.evil.example:8123"},
        {"host": "192.0.2.1:8123"},
        {"host": "[broken"},
        {"host": ""},
        {},
    ],
)
def test_foreign_pages_and_names_are_turned_away(headers: dict[str, str]) -> None:
    """A form, an image, a script or a rebound name of a foreign site is refused, with GET as with POST."""
    with pytest.raises(QueryRejected) as refused:
        access.check(headers, "127.0.0.1")
    assert (refused.value.status, refused.value.code) == (403, 497)


def test_a_node_that_others_can_reach_has_any_name() -> None:
    """Bound beyond loopback the name is the network's to choose, and a key is needed; foreign pages stay out."""
    access.check({"host": "store.internal:8123"}, "0.0.0.0")
    with pytest.raises(QueryRejected):
        access.check({"host": "store.internal:8123", "origin": "https://evil.example"}, "0.0.0.0")


def test_without_keys_loopback_is_open_and_elsewhere_nothing_starts(tmp_path: Path) -> None:
    """The sentence names the setting; any password is as good as none where no key was ever made."""
    settings = NodeSettings(data_dir=tmp_path)
    access.require_keys(settings)
    assert access.authenticate({}, {}, settings).role is Role.ADMIN
    assert access.authenticate({"x-clickhouse-key": "whatever"}, {}, settings).role is Role.ADMIN
    for host in ("0.0.0.0", "192.0.2.7", "store.internal"):
        elsewhere = NodeSettings(data_dir=tmp_path / "elsewhere", host=host)
        with pytest.raises(StoreError, match=f"SIGHTLINE_STORE_HOST is '{host}'.*key create --name NAME --role admin"):
            access.require_keys(elsewhere)
        with pytest.raises(QueryRejected):
            access.authenticate({}, {}, elsewhere)
    keys.create(tmp_path / "keyed", "collector", Role.ADMIN)
    access.require_keys(NodeSettings(data_dir=tmp_path / "keyed", host="0.0.0.0"))


def test_every_way_of_clickhouse_clients_carries_a_key(tmp_path: Path) -> None:
    """Headers, Basic, URL parameters and Bearer; the user is default or the key's name, role or id."""
    admin = keys.create(tmp_path, "collector", Role.ADMIN)
    reader = keys.create(tmp_path, "dash boards", Role.READER)
    settings = NodeSettings(data_dir=tmp_path)
    for token, role, name in ((admin, Role.ADMIN, "collector"), (reader, Role.READER, "dash boards")):
        assert access.authenticate({"authorization": f"Bearer {token}"}, {}, settings).role is role
        for user in ("default", name, role.value, token[4:12]):
            basic = base64.b64encode(f"{user}:{token}".encode()).decode()
            assert access.authenticate({"authorization": f"Basic {basic}"}, {}, settings).role is role
            assert (
                access.authenticate({"x-clickhouse-user": user, "x-clickhouse-key": token}, {}, settings).role is role
            )
            assert access.authenticate({}, {"user": user, "password": token}, settings).role is role
        assert access.authenticate({"x-clickhouse-key": token}, {}, settings).role is role


def test_what_is_no_key_is_refused_in_clickhouses_words(tmp_path: Path) -> None:
    """Nothing, an empty or a wrong password, a changed secret, another's user name, two ways at once."""
    token = keys.create(tmp_path, "collector", Role.ADMIN)
    settings = NodeSettings(data_dir=tmp_path)
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    basic = base64.b64encode(f"default:{token}".encode()).decode()
    attempts: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"x-clickhouse-user": "default", "x-clickhouse-key": ""}, {}),
        ({"x-clickhouse-user": "default"}, {}),
        ({"x-clickhouse-key": changed}, {}),
        ({"x-clickhouse-user": "reader", "x-clickhouse-key": token}, {}),
        ({"authorization": f"Bearer {changed}"}, {}),
        ({"authorization": "Basic not base64"}, {}),
        ({"authorization": "Digest x"}, {}),
        ({}, {"user": "default"}),
        ({}, {"password": "' OR 1=1"}),
        ({"authorization": f"Basic {basic}"}, {"user": "default", "password": token}),
        ({"x-clickhouse-key": token}, {"password": token}),
    ]
    for headers, params in attempts:
        with pytest.raises(QueryRejected) as refused:
            access.authenticate(headers, params, settings)
        assert (refused.value.status, refused.value.code) == (403, 516)
        assert token not in refused.value.message


def test_keys_are_kept_hashed_and_end_within_a_second(tmp_path: Path) -> None:
    """The file holds no token and is its owner's; a ring follows a revocation by another process."""
    clock = Clock()
    token = keys.create(tmp_path, "collector", Role.ADMIN)
    path = access_folder.prepare(tmp_path) / store_access.KEYS_FILE
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    ring = KeyRing(tmp_path, clock)
    found = ring.find(token)
    assert found is not None
    assert found.role == "admin"
    assert keys.revoke(tmp_path, found.id).revoked
    assert keys.revoke(tmp_path, found.id).revoked
    assert ring.find(token) is not None
    clock.now_s += 1.1
    assert ring.find(token) is None
    assert len(ring) == 1
    assert "collector" in keys.table(tmp_path)
    assert token not in keys.table(tmp_path)
    with pytest.raises(StoreError, match="holds no key 'ffffffff'"):
        keys.revoke(tmp_path, "ffffffff")


def test_a_file_of_keys_that_goes_away_or_breaks_does_not_open_the_node(tmp_path: Path) -> None:
    """Gone means that no key holds; unreadable means that the known ones go on."""
    clock = Clock()
    token = keys.create(tmp_path, "collector", Role.ADMIN)
    ring = KeyRing(tmp_path, clock)
    path = access_folder.prepare(tmp_path) / store_access.KEYS_FILE
    content = path.read_text()
    path.write_text("{")
    clock.now_s += 2
    assert ring.find(token) is not None
    path.unlink()
    clock.now_s += 2
    assert ring.find(token) is None
    assert len(ring) == 1
    path.write_text(content)
    path.chmod(0o622)
    clock.now_s += 2
    assert ring.find(token) is None
    with pytest.raises(StoreError, match="others may write"):
        KeyRing(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps({"version": 2, "keys": []}),
        json.dumps({"version": 1, "keys": [{"id": "x"}]}),
        json.dumps(
            {"version": 1, "keys": [{"id": "0" * 8, "name": "a", "role": "root", "digest": "0" * 64, "created": ""}]}
        ),
    ],
)
def test_a_file_that_is_none_of_keys_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    """A node does not start on a file that it does not understand."""
    path = access_folder.prepare(tmp_path) / store_access.KEYS_FILE
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=store_access.KEYS_FILE):
        KeyRing(tmp_path)


def test_the_first_key_is_an_admins(tmp_path: Path) -> None:
    """A reader's key alone would lock every writer out; a name must be one."""
    with pytest.raises(StoreError, match="no admin key"):
        keys.create(tmp_path, "dashboards", Role.READER)
    for name in ("", " x", "a\nb", "x" * 129):
        with pytest.raises(ValueError, match="name needs"):
            keys.create(tmp_path, name, Role.ADMIN)


def test_readers_may_tighten_caps_and_never_loosen_them() -> None:
    """Caps take a smaller whole number; a setting that nobody listed is refused, whatever it is."""
    limits = {**roles.reader_limits(2 * 1024**3), "max_block_size": "65536"}
    assert limits.keys() > READER_LIMITS.keys()
    for name, most in limits.items():
        assert roles.objection(name, most, limits) == ""
        assert roles.objection(name, "1", limits) == ""
        for value in ("0", "-1", str(int(most) + 1), "", "x", "nan", "inf", None, "0.5", "1.5", ".5", "1e-9", "\u0663"):
            assert roles.objection(name, value, limits), (name, value)
    for name in ("max_threads", "output_format_json_quote_64bit_integers", "join_use_nulls"):
        assert roles.objection(name, "1") == ""
    for name in (
        "dialect",
        "format_schema",
        "output_format_schema",
        "allow_introspection_functions",
        "no_such_setting",
    ):
        assert roles.objection(name, "1")
    assert roles.objection("readonly", "0")
    assert roles.objection("readonly", "2") == ""


def test_a_readers_key_may_be_limited_and_an_admins_may_not(tmp_path: Path) -> None:
    """The limits are in the file and in the caller; older files have keys without any."""
    admin = keys.create(tmp_path, "collector", Role.ADMIN)
    limited = keys.create(tmp_path, "acme", Role.READER, tenant="acme", content=False)
    settings = NodeSettings(data_dir=tmp_path)
    assert access.authenticate({"x-clickhouse-key": limited}, {}, settings) == Caller(
        Role.READER, "acme", content=False
    )
    assert access.authenticate({"x-clickhouse-key": admin}, {}, settings) == Caller(Role.ADMIN)
    assert "acme" in keys.table(tmp_path)
    for limits in ({"tenant": "acme"}, {"content": False}):
        with pytest.raises(ValueError, match="only a reader's key can be limited"):
            keys.create(tmp_path, "x", Role.ADMIN, **limits)
    with pytest.raises(ValueError, match="tenant needs 1 to 128 printable characters"):
        keys.create(tmp_path, "x", Role.READER, tenant=" acme")
    path = access_folder.path(tmp_path) / "access_keys.json"
    document = json.loads(path.read_text())
    of_admin = next(key for key in document["keys"] if key["role"] == "admin")
    del of_admin["tenant"], of_admin["content"]
    path.write_text(json.dumps(document))
    assert keys.KeyRing(tmp_path).find(admin) is not None
