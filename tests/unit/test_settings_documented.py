"""`docs/settings.md` lists every setting of every component, and no other."""

import ast
import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "sightline": "instrumentation",
    "sightline_store": "collector",
    "sightline_node": "collector",
    "sightline_collector": "collector",
    "sightline_dashboards": "dashboards",
    "sightline_evals": "evals",
    "sightline_app": "reference_app",
    "sightline_supervisor": "supervisor",
}
VARIABLE = re.compile(r"(?:SIGHTLINE|OTEL|OPENAI|WEAVIATE)_[A-Z0-9_]*[A-Z0-9]")


class _Recorder(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _settings_classes(package: str) -> list[Any]:
    module = importlib.import_module(f"{package}.settings")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and dataclasses.is_dataclass(value)
        and hasattr(value, "from_env")
        and dataclasses.fields(value)
    ]


def _read_by(settings: Any) -> set[str]:
    env = _Recorder()
    settings.from_env(env)
    return env.asked


def _literals(package: str) -> set[str]:
    """Return our own variables, and those of servers that we name, that stand as strings in a package's code.

    OpenTelemetry's are its own: a package may spell one, for example to leave it out of an environment.
    """
    found = set()
    for path in (ROOT / PACKAGES[package] / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                found.add(node.value)
    return {name for name in found if not name.startswith("OTEL_")}


def _documented() -> set[str]:
    return set(VARIABLE.findall((ROOT / "docs" / "settings.md").read_text()))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_setting_is_documented(package: str) -> None:
    """What a settings class reads, and any variable that is spelled in the code, stands in docs/settings.md."""
    classes = _settings_classes(package)
    assert classes, f"{package}.settings has no settings class with from_env"
    read = set().union(*(_read_by(settings) for settings in classes)) | _literals(package)
    assert not read - _documented()


def test_nothing_is_documented_that_nobody_reads() -> None:
    """A name in docs/settings.md that no component knows is a mistake or a leftover."""
    known = set().union(
        *(_read_by(settings) for package in PACKAGES for settings in _settings_classes(package)),
        *(_literals(package) for package in PACKAGES),
    )
    assert not _documented() - known


def test_page_is_up_to_date() -> None:
    """Defaults and meanings on the page are those of the classes; `make settings` writes them anew."""
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "docs" / "settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert (ROOT / "docs" / "settings.md").read_text() == writer.page(), "run `make settings`"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_field_says_what_it_is(package: str) -> None:
    """Each field of a settings class carries a docstring."""
    tree = ast.parse((ROOT / PACKAGES[package] / package / "settings.py").read_text())
    names = {settings.__name__ for settings in _settings_classes(package)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in names:
            for field, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                    assert said, f"{node.name}.{field.target.id} has no docstring"
