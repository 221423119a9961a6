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

from sightline_roles.settings import Settings, field_kinds, setting

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "sightline": "instrumentation",
    "sightline_store": "collector",
    "sightline_node": "collector",
    "sightline_collector": "collector",
    "sightline_dashboards": "dashboards",
    "sightline_mcp": "dashboards",
    "sightline_evals": "evals",
    "sightline_app": "reference_app",
    "sightline_supervisor": "supervisor",
}
_TEMPLATE: Any = setting("SIGHTLINE_X", "", "A setting")
VARIABLE = re.compile(r"(?:SIGHTLINE|OTEL|OPENAI|WEAVIATE|REDIS|MILVUS|PINECONE)_[A-Z0-9_]*[A-Z0-9]")


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


def _page_writer() -> Any:
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "docs" / "settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    return writer


def _settings_classes(package: str) -> list[Any]:
    module = importlib.import_module(f"{package}.settings")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__.startswith(module.__name__)
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
    literals = set()
    for path in (ROOT / PACKAGES[package] / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                literals.add(node.value)
    return {name for name in literals if not name.startswith("OTEL_")}


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
    assert (ROOT / "docs" / "settings.md").read_text() == _page_writer().page(), "run `make settings`"


def test_page_has_a_section_for_each_package_with_settings() -> None:
    """A new package cannot be forgotten on the page, nor in this test."""
    files = [*ROOT.glob("*/sightline*/settings.py"), *ROOT.glob("*/sightline*/settings/__init__.py")]
    with_settings = {str(file.relative_to(ROOT).parts[1]) for file in files} - {"sightline_roles"}
    assert with_settings == set(PACKAGES) == set(_page_writer().SECTIONS)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_field_declares_its_setting(package: str) -> None:
    """Each field of a settings class has a variable and a meaning, or is a settings class itself."""
    known = set(_TEMPLATE.metadata) | {"unit", "path"}
    for settings in _settings_classes(package):
        kinds = field_kinds(settings)
        for field in dataclasses.fields(settings):
            if isinstance(kinds[field.name], type) and issubclass(kinds[field.name], Settings):
                continue
            where = f"{settings.__name__}.{field.name}"
            assert field.metadata.get("env"), f"{where} has no variable"
            assert str(field.metadata["doc"]).strip(), f"{where} has no meaning"
            assert not str(field.metadata["doc"]).endswith("."), f"{where}: the page adds what follows the meaning"
            assert field.default is not dataclasses.MISSING, f"{where} has no default"
            assert set(field.metadata) <= known, f"{where} has rules that the page does not know"


@pytest.mark.parametrize("package", PACKAGES)
def test_empty_and_blank_variables_leave_the_defaults(package: str) -> None:
    """Compose files set variables to nothing; only where a field says so is that a value."""
    for settings in _settings_classes(package):
        read = {name for name in _read_by(settings) if not name.startswith("SIGHTLINE_KAFKA_")}
        default = settings.from_env({})
        assert settings.from_env(dict.fromkeys(read, "")) == default
        assert settings.from_env(dict.fromkeys(read, " \t")) == default


@pytest.mark.parametrize("package", PACKAGES)
def test_every_number_is_refused_by_its_variable_where_it_is_none(package: str) -> None:
    """Neither words nor nan nor infinity become a number, and the message says where they stand."""
    for settings in _settings_classes(package):
        kinds = field_kinds(settings)
        for field in dataclasses.fields(settings):
            if kinds[field.name] not in {int, float}:
                continue
            variable = next(name for name in _variables(settings, field))
            for text in ("many", "nan", "inf", "-inf", "1e999", "1 2"):
                with pytest.raises(Exception, match=variable):
                    settings.from_env({variable: text})


def _variables(settings: Any, field: Any) -> tuple[str, ...]:
    named = settings.variables(field.name) if issubclass(settings, Settings) else field.metadata["env"]
    return tuple(named)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_secret_shows_in_text(package: str) -> None:
    """Settings end up in logs; keys and passwords must not."""
    for settings in _settings_classes(package):
        for field in dataclasses.fields(settings):
            names_a_secret = re.search(r"password|secret|api_key|hash_key$|doctor_key|headers$", field.name)
            assert bool(field.metadata.get("secret")) == bool(names_a_secret), f"{settings.__name__}.{field.name}"
            if names_a_secret:
                read = settings.from_env({_variables(settings, field)[0]: "name=k3y-k3y-k3y-k3y-k3y"})
                assert "k3y" in str(getattr(read, field.name))
                assert "k3y" not in repr(read)
