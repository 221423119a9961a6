"""The one way to declare settings: reading, checks, messages."""

from __future__ import annotations

import enum
from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import (
    SettingInvalid,
    Settings,
    as_text,
    field_kinds,
    is_http_url,
    lower_names,
    need_of,
    setting,
)


class _Level(enum.StrEnum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True)
class _Inner(Settings):
    share: float = setting("SIGHTLINE_X_SHARE", 1.0, "Share", above=0, at_most=1)


@dataclass(frozen=True, kw_only=True)
class _Settings(Settings):
    text: str = setting("SIGHTLINE_X_TEXT", "default", "Text")
    count: int = setting("SIGHTLINE_X_COUNT", 5, "Count", at_least=0, at_most=10)
    size_bytes: int = setting("SIGHTLINE_X_SIZE_BYTES", 1024, "Bytes")
    wait_s: float = setting("SIGHTLINE_X_WAIT_S", 0.5, "Seconds", above=0)
    is_on: bool = setting("SIGHTLINE_X_IS_ON", False, "Whether")
    level: _Level = setting("SIGHTLINE_X_LEVEL", _Level.LOW, "Level")
    mode: str = setting("SIGHTLINE_X_MODE", "auto", "Mode", choices=("auto", "off"))
    kinds: tuple[str, ...] = setting("SIGHTLINE_X_KINDS", (), "Kinds", choices=("a", "b"), read=lower_names)
    words: tuple[str, ...] = setting(("SIGHTLINE_X_WORDS", "SIGHTLINE_Y_WORDS"), ("one",), "Words")
    folder: Path | None = setting("SIGHTLINE_X_FOLDER", None, "Folder")
    folders: tuple[Path, ...] = setting("SIGHTLINE_X_FOLDERS", (), "Folders")
    url: str = setting("SIGHTLINE_X_URL", "", "Address", check=is_http_url, need="an address such as http://a:1")
    password: str = setting(
        "SIGHTLINE_X_PASSWORD", "", "Password", read=str, secret=True, check=lambda text: len(text) > 3
    )
    topic: str = setting("SIGHTLINE_X_TOPIC", "spans", "Topic", empty_is_value=True)
    inner: _Inner = field(default_factory=_Inner)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text == self.mode:
            raise self.invalid("text", f"another text than {self.variable('mode')}")


def _read(**variables: str) -> _Settings:
    return _Settings.from_env({f"SIGHTLINE_X_{name}": text for name, text in variables.items()})


def test_an_empty_environment_gives_the_defaults() -> None:
    """No variable is needed."""
    assert _Settings.from_env({}) == _Settings()


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_blank_counts_as_unset_unless_nothing_is_a_value(text: str) -> None:
    """A variable without content keeps the default; a topic may be switched off by one."""
    names = ("TEXT", "COUNT", "WAIT_S", "IS_ON", "LEVEL", "MODE", "KINDS", "WORDS", "FOLDER", "FOLDERS", "URL")
    assert _read(**dict.fromkeys(names, text), PASSWORD=text) == _Settings()
    assert _read(TOPIC=text).topic == ""


def test_each_type_is_read_from_its_text() -> None:
    """The field's type decides how a text is read; blanks around it do not count."""
    settings = _read(TEXT=" käse ", COUNT=" 7 ", WAIT_S="1e1", IS_ON="Yes", LEVEL="high", MODE="off", FOLDER="/a b/c")
    assert (settings.text, settings.count, settings.wait_s, settings.is_on) == ("käse", 7, 10.0, True)
    assert (settings.level, settings.mode, settings.folder) == (_Level.HIGH, "off", Path("/a b/c"))
    assert _read(FOLDER="~/x").folder == Path.home() / "x"
    assert _read(FOLDERS="/a:: /b :/a").folders == (Path("/a"), Path("/b"))
    assert _read(SIZE_BYTES="1e9").size_bytes == 10**9
    assert _read(SIZE_BYTES="9007199254740993").size_bytes == 9007199254740993


def test_names_keep_their_order_and_lose_repetitions() -> None:
    """A list with blanks and repetitions holds each name once."""
    assert _read(WORDS=" b, a,,b , ü").words == ("b", "a", "ü")
    assert _read(KINDS="B,a,b").kinds == ("b", "a")


def test_the_first_variable_that_is_set_counts() -> None:
    """A blank one lets the next speak; a wrong value is named by the variable that holds it."""
    assert _Settings.from_env({"SIGHTLINE_X_WORDS": " ", "SIGHTLINE_Y_WORDS": "y"}).words == ("y",)
    assert _Settings.from_env({"SIGHTLINE_X_WORDS": "x", "SIGHTLINE_Y_WORDS": "y"}).words == ("x",)


