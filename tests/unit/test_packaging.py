"""The two distributions agree, the library installs light, and every console script exists."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "clickhouse_connect",
    "chdb",
    "streamlit",
    "ragas",
    "pandas",
    "numpy",
    "fastapi",
    "weaviate",
    "openai",
    "httpx",
)


def _project(folder: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return project


def test_versions_agree() -> None:
    """Both distributions carry one version and the platform pins it."""
    library, platform = _project("instrumentation"), _project(".")
    assert library["version"] == platform["version"]
    pins = {r for e in platform["optional-dependencies"].values() for r in e if r.startswith("sightline==")}
    assert pins == {f"sightline=={library['version']}"}


def test_changelog_names_the_version() -> None:
    """People find what is new in the version that they installed."""
    assert f"## [{_project('.')['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_python_versions_agree() -> None:
    """Both distributions support the same interpreters."""
    assert _project("instrumentation")["requires-python"] == _project(".")["requires-python"]


def test_library_depends_on_opentelemetry_only() -> None:
    """Nothing but OpenTelemetry is named in the library's requirements."""
    assert all(r.startswith("opentelemetry-") for r in _project("instrumentation")["dependencies"])


def test_platform_requires_nothing_without_an_extra() -> None:
    """Each role is an extra, because roles run on different machines."""
    assert _project(".")["dependencies"] == []


def test_importing_the_library_loads_nothing_heavy() -> None:
    """`import sightline` in a fresh interpreter touches no platform module."""
    probe = f"import sys, sightline; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("script", _project(".")["scripts"])
def test_console_script_has_its_function(script: str) -> None:
    """Every script of pyproject.toml names a callable that can be imported."""
    module, _, function = _project(".")["scripts"][script].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def _packages() -> list[str]:
    """Return the folders of all import packages of both distributions."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    return ["instrumentation/sightline", *wheel["packages"]]


@pytest.mark.parametrize("folder", _packages())
def test_package_is_typed(folder: str) -> None:
    """Type checkers of users follow the packages."""
    assert (ROOT / folder / "py.typed").is_file()
