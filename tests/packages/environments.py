"""The virtual environments of the packages, in the cache folder: pinned, and made where they are missing.

`requirements/NAME.in` names what is wanted, `requirements/NAME.txt` pins all of it. `python environments.py lock`
writes the pins anew.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "packages"
_INSTALL_TIMEOUT_S = 900
_UV = [sys.executable, "-m", "uv"]
_REASONS: dict[str, str] = {}


@cache
def made(name: str) -> Path | None:
    """The folder of an environment, made where it is missing; None where it cannot be made."""
    venv, pins = CACHE / name, HERE / "requirements" / f"{name}.txt"
    stamp = venv / "wanted.txt"
    wanted = f"{sys.version} {hashlib.sha256(pins.read_bytes()).hexdigest()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return venv
    sys.stdout.write(f"{name}: a virtual environment with {len(pins.read_text().splitlines())} packages\n")
    sys.stdout.flush()
    try:
        _done([*_UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)])
        _done([*_UV, "pip", "sync", "--quiet", "--python", str(venv / "bin" / "python"), str(pins)])
    except (OSError, subprocess.SubprocessError) as error:
        _REASONS[name] = (getattr(error, "stderr", None) or str(error)).strip()[-500:]
        return None
    stamp.write_text(wanted)
    return venv


def why_not(name: str) -> str:
    """Why an environment could not be made."""
    return _REASONS.get(name, "")


def command(name: str, place: Path) -> list[str]:
    """What runs a job in an environment."""
    del name
    return [str(place / "bin" / "python"), str(HERE / "drive.py")]


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """The pinned version of each package."""
    pins = dict(
        line.split("==", 1) for line in (HERE / "requirements" / f"{name}.txt").read_text().splitlines() if "==" in line
    )
    return {package: pins[package] for package in packages}


def lock() -> None:
    """Write the pins anew from what is wanted."""
    for wanted in sorted((HERE / "requirements").glob("*.in")):
        options = ["--quiet", "--upgrade", "--no-header", "--no-annotate", "--prerelease=if-necessary-or-explicit"]
        out = ["--output-file", str(wanted.with_suffix(".txt"))]
        _done([*_UV, "pip", "compile", *options, "--python-version", "3.11", str(wanted), *out])


def _done(arguments: list[str]) -> None:
    subprocess.run(arguments, check=True, stderr=subprocess.PIPE, text=True, timeout=_INSTALL_TIMEOUT_S)


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        sys.exit("usage: python environments.py lock")
    lock()
