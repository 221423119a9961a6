"""What a reader may use: the lists of `reader_allowed.toml`, each with its reason. Everything else is refused."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources


@dataclass(frozen=True)
class Allowed:
    """Names by kind, spelled as the engine spells them."""

    functions: frozenset[str]
    """By their own names, not by aliases or with combinators."""
    resolved_functions: frozenset[str]
    """Those that only the analyzer writes, into a resolved tree; no statement may call them."""
    admin_get_functions: frozenset[str]
    """Those that describe the host: an admin's GET may call them, a reader may not."""
    table_functions: frozenset[str]
    """In lower case."""
    table_engines: frozenset[str]
    system_tables: frozenset[str]
    tenant_system_tables: frozenset[str]
    """Those of them that a tenant's key may read."""
    tenant_system_columns: frozenset[str]
    """The columns that a tenant's key may read of those that tell of the reader's tables."""
    output_formats: frozenset[str]
    input_formats: frozenset[str]
    """Of data that are sent beside a query."""
    settings: frozenset[str]
    ignored_settings: frozenset[str]
    """Those that are accepted and dropped."""


@lru_cache(maxsize=1)
def allowed() -> Allowed:
    """The lists of this version.

    Raises:
        ValueError: a list has no reason, or a name stands in it twice.
    """
    text = resources.files(__package__).joinpath("reader_allowed.toml").read_text(encoding="utf-8")
    lists = tomllib.loads(text)
    names_by_kind: dict[str, frozenset[str]] = {}
    for kind in (field.name for field in fields(Allowed)):
        names: list[str] = []
        for group in lists[kind]:
            if not group["reason"]:
                raise ValueError(f"reader_allowed.toml: a list of {kind} has no reason")
            names += group["names"]
        if len(set(names)) != len(names):
            raise ValueError(f"reader_allowed.toml: a name stands twice among {kind}")
        names_by_kind[kind] = frozenset(names)
    return Allowed(**names_by_kind)
