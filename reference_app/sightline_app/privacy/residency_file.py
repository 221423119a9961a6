"""Reads the file of residency rules and refuses what it does not understand, with file and key or line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sightline_app.errors import ResidencyFileInvalid
from sightline_app.privacy.finder import ALL_KINDS, PERSONAL_KINDS
from sightline_app.privacy.residency import Provider, Residency, Sees, TenantRule

_RULE_KEYS: Final = ("region", "outside", "kinds", "in_country", "regions", "providers")


def read_residency(path: Path) -> Residency:
    """Read rules; the form is shown in :mod:`sightline_app.privacy.residency`.

    Raises:
        ResidencyFileInvalid: the file is missing, is not TOML or JSON by its ending, or a key cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ResidencyFileInvalid(path, "", f"cannot be read: {exc}") from exc
    parse: Callable[[str], Any] = json.loads if path.suffix == ".json" else tomllib.loads
    try:
        parsed = parse(text)
    except (ValueError, RecursionError) as exc:  # both parsers say line and column
        raise ResidencyFileInvalid(path, "", f"is not {'JSON' if path.suffix == '.json' else 'TOML'}: {exc}") from exc
    return _Reader(path).residency(parsed)


class _Reader:
    """Checks each value and names its key in errors."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def residency(self, parsed: Any) -> Residency:
        top = self._table(parsed, "", {"providers", "defaults", "tenants"})
        providers = tuple(
            self._provider(name, table, f"providers.{name}")
            for name, table in self._table(top.get("providers", {}), "providers").items()
        )
        names = {each.name for each in providers}
        defaults = self._rule(top["defaults"], "defaults", None, names) if "defaults" in top else None
        tenants = {
            name: self._rule(table, f"tenants.{name}", defaults, names)
            for name, table in self._table(top.get("tenants", {}), "tenants").items()
        }
        return Residency(providers, defaults, tenants)

    def _provider(self, name: str, table: Any, key: str) -> Provider:
        values = self._table(table, key, {"url", "region"})
        url = self._text(values, "url", key)
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise self._invalid(f"{key}.url", f"is {url!r}; needs an address such as https://api.example.com") from exc
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise self._invalid(f"{key}.url", f"is {url!r}; needs an address such as https://api.example.com")
        return Provider(name, url.rstrip("/"), self._text(values, "region", key))

    def _rule(self, table: Any, key: str, defaults: TenantRule | None, providers: Collection[str]) -> TenantRule:
        values = self._table(table, key, set(_RULE_KEYS))
        in_country = values.get("in_country", False)
        if not isinstance(in_country, bool):
            raise self._invalid(f"{key}.in_country", f"is {in_country!r}; needs true or false")
        if in_country and "outside" in values:
            raise self._invalid(f"{key}.outside", "has no effect beside in_country = true; remove one of them")
        by_provider = self._sees_table(values.get("providers", {}), f"{key}.providers")
        for name in by_provider:
            if name not in providers:
                raise self._invalid(f"{key}.providers.{name}", f"is no provider; known: {', '.join(sorted(providers))}")
        default_outside = defaults.outside if defaults else Sees.MASKED
        default_kinds = defaults.kinds if defaults else (*PERSONAL_KINDS, "secret")
        return TenantRule(
            region=self._text(values, "region", key),
            kinds=self._kinds(values["kinds"], f"{key}.kinds") if "kinds" in values else default_kinds,
            outside=self._sees(values["outside"], f"{key}.outside") if "outside" in values else default_outside,
            in_country=in_country,
            regions=self._sees_table(values.get("regions", {}), f"{key}.regions"),
            providers=by_provider,
        )

    def _kinds(self, value: Any, key: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(each in ALL_KINDS for each in value):
            raise self._invalid(key, f"is {value!r}; needs a list of {', '.join(ALL_KINDS)}")
        return tuple(dict.fromkeys(value))

    def _sees_table(self, value: Any, key: str) -> Mapping[str, Sees]:
        return {name: self._sees(each, f"{key}.{name}") for name, each in self._table(value, key).items()}

    def _sees(self, value: Any, key: str) -> Sees:
        try:
            return Sees(value)
        except ValueError as exc:
            raise self._invalid(key, f"is {value!r}; needs {' or '.join(Sees)}") from exc

    def _text(self, values: Mapping[str, Any], name: str, key: str) -> str:
        value = values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._invalid(f"{key}.{name}", "is missing" if value is None else f"is {value!r}; needs a text")
        return value.strip()

    def _table(self, value: Any, key: str, allowed: Collection[str] | None = None) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._invalid(key, f"is {value!r}; needs a table")
        for name in value:
            if allowed is not None and name not in allowed:
                where = f"{key}.{name}" if key else name
                raise self._invalid(where, f"is no key here; known: {', '.join(sorted(allowed))}")
        return value

    def _invalid(self, key: str, problem: str) -> ResidencyFileInvalid:
        return ResidencyFileInvalid(self._path, key, problem)
