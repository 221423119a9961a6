"""How a role declares its settings, and how they are read from the environment, once, at the entry point.

A field says everything about its setting: variable, default, meaning with unit, and which values can work. Reading,
checking, the messages and `docs/settings.md` are made from that.

    @dataclass(frozen=True, kw_only=True)
    class NodeSettings(Settings):
        port: int = setting("SIGHTLINE_STORE_PORT", 8123, "Port of the HTTP interface", at_least=0, at_most=65535)

What belongs to several fields is checked in `__post_init__`, after `super().__post_init__()`, with `self.invalid(...)`.
The variables of a class that several roles inherit begin with `{prefix}`; each role sets its own `prefix`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

_T = TypeVar("_T")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_MAX_INT = 2**63 - 1
_HIDDEN = "***"


class SettingInvalid(ValueError):
    """A setting has a value that cannot be used. Never retry; the message names variable, value and need."""

    def __init__(self, variable: str, value: str, need: str) -> None:
        super().__init__(f"{variable} is {value!r}; needs {need}")
        self.variable = variable
        self.value = value


def setting(
    variables: str | tuple[str, ...],
    default: _T,
    doc: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    choices: Iterable[str] = (),
    read: Callable[[str], _T] | None = None,
    check: Callable[[Any], bool] | None = None,
    need: str = "",
    default_text: str = "",
    secret: bool = False,
    empty_is_value: bool = False,
) -> _T:
    """Declare a field of a settings class.

    Args:
        variables: environment variable; of several, the first that is set counts.
        default: value without a variable. It is not checked.
        doc: what it is, with its unit; the default and the values that can work are added on the page.
        at_least: smallest number.
        above: number that it must exceed.
        at_most: largest number.
        choices: the only texts that can work; of a tuple, for each of its names.
        read: makes the value from the variable's text, or raises ValueError; otherwise the field's type decides.
        check: whether a value can work.
        need: what `read` and `check` ask for, such as "an address such as http://127.0.0.1:8123".
        default_text: what the page says of the default, where the value does not say it.
        secret: never shown: neither in `repr` nor in a message.
        empty_is_value: a variable that is set to nothing is the empty text; otherwise it counts as unset.
    """
    rules = {
        "env": (variables,) if isinstance(variables, str) else variables,
        "doc": doc,
        "at_least": at_least,
        "above": above,
        "at_most": at_most,
        "choices": tuple(choices),
        "read": read,
        "check": check,
        "need": need,
        "default_text": default_text,
        "secret": secret,
        "empty_is_value": empty_is_value,
    }
    return dataclasses.field(default=default, repr=not secret, metadata=rules)


@dataclass(frozen=True)
class Settings:
    """Base of the settings classes; a field whose type is a settings class itself is read along."""

    prefix: ClassVar[str] = ""
    """Replaces `{prefix}` in the names of variables."""

    def __post_init__(self) -> None:
        """Refuse a value that its field's rules do not allow, naming the variable."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if (
                "env" in field.metadata
                and value is not None
                and value != field.default
                and not _is_allowed(field, value)
            ):
                raise self.invalid(field.name)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """Read the variables of all fields; what is absent, empty or blank keeps its default.

        Args:
            env: the environment.
            options: values by field name that win over the environment; None counts as not given.

        Raises:
            SettingInvalid: or the package's own error: a value cannot be used.
        """
        kinds = field_kinds(cls)
        values = {name: value for name, value in options.items() if value is not None}
        for field in dataclasses.fields(cls):
            kind = kinds[field.name]
            if field.name in values:
                continue
            if "env" not in field.metadata:
                if isinstance(kind, type) and issubclass(kind, Settings):
                    values[field.name] = kind.from_env(env)
                continue
            for variable in cls.variables(field.name):
                text = env.get(variable)
                if text is None or not (text.strip() or field.metadata["empty_is_value"]):
                    continue
                try:
                    values[field.name] = (field.metadata["read"] or functools.partial(_read, kind))(text)
                except ValueError as exc:
                    raise cls.error(variable, _shown(field, text), need_of(kind, field.metadata)) from exc
                break
        return cls(**values)

    @classmethod
    def error(cls, variable: str, value: str, need: str) -> Exception:
        """The error for a value that cannot be used; a package may have its own type."""
        return SettingInvalid(variable, value, need)

    @classmethod
    def variables(cls, name: str) -> tuple[str, ...]:
        """The variables of a field, the strongest first."""
        env: tuple[str, ...] = cls.__dataclass_fields__[name].metadata["env"]
        return tuple(variable.replace("{prefix}", cls.prefix) for variable in env)

    @classmethod
    def variable(cls, name: str) -> str:
        """The variable of a field."""
        return cls.variables(name)[0]

    def invalid(self, name: str, need: str = "") -> Exception:
        """The error for a field's value, to be raised.

        Args:
            name: the field.
            need: what it needs; without it, what its rules say.
        """
        field = self.__dataclass_fields__[name]
        shown = _shown(field, as_text(getattr(self, name)))
        return self.error(self.variable(name), shown, need or need_of(field_kinds(type(self))[name], field.metadata))


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between; blank ones and repetitions are left out."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def lower_names(text: str) -> tuple[str, ...]:
    """Read names with commas between, in lower case."""
    return names(text.lower())


