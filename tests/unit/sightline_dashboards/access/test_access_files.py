"""The files of rules and of keys: what they say, and that they count for nothing while they cannot be trusted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sightline_dashboards.access import rules
from sightline_dashboards.access.errors import AccessInvalid, NotAllowed
from sightline_dashboards.access.rules import Identity
from sightline_dashboards.access.store_keys import Limits, Stores
from sightline_dashboards.access.toml_file import TomlFile
from sightline_dashboards.access.viewers import Role, Viewer
from sightline_store.settings import StoreSettings

_PEOPLE = [
    {"user": "ann@example.org", "role": "editor"},
    {"claim": "groups", "value": "acme", "role": "reviewer", "tenant": "acme", "content": False},
    {"everyone": True, "role": "viewer", "tenant_claim": "org"},
]


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """The time; a second later with each look."""
        self.now_s += 2
        return self.now_s


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (Identity("Ann@Example.org"), Viewer("Ann@Example.org", Role.EDITOR)),
        (Identity("bob", {"groups": ["x", "acme"]}), Viewer("bob", Role.REVIEWER, "acme", content=False)),
        (Identity("bob", {"groups": "acme"}), Viewer("bob", Role.REVIEWER, "acme", content=False)),
        (Identity("eve", {"groups": ["acme2"], "org": "globex"}), Viewer("eve", Role.VIEWER, "globex")),
        (Identity("eve", {"org": ["globex"]}), Viewer("eve", Role.VIEWER, "globex")),
        (Identity("eve", {"org": ["globex", "acme"]}), None),
        (Identity("eve", {"org": ""}), None),
        (Identity("eve", {"org": 7}), None),
        (Identity("eve"), None),
    ],
)
def test_the_first_rule_that_fits_somebody_counts(identity: Identity, expected: Viewer | None) -> None:
    """A claim that names no tenant, or more than one, never means all tenants."""
    assert rules.viewer(rules.read({"people": _PEOPLE}), identity) == expected


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "nobody could see anything"),
        ({"people": [], "person": []}, "nothing else"),
        ({"people": [{"role": "viewer"}]}, r"entry 1 .* one of `user`"),
        ({"people": [{"user": "a", "everyone": True, "role": "viewer"}]}, "one of `user`"),
        ({"people": [{"everyone": False, "role": "viewer"}]}, "everyone = true"),
        ({"people": [{"claim": "groups", "role": "viewer"}]}, "together"),
        ({"people": [{"user": "a", "role": "admin"}]}, "role is 'admin'; needs viewer, reviewer, editor"),
        ({"people": [{"user": "a"}]}, "role is ''"),
        ({"people": [{"user": "", "role": "viewer"}]}, "user is ''"),
        ({"people": [{"user": "a", "role": "viewer", "tenant": ""}]}, "tenant is ''"),
        ({"people": [{"user": "a", "role": "viewer", "tenant": "a", "tenant_claim": "b"}]}, "one of them"),
        ({"people": [{"user": "a", "role": "viewer", "content": "no"}]}, "true or false"),
        ({"people": [{"user": "a", "role": "viewer", "tenants": "a"}]}, "has 'tenants'"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_their_number(document: dict[str, Any], why: str) -> None:
    """A word that is misspelt must not mean more than it should."""
    with pytest.raises(ValueError, match=why):
        rules.read(document)


def test_a_role_includes_those_before_it() -> None:
    """Editors review, reviewers look."""
    assert [[one.may(other) for other in Role] for one in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_file_that_changes_is_read_anew_and_one_that_is_gone_counts_for_nothing(tmp_path: Path) -> None:
    """Also a file that others can write, and one that is no TOML."""
    path = tmp_path / "access.toml"
    path.write_text('[[people]]\nuser = "a"\nrole = "viewer"\n')
    path.chmod(0o644)
    file = TomlFile("SETTING", path, rules.read, clock=Clock())
    assert [rule.user for rule in file.get()] == ["a"]
    path.write_text('[[people]]\nuser = "b"\nrole = "viewer"\n# longer\n')
    assert [rule.user for rule in file.get()] == ["b"]
    path.chmod(0o666)
    with pytest.raises(AccessInvalid, match="others may open SETTING="):
        file.get()
    path.chmod(0o600)
    path.write_text("[[people")
    with pytest.raises(AccessInvalid, match="SETTING="):
        file.get()
    path.unlink()
    with pytest.raises(AccessInvalid, match="cannot read SETTING="):
        file.get()
    with pytest.raises(AccessInvalid, match="cannot read SETTING="):
        TomlFile("SETTING", path, rules.read)


def _stores(tmp_path: Path, text: str, mode: int = 0o600) -> Stores:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    os.chmod(path, mode)  # noqa: PTH101  (as a person does)
    return Stores(StoreSettings(password="all"), path)


def test_each_limit_has_a_key_of_its_own_and_none_has_another(tmp_path: Path) -> None:
    """Who has limits without a key gets no store at all, and never the key of all tenants."""
    stores = _stores(
        tmp_path,
        '[[keys]]\ntenant = "acme"\nkey = "of acme"\n[[keys]]\ntenant = "acme"\ncontent = false\nkey = "hidden"\n'
        '[[keys]]\ncontent = false\nkey = "all hidden"\nuser = "reader"\n',
    )
    found = {
        limits: stores.client(limits)
        for limits in (Limits(), Limits("acme"), Limits("acme", content=False), Limits(content=False))
    }
    assert [client.settings.password for client in found.values()] == ["all", "of acme", "hidden", "all hidden"]
    assert [client.sees_content for client in found.values()] == [True, True, False, False]
    assert found[Limits(content=False)].settings.user == "reader"
    assert stores.client(Limits("acme")) is found[Limits("acme")]
    for limits in (Limits("globex"), Limits("globex", content=False), Limits("Acme")):
        with pytest.raises(NotAllowed, match="SIGHTLINE_STORE_KEYS_FILE has no key of the store for tenant"):
            stores.client(limits)
    with pytest.raises(NotAllowed, match="for all tenants, no content"):
        Stores(StoreSettings(password="all"), None).client(Limits(content=False))
    stores.close()


def test_a_file_of_keys_is_its_owners_alone_and_shows_no_key(tmp_path: Path) -> None:
    """Neither in the message about what is wrong with it."""
    with pytest.raises(AccessInvalid, match="others may open"):
        _stores(tmp_path, '[[keys]]\ntenant = "a"\nkey = "secret"\n', 0o640)
    for text in (
        '[[keys]]\nkey = "secret"\n',
        '[[keys]]\ntenant = "a"\nkey = ["secret"]\n',
        '[[keys]]\ntenant = "a"\nkey = "secret"\n[[keys]]\ntenant = "a"\nkey = "secret"\n',
        '[[keys]]\ntenant = "a"\nkey = "secret"\nkeys = "secret"\n',
    ):
        with pytest.raises(AccessInvalid) as refused:
            _stores(tmp_path, text)
        assert "secret" not in str(refused.value)
