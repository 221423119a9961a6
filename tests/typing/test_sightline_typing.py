"""Decorated functions keep their types under mypy and pyright, in strict mode."""

import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


def mypy(path: pathlib.Path, cache: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run mypy --strict on one file."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(cache), str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """One cache for all runs."""
    return tmp_path_factory.mktemp("mypy")


def test_mypy_accepts_the_example_calls(cache: pathlib.Path) -> None:
    """All forms of use pass mypy --strict."""
    done = mypy(HERE / "sightline_calls.py", cache)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_refuses_wrong_calls(cache: pathlib.Path) -> None:
    """Wrong arguments of decorated functions are found, on the marked lines and nowhere else."""
    path = HERE / "sightline_mistakes.py"
    done = mypy(path, cache)
    found = {int(line) for line in re.findall(r"mistakes\.py:(\d+): error", done.stdout)}
    lines = path.read_text(encoding="utf-8").splitlines()
    assert found == {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}, done.stdout


def test_pyright_accepts_the_example_calls() -> None:
    """All forms of use pass pyright in strict mode (skipped where its node runtime cannot be had)."""
    command = [sys.executable, "-m", "pyright", str(HERE / "sightline_calls.py")]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("pyright's node runtime could not be downloaded in time")
    if "error:" not in done.stdout and "0 errors" not in done.stdout:
        pytest.skip(f"pyright cannot run here: {(done.stderr or done.stdout).strip()[-200:]}")
    assert done.returncode == 0, done.stdout