@pytest.mark.parametrize(
    ("name", "text", "need"),
    [
        ("COUNT", "many", "a whole number from 0 to 10"),
        ("COUNT", "-1", "a whole number from 0 to 10"),
        ("COUNT", "11", "a whole number from 0 to 10"),
        ("COUNT", "1.5", "a whole number from 0 to 10"),
        ("COUNT", "٣", "a whole number from 0 to 10"),
        ("COUNT", "0x3", "a whole number from 0 to 10"),
        ("SIZE_BYTES", "9" * 5000, "a whole number"),
        ("SIZE_BYTES", "9223372036854775808", "a whole number"),
        ("SIZE_BYTES", "1e300", "a whole number"),
        ("WAIT_S", "nan", "a number above 0"),
        ("WAIT_S", "inf", "a number above 0"),
        ("WAIT_S", "-Infinity", "a number above 0"),
        ("WAIT_S", "1e400", "a number above 0"),
        ("WAIT_S", "0", "a number above 0"),
        ("WAIT_S", "५", "a number above 0"),
        ("SHARE", "1.01", "a number above 0 and at most 1"),
        ("IS_ON", "perhaps", "true or false"),
        ("LEVEL", "middle", "low or high"),
        ("MODE", "AUTO", "auto or off"),
        ("KINDS", "a,c", "any of a, b, with commas between"),
        ("URL", "localhost:80", "an address such as http://a:1"),
        ("URL", "http://[::1", "an address such as http://a:1"),
        ("TEXT", "auto", "another text than SIGHTLINE_X_MODE"),
    ],
)
def test_a_wrong_value_is_refused_with_variable_value_and_need(name: str, text: str, need: str) -> None:
    """The message holds all that is needed to mend the setting."""
    with pytest.raises(SettingInvalid) as caught:
        _read(**{name: text})
    assert str(caught.value) == f"SIGHTLINE_X_{name} is {text!r}; needs {need}"
    assert (caught.value.variable, caught.value.value) == (f"SIGHTLINE_X_{name}", text)


@pytest.mark.parametrize(
    "values", [{"count": 11}, {"wait_s": float("nan")}, {"mode": "on"}, {"kinds": ("c",)}, {"url": "x"}]
)
def test_rules_hold_without_an_environment_too(values: dict[str, Any]) -> None:
    """Settings that a caller makes are checked as those that are read."""
    with pytest.raises(SettingInvalid, match=f"SIGHTLINE_X_{next(iter(values)).upper()}"):
        _Settings(**values)


def test_a_secret_is_read_as_it_is_and_shown_nowhere() -> None:
    """Blanks belong to a password; neither repr nor an error shows it."""
    settings = _read(PASSWORD=" secret ")
    assert settings.password == " secret "
    assert "secret" not in repr(settings)
    with pytest.raises(SettingInvalid) as caught:
        _read(PASSWORD="abc")
    assert "abc" not in f"{caught.value!r} {caught.value.value}"


def test_options_win_over_variables_and_none_is_no_option() -> None:
    """Command line over environment over default."""
    env = {"SIGHTLINE_X_COUNT": "1", "SIGHTLINE_X_TEXT": "t"}
    settings = _Settings.from_env(env, count=2, text=None)
    assert (settings.count, settings.text) == (2, "t")
    assert _Settings.from_env({"SIGHTLINE_X_COUNT": "no number"}, count=2).count == 2


def test_settings_within_settings_are_read_along_and_frozen() -> None:
    """One object holds all of a role, and nobody changes it."""
    settings = _read(SHARE="0.25")
    assert settings.inner == _Inner(share=0.25)
    with pytest.raises(FrozenInstanceError):
        settings.count = 1  # type: ignore[misc]


def test_a_package_raises_its_own_error() -> None:
    """What a command catches is what its settings raise."""

    class _Refused(Exception):
        pass

    @dataclass(frozen=True, kw_only=True)
    class _Own(_Settings):
        @classmethod
        def error(cls, variable: str, value: str, need: str) -> Exception:
            return _Refused(variable, value, need)

    with pytest.raises(_Refused):
        _Own.from_env({"SIGHTLINE_X_COUNT": "many"})
    with pytest.raises(_Refused):
        _Own(count=11)


def test_inherited_variables_begin_with_the_prefix_of_their_role() -> None:
    """Several roles have a port; each reads its own variables."""

    @dataclass(frozen=True, kw_only=True)
    class _Role(PortSettings):
        prefix = "SIGHTLINE_X_"

    settings = _Role.from_env(
        {"SIGHTLINE_X_ALLOWED_HOSTS": "A.example,*.b.example", "SIGHTLINE_X_MAX_CONNECTIONS": "3"}
    )
    assert (settings.allowed_hosts, settings.max_connections) == (("a.example", "*.b.example"), 3)
    for name, text in (("MAX_CONNECTIONS", "0"), ("ALLOWED_HOSTS", "http://a"), ("IDLE_TIMEOUT_S", "0")):
        with pytest.raises(SettingInvalid, match=f"SIGHTLINE_X_{name} is {text!r}"):
            _Role.from_env({f"SIGHTLINE_X_{name}": text})


@given(st.integers(0, 10), st.floats(0.001, 1e12), st.booleans(), st.lists(st.sampled_from(["a", "b"]), unique=True))
def test_what_is_written_as_text_is_read_back(count: int, wait_s: float, is_on: bool, kinds: list[str]) -> None:
    """`as_text` writes what `from_env` reads."""
    settings = _Settings(count=count, wait_s=wait_s, is_on=is_on, kinds=tuple(kinds))
    names = ("count", "wait_s", "is_on", "kinds", "level", "folders")
    assert _read(**{name.upper(): as_text(getattr(settings, name)) for name in names}) == settings


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",))))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    """No text of a variable ends in another error."""
    for name in ("COUNT", "SIZE_BYTES", "WAIT_S", "IS_ON", "LEVEL", "MODE", "KINDS", "WORDS", "URL"):
        refused = ""
        try:
            _read(**{name: text})
        except SettingInvalid as exc:
            refused = exc.variable
        assert refused in {"", f"SIGHTLINE_X_{name}"}


def test_needs_are_said_in_words() -> None:
    """The page and the messages say the same."""
    kinds = field_kinds(_Settings)
    needs = {name: need_of(kinds[name], _Settings.__dataclass_fields__[name].metadata) for name in ("words", "folder")}
    assert needs == {"words": "names with commas between", "folder": "a path"}