def is_http_url(text: str) -> bool:
    """Whether a text is an address with scheme and host, of HTTP."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def need_of(kind: Any, rules: Mapping[str, Any]) -> str:
    """What a setting needs, in words; for the message of an error and for the page.

    Args:
        kind: the field's type, without None.
        rules: the field's metadata.
    """
    if rules.get("need"):
        return str(rules["need"])
    is_tuple = typing.get_origin(kind) is tuple
    choices = rules.get("choices") or (tuple(kind) if isinstance(kind, type) and issubclass(kind, enum.Enum) else ())
    if choices:
        listed = [str(choice) for choice in choices]
        return f"any of {', '.join(listed)}, with commas between" if is_tuple else _alternatives(listed)
    if kind is bool:
        return "true or false"
    if kind in {int, float}:
        return ("a whole number" if kind is int else "a number") + _range(rules)
    if is_tuple:
        return f"paths with {os.pathsep!r} between" if typing.get_args(kind)[0] is Path else "names with commas between"
    return "a path" if kind is Path else "text"


def as_text(value: Any) -> str:
    """A value as it is written into a variable."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _MAX_INT else repr(value)
    if isinstance(value, tuple):
        between = os.pathsep if value and isinstance(value[0], Path) else ","
        return between.join(as_text(part) for part in value)
    return str(value.value) if isinstance(value, enum.Enum) else str(value)


def field_kinds(settings: type) -> dict[str, Any]:
    """The type of each field of a settings class, without None."""
    return {name: _without_none(hint) for name, hint in typing.get_type_hints(settings).items()}


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _shown(field: dataclasses.Field[Any], text: str) -> str:
    return _HIDDEN if field.metadata["secret"] else text


def _read(kind: Any, raw: str) -> Any:
    text = raw.strip()
    if typing.get_origin(kind) is tuple:
        return _paths(text) if typing.get_args(kind)[0] is Path else names(text)
    return _READERS.get(kind, kind)(text)


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _paths(text: str) -> tuple[Path, ...]:
    paths = (_path(part.strip()).resolve() for part in text.split(os.pathsep) if part.strip())
    return tuple(dict.fromkeys(paths))


def _number(text: str) -> float:
    value = float(text) if text.isascii() else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _whole_number(text: str) -> int:
    try:
        value = int(text) if text.isascii() else None
    except ValueError:
        number = _number(text)
        value = int(number) if number.is_integer() else None
    if value is None or abs(value) > _MAX_INT:
        raise ValueError(text)
    return value


_READERS: dict[Any, Callable[[str], Any]] = {bool: _truth, int: _whole_number, float: _number, Path: _path}


def _is_allowed(field: dataclasses.Field[Any], value: Any) -> bool:
    rules = field.metadata
    if rules["choices"]:
        chosen = value if isinstance(value, tuple) else (value,)
        if not set(chosen) <= set(rules["choices"]):
            return False
    if rules["at_least"] is not None and not value >= rules["at_least"]:
        return False
    if rules["above"] is not None and not value > rules["above"]:
        return False
    if rules["at_most"] is not None and not value <= rules["at_most"]:
        return False
    return rules["check"] is None or bool(rules["check"](value))


def _range(rules: Mapping[str, Any]) -> str:
    least, above, most = (rules.get(name) for name in ("at_least", "above", "at_most"))
    if least is not None and most is not None:
        return f" from {as_text(least)} to {as_text(most)}"
    if above is not None:
        return f" above {as_text(above)}" + ("" if most is None else f" and at most {as_text(most)}")
    if least is not None:
        return f" of at least {as_text(least)}"
    return "" if most is None else f" of at most {as_text(most)}"


def _alternatives(listed: list[str]) -> str:
    return " or ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
