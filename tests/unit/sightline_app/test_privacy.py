"""Masking and unmasking, national ids, and what a provider may see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_app.errors import MissingExtra, ResidencyFileInvalid
from sightline_app.privacy.finder import ALL_KINDS, Found, find
from sightline_app.privacy.placeholders import Placeholders, Unmasking
from sightline_app.privacy.presidio import PresidioNames
from sightline_app.privacy.residency import Residency, Sees
from sightline_app.privacy.residency_file import read_residency
from sightline_app.settings import AppSettings, GuardrailSettings

KINDS = ("email", "phone", "iban", "card", "ip", "national_id", "secret")
VALUES = [
    "maria@clinic.example",
    "+49 171 1234567",
    "DE89 3704 0044 0532 0130 00",
    "4111-1111-1111-1111",
    "10.20.30.40",
]
LOOKALIKES = ["<EMAIL_1>", "<TEXT_1>", "<EMAIL_", "<", "<<PHONE_2>", "<NATIONAL_ID_1>", "<a href='x'>"]
texts = st.lists(st.sampled_from([*VALUES, *LOOKALIKES, " ", "and", "\n"]) | st.text(max_size=4), max_size=10).map(
    " ".join
)


@given(texts, texts)
def test_unmasking_gives_the_text_back(first: str, second: str) -> None:
    """Several texts of one request share placeholders, and each comes back as it was."""
    placeholders = Placeholders(KINDS)
    masked = [placeholders.mask(text) for text in (first, second)]
    assert [placeholders.unmask(text) for text in masked] == [first, second]
    for value in VALUES:
        assert value not in " ".join(masked)


@given(texts, st.lists(st.integers(1, 9), max_size=40))
def test_stream_is_unmasked_whatever_its_chunks(text: str, sizes: list[int]) -> None:
    """A placeholder that is split between chunks comes back whole."""
    placeholders = Placeholders(KINDS)
    left = placeholders.mask(text)
    masked, out, stream = left, "", Unmasking(placeholders)
    for size in sizes:
        out += stream.feed(left[:size])
        left = left[size:]
    out += stream.feed(left) + stream.finish()
    assert out == placeholders.unmask(masked) == text


def test_same_value_has_one_placeholder_and_only_a_possible_one_waits() -> None:
    """The model can tell people apart, and words leave at once."""
    placeholders = Placeholders({"email"})
    assert placeholders.mask("a@b.example to c@d.example, not a@b.example") == "<EMAIL_1> to <EMAIL_2>, not <EMAIL_1>"
    assert placeholders.counts == {"email": 2}
    stream = Unmasking(placeholders)
    assert [stream.feed(piece) for piece in ("if a ", "< b: <EM", "AIL_2", "> is")] == [
        "if a ",
        "< b: ",
        "",
        "c@d.example is",
    ]
    assert Unmasking(Placeholders(())).feed("<") == "<"


def test_names_come_from_an_engine() -> None:
    """What the engine recognizes is masked beside what the rules recognize, which win where both match."""

    def names(text: str) -> list[Found]:
        at = text.find("Maria")
        return [Found("name", at, at + 5)] if at >= 0 else []

    placeholders = Placeholders({"name", "email"}, names)
    assert placeholders.mask("Maria has Maria@x.example") == "<NAME_1> has <EMAIL_1>"


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("536-22-8712", True), ("666-22-8712", False), ("536-00-8712", False),
        ("AB 12 34 56 C", True), ("BG123456C", False), ("86095742719", True), ("86095742710", False),
        ("44051401359", True), ("44051401358", False), ("2 55 08 14 168 025 38", True), ("255081416802539", False),
        ("12345678Z", True), ("12345678A", False), ("X1234567L", True), ("RSSMRA85T10A562S", True),
        ("RSSMRA85T10A562T", False), ("811228-9874", True), ("811228-9873", False), ("756.9217.0769.85", True),
        ("756.9217.0769.84", False), ("529.982.247-25", True), ("529.982.247-26", False), ("111.111.111-11", False),
        ("2341 2341 2346", True), ("2341 2341 2347", False),
    ],
)  # fmt: skip
def test_national_ids_are_checked(number: str, right: bool) -> None:
    """Each form is recognized with its check alone: another last digit is no id."""
    found = find(f"id {number} here", {"national_id"})
    assert bool(found) == right
    assert not right or (found[0].start, found[0].end) == (3, 3 + len(number))


RULES = """
[providers.local]
url = "http://127.0.0.1"
region = "de"
[providers.cloud]
url = "https://api.cloud.example"
region = "us"
[providers.cloud-eu]
url = "https://api.cloud.example/eu"
region = "fr"
[defaults]
region = "de"
[tenants.acme]
region = "de"
in_country = true
[tenants.globex]
region = "fr"
kinds = ["email"]
regions = { us = "nothing" }
providers = { local = "all" }
"""


def write(folder: Path, text: str, name: str = "rules.toml") -> Path:
    """A file of rules."""
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("tenant", "url", "sees"),
    [
        ("anybody", "http://127.0.0.1:8081/v1", Sees.ALL),
        ("anybody", "https://api.cloud.example/v1", Sees.MASKED),
        ("anybody", "https://elsewhere.example", Sees.MASKED),
        ("acme", "http://127.0.0.1:8081/v1", Sees.ALL),
        ("acme", "https://api.cloud.example/v1", Sees.NOTHING),
        ("acme", "https://api.cloud.example.evil.example/v1", Sees.NOTHING),
        ("acme", "http://127.0.0.100/v1", Sees.NOTHING),
        ("globex", "https://api.cloud.example/v1", Sees.NOTHING),
        ("globex", "https://api.cloud.example/eu/v1", Sees.ALL),
        ("globex", "http://127.0.0.1:8081/v1", Sees.ALL),
    ],
)
def test_most_exact_rule_decides_what_a_provider_sees(tmp_path: Path, tenant: str, url: str, sees: Sees) -> None:
    """Provider before region before the tenant's own region; a tenant that is in-country sends nothing elsewhere."""
    ruling = read_residency(write(tmp_path, RULES)).ruling(tenant, url)
    assert ruling.sees is sees
    assert ruling.reason
    assert bool(ruling.kinds) == (sees is Sees.MASKED)


