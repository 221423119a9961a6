"""The library's suites on every supported CPython that is installed here, and on the oldest supported OpenTelemetry.

`python tests/support/pythons.py` looks for CPython 3.11 to 3.13 on PATH, with pyenv and with uv, makes each a light
virtual environment in the cache folder (the library and what its suites need, in the locked versions) and runs the
suites of streams, of the ASGI edge and of "never in the way" there, with every warning an error. A version that is not
installed is named on stderr. One more environment, on the Python that runs this script, has the lowest OpenTelemetry
that the library accepts; nearly all suites of the library and of its types run there. An environment is left out where
the package index cannot be reached; where its requirements cannot be met, the trial has failed.
`--others` leaves out the locked versions on the Python that runs this script: `make test` has run all suites on them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "pythons"
VERSIONS = ("3.11", "3.12", "3.13")
SUITES = (
    "streaming",
    "stream_content",
    "client_streams",
    "sse",
    "clients",
    "asgi",
    "server",
    "live_app",
    "decorators",
    "annotations",
    "hostile",
    "away",
    "gevent",
    "outbox",
    "sender",
    "thread_pools",
)
SDK_SUITES = (
    "capture",
    "configure",
    "feedback",
    "metrics",
    "metrics_sent",
    "otlp_requests",
    "otlp_spans",
    "processes",
    "sampling",
    "weaviate",
    "weaviate_attributes",
)
"""What depends on the version of OpenTelemetry, not on the version of Python."""
_WITHOUT_SDK = ("sse", "gevent")
"""What depends on the version of Python, not on the version of OpenTelemetry."""
_NEEDS = (
    "pytest",
    "pytest-asyncio",
    "pytest-xdist",
    "hypothesis",
    "fastapi",
    "httpx",
    "uvicorn",
    "uvloop",
    "openai",
    "opentelemetry-exporter-otlp-proto-common",
    "opentelemetry-instrumentation-fastapi>=0.50b0",  # names a pre-release: it has no other releases
    "gevent==26.9.0",
)
_NO_NETWORK = re.compile(r"error sending request|the network was disabled")
"""In what uv says: the index was not reached, which is no fault of the requirements."""
_SDK_NEEDS = ("mypy", "numpy", "pyright", "weaviate-client")
_FOLLOW_THE_SDK = re.compile(r"(opentelemetry-|protobuf|googleapis-|fastapi|grpcio|importlib-metadata|packaging|wrapt)")
"""Locked versions of these require the locked OpenTelemetry: beside the lowest, a fitting version is resolved."""


@dataclass(frozen=True)
class Trial:
    """One environment with the tests that run in it.

    Args:
        name: for people, and the folder of the environment.
        base: path of the interpreter.
        needs: requirements besides the library.
        tests: files and folders.
        locked: False where OpenTelemetry is not of the locked version.
    """

    name: str
    base: str
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    locked: bool = True


def files(suites: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of the library's suites, those that start processes among them.

    Raises:
        FileNotFoundError: a suite has no file, so that its tests would be left out unnoticed.
    """
    folders = ("tests/unit/sightline", "tests/integration/sightline/processes")
    existing = {
        name: [
            str(path.relative_to(ROOT))
            for folder in folders
            for path in sorted((ROOT / folder).rglob(f"test_sightline_{name}.py"))
        ]
        for name in suites
    }
    missing = sorted(name for name in suites if not existing[name])
    if missing:
        raise FileNotFoundError(f"no test_sightline_NAME.py in {' or '.join(folders)} for: {', '.join(missing)}")
    return tuple(path for name in suites for path in existing[name])


def lowest_opentelemetry() -> Trial:
    """The trial with the lowest versions that the library's requirements accept."""
    project = tomllib.loads((ROOT / "instrumentation" / "pyproject.toml").read_text())["project"]
    lowest = tuple(re.sub(r">=([\d.]+),<\d+$", r"~=\1.0", requirement) for requirement in project["dependencies"])
    version = lowest[0].rpartition("=")[2]
    # The tests compare with the SDK's encoder, of which each release fits the SDK of its own version only.
    lowest += (f"opentelemetry-exporter-otlp-proto-common~={version}",)
    suites = tuple(name for name in SUITES if name not in _WITHOUT_SDK) + SDK_SUITES
    tests = (*files(suites), "tests/unit/sightline/test_sketch.py", "tests/typing")
    return Trial(f"opentelemetry-{version}", sys.executable, (*_NEEDS, *_SDK_NEEDS, *lowest), tests, locked=False)


