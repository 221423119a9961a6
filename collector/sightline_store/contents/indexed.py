"""Attributes whose keys hold a number, `PREFIX.N.rest`, as the list that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_LEVELS = 12


def listed(attributes: Mapping[str, str], prefix: str) -> list[Any]:
    """The elements PREFIX.N in the order of N, each an object, a list or a text; [] where there are none."""
    tree: dict[str, Any] = {}
    start = f"{prefix}."
    for key in attributes:
        if key.startswith(start):
            _put(tree, key[len(start) :].split("."), attributes[key])
    elements = _shaped(tree)
    return elements if isinstance(elements, list) else []


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    if len(path) > _MAX_LEVELS:
        path = [*path[: _MAX_LEVELS - 1], ".".join(path[_MAX_LEVELS - 1 :])]
    for name in path[:-1]:
        inner = tree.get(name)
        if not isinstance(inner, dict):
            inner = {} if inner is None else {"": inner}
            tree[name] = inner
        tree = inner
    if isinstance(tree.get(path[-1]), dict):
        tree[path[-1]][""] = value
    else:
        tree[path[-1]] = value


def _shaped(tree: dict[str, Any]) -> Any:
    """Objects whose members are all numbers become lists."""
    members = {name: _shaped(inner) if isinstance(inner, dict) else inner for name, inner in tree.items()}
    if members and all(name.isascii() and name.isdigit() and len(name) < 10 for name in members):
        return [members[name] for name in sorted(members, key=int)]
    return members
