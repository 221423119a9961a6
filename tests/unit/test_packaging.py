"""The two distributions agree, the library installs light, and every console script exists."""

import importlib
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import distributions
import pytest
from distributions import changelog_section

import sightline

ROOT = Path(__file__).parents[2]


def _project(folder: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return project


def test_versions_agree() -> None:
    """Both distributions carry one version, the library reports it, and the platform pins it."""
    library, platform = _project("instrumentation"), _project(".")
    assert library["version"] == platform["version"] == sightline.__version__
    pins = {r for e in platform["optional-dependencies"].values() for r in e if r.startswith("sightline-sdk")}
    assert pins == {f"sightline-sdk=={library['version']}"}


def test_changelog_names_the_version() -> None:
    """People find what is new in the version that they installed."""
    assert changelog_section(_project(".")["version"])


def test_version_is_written_in_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make version` leaves no file behind: the tag of that version lacks nothing but its section of the changelog."""
    for place in (*distributions.VERSION_PLACES, "CHANGELOG.md"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    monkeypatch.setattr(distributions, "ROOT", tmp_path)
    distributions.set_version("7.8.9")
    (fault,) = distributions.release_faults("v7.8.9")
    assert fault.startswith("CHANGELOG.md: needs a section `## [7.8.9] - YYYY-MM-DD`")
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## [", "## [7.8.9] - 2026-12-01\n\nNew.\n\n## [", 1))
    assert distributions.release_faults("v7.8.9") == []
    assert distributions.changelog_section("7.8.9") == "## [7.8.9] - 2026-12-01\n\nNew."
    assert len(distributions.release_faults("v7.9.0")) == 5
    assert "tag 7.8.9: needs the form vX.Y.Z" in distributions.release_faults("7.8.9")


def test_licences_are_one() -> None:
    """Each distribution ships the licence; the two files are the same."""
    assert (ROOT / "instrumentation" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_python_versions_agree() -> None:
    """Both distributions support the same interpreters."""
    assert _project("instrumentation")["requires-python"] == _project(".")["requires-python"]


def test_library_requires_what_it_imports() -> None:
    """The library requires the distributions of OpenTelemetry that its modules import, each in a range below 2."""
    imported = set()
    for file in (ROOT / "instrumentation" / "sightline").rglob("*.py"):
        for name in re.findall(r"^\s*(?:from|import) (opentelemetry[.\w]*)", file.read_text(), re.MULTILINE):
            if name.startswith("opentelemetry.exporter.otlp.proto.common"):
                imported.add("opentelemetry-exporter-otlp-proto-common")
            elif name.startswith("opentelemetry.sdk"):
                imported.add("opentelemetry-sdk")
            else:
                assert not name.startswith(("opentelemetry.exporter", "opentelemetry.proto", "opentelemetry.semconv"))
                imported.add("opentelemetry-api")
    required = {}
    for requirement in _project("instrumentation")["dependencies"]:
        name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+),<2", requirement).groups()  # type: ignore[union-attr]
        required[name] = lowest
    assert required.keys() == imported
    assert len(set(required.values())) == 1


def test_platform_requires_nothing_without_an_extra() -> None:
    """Each role is an extra, because roles run on different machines."""
    assert _project(".")["dependencies"] == []


@pytest.mark.parametrize("script", _project(".")["scripts"])
def test_console_script_has_its_function(script: str) -> None:
    """Every script of pyproject.toml names a callable that can be imported."""
    module, _, function = _project(".")["scripts"][script].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def _packages() -> list[str]:
    """Return the folders of all import packages of both distributions."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    return ["instrumentation/sightline", "instrumentation/sightline_pytest", *wheel["packages"]]


@pytest.mark.parametrize("folder", _packages())
def test_package_is_typed(folder: str) -> None:
    """Type checkers of users follow the packages."""
    assert (ROOT / folder / "py.typed").is_file()