def test_without_rules_everything_is_seen() -> None:
    """No file, no masking."""
    assert Residency().ruling("acme", "https://api.cloud.example").sees is Sees.ALL


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    """The ending of the file decides."""
    rules = {"providers": {"p": {"url": "https://p.example", "region": "us"}}, "defaults": {"region": "us"}}
    read = read_residency(write(tmp_path, json.dumps(rules), "rules.json"))
    assert read.ruling("x", "https://p.example/v1").sees is Sees.ALL


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[providers.p\n", "line 1"),
        ("tenant = 1", "tenant"),
        ("[providers.p]\nurl = 'p.example'\nregion = 'us'", "providers.p.url"),
        ("[providers.p]\nurl = 'https://p.example'", "providers.p.region"),
        ("[defaults]\nregion = 'de'\noutside = 'some'", "defaults.outside"),
        ("[defaults]\nregion = 'de'\nkinds = ['mail']", "defaults.kinds"),
        ("[tenants.a]\nregion = 5", "tenants.a.region"),
        ("[tenants.a]\nregion = 'de'\nin_country = 'yes'", "tenants.a.in_country"),
        ("[tenants.a]\nregion = 'de'\nin_country = true\noutside = 'all'", "tenants.a.outside"),
        ("[tenants.a]\nregion = 'de'\nproviders = { q = 'all' }", "tenants.a.providers.q"),
        ("[tenants.a]\nregion = 'de'\nregion_list = []", "tenants.a.region_list"),
        ("providers = 3", "providers"),
    ],
)
def test_rules_that_cannot_be_used_are_named(tmp_path: Path, text: str, names: str) -> None:
    """The error has the file, and the line or the key."""
    path = write(tmp_path, text)
    with pytest.raises(ResidencyFileInvalid, match=names) as caught:
        read_residency(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_broken_json_are_named(tmp_path: Path) -> None:
    """The error has the file and the reason."""
    with pytest.raises(ResidencyFileInvalid, match="cannot be read"):
        read_residency(tmp_path / "no.toml")
    with pytest.raises(ResidencyFileInvalid, match="line 2 column"):
        read_residency(write(tmp_path, "{\n]", "rules.json"))


def test_settings_refuse_a_file_of_rules_that_nothing_applies() -> None:
    """Masking that is turned off beside a file of rules would break them silently."""
    with pytest.raises(ValueError, match="SIGHTLINE_APP_MASK"):
        AppSettings.from_env({"SIGHTLINE_APP_MASK": "off", "SIGHTLINE_APP_RESIDENCY_FILE": "rules.toml"})


def test_engines_that_are_not_installed_name_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the setting and what to install."""
    from sightline_app.stages.guard_input import InputGuard

    for name in ("presidio_analyzer", "nemoguardrails"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingExtra, match=r"SIGHTLINE_APP_NAMES .*sightline-platform\[presidio\]"):
        PresidioNames("en_core_web_sm", "en", 0.5)
    with pytest.raises(MissingExtra, match=r"SIGHTLINE_APP_GUARD_ENGINE .*sightline-platform\[nemo\]"):
        InputGuard(GuardrailSettings(engine="nemo"))


def test_every_kind_can_be_set() -> None:
    """The kinds of the settings are those that are recognized."""
    assert AppSettings.from_env({"SIGHTLINE_APP_MASK_KINDS": ",".join(ALL_KINDS)}).privacy.mask_kinds == ALL_KINDS
