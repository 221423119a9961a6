"""Write `docs/settings.md` from the settings classes: `make settings`.

Variable, default, values and meaning of a setting are in the metadata of its field, in the library's class and in those
of the roles alike.
"""

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline_roles.settings import Settings, as_text, field_kinds, need_of

PAGE = Path(__file__).with_name("settings.md")
SECTIONS = {
    "sightline": "The library",
    "sightline_collector": "The collector: `sightline-collector serve`",
    "sightline_store": "The store: `sightline-store`",
    "sightline_node": "The embedded ClickHouse: `sightline-store serve`",
    "sightline_dashboards": "The dashboards: `sightline-dashboards`",
    "sightline_mcp": "The MCP server: `sightline-mcp`",
    "sightline_evals": "The evals: `sightline-evals run`",
    "sightline_app": "The reference application, its model server, its Weaviate and its Redis",
    "sightline_supervisor": "The supervisor: `sightline up` and `sightline demo`",
}
HEAD = """\
# Settings

Every setting is an environment variable, read once when a process starts; an empty one counts as unset. Where a row has
several variables, the first that is set counts. Each role reads its own, so the roles can run on different machines.
`sightline up` and `sightline demo` set for their roles whatever connects them (addresses, ports, folders) and pass
everything else on. Command line options win over variables.

This page is written by `make settings` from the settings classes; a test fails when it misses one.
"""


def settings_classes(package: str) -> list[Any]:
    """Return the settings classes of a package, in the order of its `settings`."""
    module = importlib.import_module(f"{package}.settings")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__.startswith(module.__name__) and _settings_fields(value)
    ]


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for package, title in SECTIONS.items():
        parts.append(f"\n## {title}\n")
        for settings in settings_classes(package):
            promise = (inspect.getdoc(settings) or "").replace("``", "`")
            parts.append(f"\n{promise} (`{settings.__name__}`)\n\n")
            parts.append("| variable | default | value | what it sets |\n|---|---|---|---|\n")
            parts.extend(_rows(settings))
    return "".join(parts)


def _settings_fields(settings: Any) -> list[Any]:
    if not dataclasses.is_dataclass(settings):
        return []
    return [field for field in dataclasses.fields(settings) if "env" in field.metadata]


def _rows(settings: Any) -> Iterator[str]:
    kinds = field_kinds(settings)
    for field in _settings_fields(settings):
        rules = field.metadata
        names = settings.variables(field.name) if issubclass(settings, Settings) else rules["env"]
        cells = (
            ", ".join(f"`{name}`" for name in names),
            _default(field),
            need_of(kinds[field.name], rules).replace("*", r"\*"),
            rules["doc"] + (". Secret: never shown" if rules.get("secret") else ""),
        )
        yield f"| {' | '.join(' '.join(cell.replace('|', '&#124;').split()) for cell in cells)} |\n"


def _default(field: Any) -> str:
    if field.metadata.get("default_text"):
        return str(field.metadata["default_text"])
    value = field.default
    if value is None or value == "":
        return "unset"
    if value == ():
        return "none"
    text = as_text(float(value * field.metadata["unit"]) if field.metadata.get("unit") else value)
    home = str(Path.home())
    if isinstance(value, Path) and text.startswith(home):
        text = text.replace(home, "~", 1)
    return f"`{text}`" + (_binary(value) if field.name.endswith("_bytes") else "")


def _binary(size_bytes: int) -> str:
    for exponent, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size_bytes % 1024**exponent == 0:
            return f" ({size_bytes // 1024**exponent} {unit})"
    return ""


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write("docs/settings.md is written\n")
