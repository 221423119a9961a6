"""The library's suites on every supported CPython that is installed here, with every warning an error.

`python tests/support/pythons.py` looks for CPython 3.11 to 3.13 on PATH, with pyenv and with uv, makes each a light
virtual environment in the cache folder (the library, what its streams are tested with, in the locked versions) and runs
the suites of streams, of the ASGI edge and of "never in the way" there. A version that is not installed is named aloud.
`--others` leaves out the version that runs this script: `make test` has run all of them on it, but gevent's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "pythons"
VERSIONS = ("3.11", "3.12", "3.13")
SUITES = (
    "streaming",
    "stream_content",
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
)
_NEEDS = (
    "pytest",
    "pytest-asyncio",
    "hypothesis",
    "fastapi",
    "httpx",
    "uvicorn",
    "uvloop",
    "openai",
    "opentelemetry-instrumentation-fastapi",
    "gevent==26.9.0",
)


def interpreter(version: str) -> str | None:
    """Path of an installed CPython of that version, None where there is none.

    Args:
        version: such as ``3.12``.
    """
    for command in _candidates(version):
        told = _said(command, "-c", "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.executable)")
        if told is not None and told.startswith(f"cpython {version.replace('.', ' ')} "):
            return told.split(" ", 3)[3]
    return None


def _candidates(version: str) -> Iterator[str]:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found  # may be a shim that has nothing behind it: whoever asks tries it
    for each in reversed((_said("pyenv", "versions", "--bare") or "").split()):
        if each.startswith(f"{version}.") and (folder := _said("pyenv", "prefix", each)):
            yield str(Path(folder) / "bin" / "python")
    if found := _said(sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", version):
        yield found


def _said(*command: str) -> str | None:
    """What a command prints, None where it fails or is not there."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def environment(version: str, base: str) -> Path:
    """Interpreter of a virtual environment with the library and what its suites need, in the locked versions.

    Args:
        version: such as ``3.12``.
        base: path of the interpreter.
    """
    venv = CACHE / version
    python = venv / "bin" / "python"
    lock = (ROOT / "uv.lock").read_bytes() + (ROOT / "instrumentation" / "pyproject.toml").read_bytes()
    wanted = f"{base} {ROOT} {' '.join(_NEEDS)} {hashlib.sha256(lock).hexdigest()}"
    noted = venv / "wanted.txt"
    if not noted.exists() or noted.read_text() != wanted:
        _say(f"CPython {version}: a virtual environment with the library and what its suites need")
        uv = [sys.executable, "-m", "uv"]
        locked = subprocess.run(
            [*uv, "export", "--frozen", "--quiet", "--no-hashes", "--all-extras", "--no-emit-workspace"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", base, str(venv)], check=True)
        constraints = venv / "locked.txt"
        constraints.write_text(locked)
        install = [*uv, "pip", "install", "--quiet", "--python", str(python), "--constraint", str(constraints)]
        subprocess.run([*install, *_NEEDS, "--editable", str(ROOT / "instrumentation")], check=True)
        noted.write_text(wanted)
    return python


def suite(python: Path) -> bool:
    """Run the suites; False when a test failed."""
    files = [f"tests/unit/sightline/test_sightline_{name}.py" for name in SUITES]
    command = [str(python), "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> None:
    """Run what is installed; exit code 1 when a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", action="store_true", help="leave out the version that runs this")
    others = parser.parse_args().others
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    missing, failed = [], []
    for version in VERSIONS:
        if others and version == own:
            continue
        base = interpreter(version)
        if base is None:
            missing.append(version)
            continue
        begun = time.monotonic()
        try:
            ready = environment(version, base)
        except subprocess.CalledProcessError as error:
            _say(f"!!! SKIPPED: CPython {version} got no environment here ({error}); the library was not tried on it")
            continue
        _say(f"CPython {version} ({_said(str(ready), '-c', 'import platform; print(platform.python_version())')})")
        if not suite(ready):
            failed.append(version)
        _say(f"CPython {version}: {'FAILED' if version in failed else 'passed'}, {time.monotonic() - begun:.0f} s")
    for version in missing:
        _say(f"!!! SKIPPED: CPython {version} is not installed here; the library was not tried on it")
    sys.exit(bool(failed))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
