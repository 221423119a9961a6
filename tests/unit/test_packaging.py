"""The two distributions agree, the library installs light, and every console script exists."""

import ast
import importlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import distributions
import pytest
import pythons
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


def test_release_tests_what_it_publishes_and_names_each_project_by_its_own_environment() -> None:
    """The wheels' tests get the folder that is uploaded; two pending publishers differ by their environments only."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    tested = re.search(r"pytest tests/e2e/test_wheels.py\n +env:\n +SIGHTLINE_DIST: (\w+)", workflow)
    assert tested
    assert re.findall(r"path: (\w+)/sightline_\w+-\*", workflow) == [tested.group(1)] * 2
    environments = dict(re.findall(r"name: (\S+)\n +url: https://pypi.org/project/([\w-]+)/", workflow))
    assert environments == {"pypi-sdk": "sightline-sdk", "pypi-platform": "sightline-platform"}
    recipe = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    for environment, project in environments.items():
        assert re.search(rf"`{project}` with the environment `{environment}`", recipe)


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
            if name.startswith("opentelemetry.sdk"):
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


PACKAGES_OF_EXTRAS = {
    "collector": ("collector/sightline_collector", "collector/sightline_store"),
    "embedded": ("collector/sightline_node",),
    "dashboards": ("dashboards/sightline_dashboards",),
    "mcp": ("dashboards/sightline_mcp",),
    "evals": ("evals/sightline_evals",),
    "app": ("reference_app/sightline_app", "reference_app/sightline_demo_corpus"),
    "supervisor": ("supervisor/sightline_supervisor",),
}
"""Folders of the packages that are installed with an extra; `sightline_roles` comes with whatever imports it."""
OPTIONAL_EXTRAS = {
    "app": ("onnx", "langchain", "workers", "temporal", "milvus", "pinecone", "tune"),
    "evals": ("onnx",),
}
"""Extras that add something to another one: what they bring is imported where it is there."""
OF_THE_CALLER = {"tensorflow", "tf2onnx", "torch"}
"""Imported only where a caller hands over a model of theirs."""
NAMESPACES = {
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "opentelemetry.exporter.otlp.proto.common": "opentelemetry-exporter-otlp-proto-common",
    "opentelemetry.exporter.prometheus": "opentelemetry-exporter-prometheus",
    "opentelemetry.instrumentation.fastapi": "opentelemetry-instrumentation-fastapi",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
    "sightline": "sightline-sdk",
}
"""Packages that several distributions share, the longer names first; and ours, which may be installed as a path."""


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(node: ast.AST, *, inside_functions: bool) -> Iterator[str]:
    """Yield the modules and the names that a piece of code imports; what only type checkers import is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "a relative import"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not _is_type_checking(child) and (
            inside_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        ):
            yield from _imports(child, inside_functions=inside_functions)


@cache
def _modules_of_the_platform() -> dict[str, Path]:
    folders = [
        ROOT / folder
        for folder in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
            "wheel"
        ]["packages"]
    ]
    return {
        ".".join(file.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for folder in folders
        for file in folder.rglob("*.py")
    }


def _third_parties(folders: tuple[str, ...]) -> set[str]:
    """Return what packages import of others: anywhere in their code, or on import of another module of the platform."""
    modules, others = _modules_of_the_platform(), set()
    waiting = [(file, True) for folder in folders for file in (ROOT / folder).rglob("*.py")]
    visited = {file for file, _ in waiting}
    while waiting:
        file, inside_functions = waiting.pop()
        for name in _imports(ast.parse(file.read_text()), inside_functions=inside_functions):
            parts = name.split(".")
            if parts[0] in sys.stdlib_module_names:
                continue
            if parts[0] not in modules:
                others.add(name)
                continue
            for length in range(1, len(parts) + 1):  # `import a.b` runs `a` as well
                reached = modules.get(".".join(parts[:length]))
                if reached is not None and reached not in visited:
                    visited.add(reached)
                    waiting.append((reached, False))
    return others


@cache
def _distributions_of_packages() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _distributions_of(module: str) -> set[str]:
    """Return the distributions that bring a module: more than one where they share its package."""
    for package, distribution in NAMESPACES.items():
        if f"{module}.".startswith(f"{package}."):
            return {distribution}
    return {name.lower().replace("_", "-") for name in _distributions_of_packages()[module.partition(".")[0]]}


def _required(extra: str) -> set[str]:
    """Return the distributions that an extra names, and those of the extras of the platform that it names."""
    names: set[str] = set()
    for requirement in _project(".")["optional-dependencies"][extra]:
        if own := re.fullmatch(r"sightline-platform\[(.+)\]", requirement):
            names.update(*(_required(each) for each in own.group(1).split(",")))
        else:
            names.add(re.split(r"[^\w-]", requirement)[0])
    return names


@pytest.mark.parametrize("extra", PACKAGES_OF_EXTRAS)
def test_extra_requires_what_its_packages_import(extra: str) -> None:
    """What a role imports is named by its extra, not brought along by a requirement of somebody else."""
    required = _required(extra).union(*map(_required, OPTIONAL_EXTRAS.get(extra, ())))
    missing = {
        module
        for module in _third_parties(PACKAGES_OF_EXTRAS[extra])
        if module.partition(".")[0] not in OF_THE_CALLER and not required & _distributions_of(module)
    }
    assert missing == set()


def test_every_suite_for_other_pythons_has_a_file() -> None:
    """A suite that was renamed is not left out unnoticed on other versions of Python and of OpenTelemetry."""
    assert len(pythons.files(pythons.SUITES + pythons.SDK_SUITES)) >= len(pythons.SUITES + pythons.SDK_SUITES)
    with pytest.raises(FileNotFoundError, match=r"for: no_such$"):
        pythons.files(("streaming", "no_such"))


@pytest.mark.parametrize(
    ("reason", "code", "last_words"),
    [
        ("error: No solution found when resolving dependencies", 1, "x: FAILED, its requirements cannot be installed"),
        (
            "error: Failed to fetch: http://127.0.0.1:9/simple/x/\n  cause: error sending request for url",
            0,
            "!!! SKIPPED",
        ),
        ("hint: Packages were unavailable because the network was disabled.", 0, "!!! SKIPPED"),
    ],
)
def test_requirements_that_cannot_be_met_are_a_failure(
    reason: str, code: int, last_words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make pythons` passes over a version only where the index cannot be reached; uv's words are printed."""

    def environment(trial: pythons.Trial) -> Path:
        raise subprocess.CalledProcessError(2, "uv", stderr=reason)

    monkeypatch.setattr(sys, "argv", ["pythons.py"])
    monkeypatch.setattr(pythons, "environment", environment)
    monkeypatch.setattr(pythons, "trials", lambda *, others: iter([pythons.Trial("x", sys.executable, (), ())]))
    with pytest.raises(SystemExit) as ended:
        pythons.main()
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == code
    assert lines[0] == reason.splitlines()[0]
    assert lines[-1].startswith(last_words)


def test_every_package_of_the_platform_belongs_to_an_extra() -> None:
    """A new package gets a line above, so that its requirements are checked."""
    named = {folder for folders in PACKAGES_OF_EXTRAS.values() for folder in folders}
    assert named | {"roles/sightline_roles"} == set(_packages()) - {
        "instrumentation/sightline",
        "instrumentation/sightline_pytest",
        "evals/sightline_evals_pytest",  # imported by pytest, which its users have
    }


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
