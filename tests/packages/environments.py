"""The environments of the packages, in the cache folder: pinned, and made where they are missing.

Of Python, `requirements/NAME.in` names what is wanted, `requirements/NAME.txt` pins all of it; of Node.js, it is
`package.json` and `package-lock.json` in the folder `requirements/NAME`. `python environments.py lock` writes the pins
of Python anew, `npm update --package-lock-only` in the folder those of Node.js.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "packages"
_INSTALL_TIMEOUT_S = 900
_UV = [sys.executable, "-m", "uv"]
_REASONS: dict[str, str] = {}


def missing_tool(name: str) -> str:
    """The program that an environment needs and that is not installed; '' where none is missing."""
    tools = ("node", "npm") if _is_node(name) else ()
    return next((tool for tool in tools if shutil.which(tool) is None), "")


@cache
def made(name: str) -> Path | None:
    """The folder of an environment, made where it is missing; None where it cannot be made."""
    place, pins = CACHE / name, _pins(name)
    stamp = place / "wanted.txt"
    wanted = f"{sys.version} {hashlib.sha256(pins.read_bytes()).hexdigest()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return place
    sys.stdout.write(f"{name}: an environment with the packages of {pins.name}\n")
    sys.stdout.flush()
    try:
        if _is_node(name):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(pins.parent, place)
            _done(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=place)
        else:
            _done([*_UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)])
            _done([*_UV, "pip", "sync", "--quiet", "--python", str(place / "bin" / "python"), str(pins)])
    except (OSError, subprocess.SubprocessError) as error:
        _REASONS[name] = (getattr(error, "stderr", None) or str(error)).strip()[-500:]
        return None
    stamp.write_text(wanted)
    return place


def why_not(name: str) -> str:
    """Why an environment could not be made."""
    return _REASONS.get(name, "")


def command(name: str, place: Path) -> list[str]:
    """What runs a job in an environment."""
    if _is_node(name):
        return ["node", str(HERE / "drive_vercel.mjs"), str(place)]
    return [str(place / "bin" / "python"), str(HERE / "drive.py")]


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """The pinned version of each package."""
    text = _pins(name).read_text()
    if _is_node(name):
        locked = json.loads(text)["packages"]
        return {package: locked[f"node_modules/{package}"]["version"] for package in packages}
    pins = dict(line.split("==", 1) for line in text.splitlines() if "==" in line)
    return {package: pins[package] for package in packages}


def _is_node(name: str) -> bool:
    return (HERE / "requirements" / name).is_dir()


def _pins(name: str) -> Path:
    folder = HERE / "requirements"
    return folder / name / "package-lock.json" if _is_node(name) else folder / f"{name}.txt"


def lock() -> None:
    """Write the pins anew from what is wanted."""
    for wanted in sorted((HERE / "requirements").glob("*.in")):
        options = ["--quiet", "--upgrade", "--no-header", "--no-annotate", "--prerelease=if-necessary-or-explicit"]
        out = ["--output-file", str(wanted.with_suffix(".txt"))]
        _done([*_UV, "pip", "compile", *options, "--python-version", "3.11", str(wanted), *out])


def _done(arguments: list[str], cwd: Path | None = None) -> None:
    out = subprocess.DEVNULL if cwd else None
    subprocess.run(
        arguments, cwd=cwd, check=True, stdout=out, stderr=subprocess.PIPE, text=True, timeout=_INSTALL_TIMEOUT_S
    )


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        sys.exit("usage: python environments.py lock")
    lock()
