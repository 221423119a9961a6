"""The built wheels are complete: installed into an empty environment, they do what README.md says.

Needs what the wheels require, from uv's cache or from a package index. The platform is installed with the extras that
`sightline up` needs, in the locked versions. SIGHTLINE_DIST names a folder with files that are built already: a release
tests those that it publishes.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import DISTRIBUTIONS, EXTENSION, build, faults_of
from running_up import Up

ROOT = Path(__file__).parents[2]
EXTRAS = "collector,embedded,dashboards,supervisor"
pytestmark = pytest.mark.registry
_COMPILES = pytest.mark.skipif(
    shutil.which("cc") is None or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="no C compiler `cc` or no header of this Python here",
)


def _uv(*arguments: str | Path, cwd: Path = ROOT) -> str:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    done = subprocess.run([uv, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"uv {arguments[:2]}:\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both wheels and both sdists: those in the folder SIGHTLINE_DIST of the checkout, else built from the checkout."""
    if folder := os.environ.get("SIGHTLINE_DIST"):
        return ROOT / folder
    out = tmp_path_factory.mktemp("dist")
    build(out)
    return out


@pytest.fixture(scope="module")
def scripts(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of console scripts in an environment that holds the wheels and what they require, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / "bin" / "python"
    _uv("venv", "--python", sys.executable, folder / "venv", cwd=folder)
    constraints = folder / "locked.txt"
    export = ("export", "--frozen", "--no-hashes", "--no-annotate", "--all-extras", "--no-emit-workspace")
    constraints.write_text(_uv(*export))
    library, platform = (each.wheels(dist)[0] for each in DISTRIBUTIONS)
    install = ("pip", "install", "--python", python, "--constraint", constraints)
    _uv(*install, library, f"sightline-platform[{EXTRAS}] @ {platform.as_uri()}", cwd=folder)
    return python.parent


@pytest.fixture(scope="module")
def up(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`sightline up` of the installed wheels, in a folder of its own."""
    running = Up(tmp_path_factory.mktemp("up"), scripts)
    yield running
    running.stop()


def test_wheels_and_sdists_hold_what_they_should(dist: Path) -> None:
    """Metadata, licence, types, SQL, lists and assets are inside; tests and stray files are not."""
    assert faults_of(dist) == []


def test_a_fault_is_found(dist: Path, tmp_path: Path) -> None:
    """A file that is no source, an sdist of another version and a missing wheel are each named."""
    for file in dist.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "sightline_sdk-0.0.1.tar.gz").touch()
    (fault,) = faults_of(tmp_path)
    assert "sightline_sdk-0.0.1.tar.gz is not a file of this version" in fault
    (tmp_path / "sightline_sdk-0.0.1.tar.gz").unlink()
    wheel = tmp_path / f"{DISTRIBUTIONS[0].stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tests/test_x.py", "")
    assert {fault.partition(": ")[2] for fault in faults_of(tmp_path)} == {
        "tests/test_x.py is no file of a package",
        "tests/test_x.py does not belong into a wheel",
    }
    wheel.unlink()
    assert any(f"{wheel.name} is missing" in fault for fault in faults_of(tmp_path))


@pytest.mark.parametrize(
    ("setting", "value"), [("SIGHTLINE_NO_EXTENSION", "1"), ("CC", "false"), ("CC", "no-such-compiler")]
)
def test_wheel_without_the_extension_is_pure_python(
    setting: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not wanted and where no compiler makes it: the wheel is for any platform."""
    monkeypatch.setenv(setting, value)
    _uv("build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT)
    (wheel,) = DISTRIBUTIONS[1].wheels(tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert EXTENSION not in archive.namelist()


@_COMPILES
def test_wheel_with_the_extension_uses_it(dist: Path, scripts: Path) -> None:
    """It is for one platform, and for each Python from 3.11."""
    assert "-cp311-abi3-" in DISTRIBUTIONS[1].wheels(dist)[0].name
    assert _is_compiled(scripts / "python")


@_COMPILES
def test_editable_install_holds_the_extension(tmp_path: Path) -> None:
    """As a checkout is installed: the extension is in the environment, and nothing is left in the checkout."""
    _uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    _uv("pip", "install", "--python", python, "--no-deps", "--editable", ROOT, "protobuf", cwd=tmp_path)
    assert _is_compiled(python)
    assert not list((ROOT / "collector").rglob("*.so"))


def _is_compiled(python: Path) -> bool:
    """Whether the collector in an environment has the extension."""
    probe = "from sightline_collector.request import spelling; print(spelling.is_compiled())"
    done = subprocess.run([python, "-I", "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout == "True\n"


def test_installed_packages_come_from_the_wheels(scripts: Path) -> None:
    """No path of the checkout is on the search path: what runs below is what was built."""
    probe = "import sightline, sightline_node, sightline_store; print(sightline.__file__, sightline_node.__file__)"
    out = subprocess.run([scripts / "python", "-I", "-c", probe], capture_output=True, text=True, check=True).stdout
    assert all(Path(path).is_relative_to(scripts.parent) for path in out.split())


def test_program_of_the_readme_runs_on_the_installed_wheels(up: Up, scripts: Path, tmp_path: Path) -> None:
    """The ten lines of README.md run as they stand; their spans are stored and the pages are served."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "program.py").write_text(program)
    done = up.run([os.fspath(scripts / "python"), "program.py"], tmp_path)
    assert done.stdout == "It marks stages.\n"
    up.wait_for_spans("my-app", 3)
    with urllib.request.urlopen(up.dashboards, timeout=10) as page:
        assert page.status == 200