def interpreter(version: str) -> str | None:
    """Path of an installed CPython of that version, None where there is none.

    Args:
        version: such as ``3.12``.
    """
    for command in _candidates(version):
        answer = _output(
            command, "-c", "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.executable)"
        )
        if answer is not None and answer.startswith(f"cpython {version.replace('.', ' ')} "):
            return answer.split(" ", 3)[3]
    return None


def _candidates(version: str) -> Iterator[str]:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found  # may be a shim without an interpreter: interpreter() tries it
    for release in reversed((_output("pyenv", "versions", "--bare") or "").split()):
        if release.startswith(f"{version}.") and (folder := _output("pyenv", "prefix", release)):
            yield str(Path(folder) / "bin" / "python")
    if found := _output(sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", version):
        yield found


def _output(*command: str) -> str | None:
    """What a command prints, None where it fails or is not there."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def environment(trial: Trial) -> Path:
    """Interpreter of a virtual environment with the library and what its suites need; made where it is missing.

    Raises:
        CalledProcessError: it cannot be made; ``stderr`` says why.
    """
    venv = CACHE / trial.name
    python = venv / "bin" / "python"
    lock = (ROOT / "uv.lock").read_bytes() + (ROOT / "instrumentation" / "pyproject.toml").read_bytes()
    wanted = f"{trial.base} {ROOT} {' '.join(trial.needs)} {hashlib.sha256(lock).hexdigest()}"
    stamp = venv / "wanted.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        _say(f"{trial.name}: a virtual environment with the library and what its suites need")
        uv = [sys.executable, "-m", "uv"]
        locked = subprocess.run(
            [
                *uv,
                "export",
                "--frozen",
                "--quiet",
                "--no-hashes",
                "--no-annotate",
                "--all-extras",
                "--no-emit-workspace",
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        make = [*uv, "venv", "--quiet", "--clear", "--python", trial.base, str(venv)]
        subprocess.run(make, check=True, stderr=subprocess.PIPE, text=True)
        constraints = venv / "locked.txt"
        kept = [line for line in locked if trial.locked or not _FOLLOW_THE_SDK.match(line)]
        constraints.write_text("\n".join(kept))
        install = [*uv, "pip", "install", "--quiet", "--python", str(python), "--constraint", str(constraints)]
        subprocess.run(
            [*install, *trial.needs, "--editable", str(ROOT / "instrumentation")],
            check=True,
            stderr=subprocess.PIPE,
            text=True,
        )
        stamp.write_text(wanted)
    return python


def suite(python: Path, trial: Trial) -> bool:
    """Run the tests of a trial on all cores; False when a test failed."""
    command = [str(python), "-W", "error", "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", *trial.tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def trials(*, others: bool) -> Iterator[Trial]:
    """Every trial that this machine can run; what is missing is named on stderr.

    Args:
        others: leave out the locked versions on the Python that runs this.
    """
    for version in VERSIONS:
        if others and version == f"{sys.version_info[0]}.{sys.version_info[1]}":
            continue
        base = interpreter(version)
        if base is None:
            _say(f"!!! SKIPPED: CPython {version} is not installed here; the library was not tried on it")
            continue
        yield Trial(f"CPython-{version}", base, _NEEDS, files(SUITES))
    yield lowest_opentelemetry()


def main() -> None:
    """Run what is installed; exit code 1 when a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--others", action="store_true", help="leave out the locked versions on the Python that runs this"
    )
    failed = False
    for trial in trials(others=parser.parse_args().others):
        begun = time.monotonic()
        try:
            python = environment(trial)
        except subprocess.CalledProcessError as error:
            _say(error.stderr.strip())
            if _NO_NETWORK.search(error.stderr):
                _say(f"!!! SKIPPED: {trial.name}: no package index can be reached; the library was not tried on it")
            else:
                _say(f"{trial.name}: FAILED, its requirements cannot be installed")
                failed = True
            continue
        passed = suite(python, trial)
        failed = failed or not passed
        _say(f"{trial.name}: {'passed' if passed else 'FAILED'}, {time.monotonic() - begun:.0f} s")
    sys.exit(failed)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
