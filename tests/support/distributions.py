"""Builds the wheels and sdists of both distributions and checks what is in them: `make dist`, `make version`, releases.

`python tests/support/distributions.py build [--out DIR]` builds into `dist/` and checks names, metadata and contents;
`... check [--out DIR]` checks what is there. `... version X.Y.Z` writes the version everywhere it stands.
`... release vX.Y.Z` checks that a tag can be released and prints its section of the changelog. Each ends with exit code
1 and a sentence for every fault that it found.
"""

from __future__ import annotations

import argparse
import email
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VERSION_PLACES = {
    "pyproject.toml": (r'^(version = ")[^"]+(")', r'("sightline-sdk==)[^"]+(")'),
    "instrumentation/pyproject.toml": (r'^(version = ")[^"]+(")',),
    "instrumentation/sightline/runtime.py": (r'^(VERSION: Final = ")[^"]+(")',),
}
"""Files that hold the version, with a pattern for the text before and after it."""
_FORBIDDEN = re.compile(
    r"(^|/)(tests?|benchmarks|__pycache__|\.[^/]+)/|\.py[co]$|\.egg-info|(^|/)(conftest|test_\w+)\.py$"
)
_WHEEL = re.compile(r"-(py3-none-any|cp311-abi3-[\w.]+)\.whl")
EXTENSION = "_sightline_spelling.abi3.so"
"""What the platform's wheel holds beside the packages where it was compiled."""
_SDIST_EXTRAS = {
    "collector/build_hook.py",
    "PKG-INFO",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    ".gitignore",
}


class Distribution:
    """One of the two projects.

    Args:
        folder: where its ``pyproject.toml`` lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())
        self.project: dict[str, Any] = self.settings["project"]
        self.stem = f"{self.project['name'].replace('-', '_')}-{self.project['version']}"
        """Begin of the file names: ``sightline_sdk-0.1.0``."""

    def packages(self) -> list[Path]:
        """Folders of the import packages."""
        return [self.folder / name for name in self.settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]

    def wheels(self, folder: Path) -> list[Path]:
        """Those in a folder: with the extension for one platform each, and without it."""
        wheels = folder.glob(f"{self.stem}-*.whl")
        return sorted(file for file in wheels if _WHEEL.fullmatch(file.name.removeprefix(self.stem)))

    def sources(self) -> dict[str, Path]:
        """Every file of the import packages, by its path inside a wheel."""
        return {
            str(file.relative_to(package.parent)): file
            for package in self.packages()
            for file in sorted(package.rglob("*"))
            if file.is_file() and not {"__pycache__", ".ruff_cache"} & set(file.parts)
        }


DISTRIBUTIONS = (Distribution(ROOT / "instrumentation"), Distribution(ROOT))


def build(out: Path) -> list[Path]:
    """Build both sdists, and both wheels from the sdists.

    Args:
        out: folder for the four files; older ones of ours in it are removed.
    """
    out.mkdir(parents=True, exist_ok=True)
    for file in out.glob("sightline_*"):
        file.unlink()
    uv = [shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"]
    subprocess.run([*uv, "build", "--quiet", "--all-packages", "--out-dir", str(out)], cwd=ROOT, check=True)
    return sorted(out.glob("sightline_*"))


def faults_of(out: Path) -> list[str]:
    """A sentence for everything that is wrong with the files of a folder; none if they can be published."""
    built = {file.name for file in out.glob("sightline_*")}
    wanted = {f"{each.stem}.tar.gz" for each in DISTRIBUTIONS}
    for each in DISTRIBUTIONS:
        wanted |= {wheel.name for wheel in each.wheels(out)} or {f"{each.stem}-py3-none-any.whl"}
    faults = [f"{out}: {name} is missing" for name in sorted(wanted - built)]
    faults += [f"{out}: {name} is not a file of this version" for name in sorted(built - wanted)]
    if faults:
        return faults
    for distribution in DISTRIBUTIONS:
        for wheel in distribution.wheels(out):
            faults += _wheel_faults(distribution, wheel)
        faults += _sdist_faults(distribution, out / f"{distribution.stem}.tar.gz")
    return faults


def _wheel_faults(distribution: Distribution, path: Path) -> list[str]:
    sources, info = distribution.sources(), f"{distribution.stem}.dist-info/"
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        inside = {name for name in names if not name.startswith((info, EXTENSION))}
        faults = [f"{path.name}: {name} is missing" for name in sorted(sources.keys() - inside)]
        if (EXTENSION in names) != ("-abi3-" in path.name):
            faults.append(f"{path.name}: its name does not say whether {EXTENSION} is inside")
        elif "manylinux" in path.name and b"libc.so" in wheel.read(EXTENSION):
            faults.append(f"{path.name}: {EXTENSION} is bound to the C library of where it was built")
        faults += [f"{path.name}: {name} is no file of a package" for name in sorted(inside - sources.keys())]
        faults += [
            f"{path.name}: {name} differs"
            for name in sources.keys() & inside
            if wheel.read(name) != sources[name].read_bytes()
        ]
        faults += [f"{path.name}: {name} does not belong into a wheel" for name in names if _FORBIDDEN.search(name)]
        faults += [
            f"{path.name}: {package.name}/py.typed is missing"
            for package in distribution.packages()
            if f"{package.name}/py.typed" not in names
        ]
        if f"{info}licenses/LICENSE" not in names:
            faults.append(f"{path.name}: the licence is missing")
        faults += _metadata_faults(distribution, path, email.message_from_bytes(wheel.read(f"{info}METADATA")))
        entry_points = wheel.read(f"{info}entry_points.txt").decode()
        faults += [
            f"{path.name}: the console script {name} is missing"
            for name, target in distribution.project.get("scripts", {}).items()
            if f"{name} = {target}" not in entry_points
        ]
    return faults


def _sdist_faults(distribution: Distribution, path: Path) -> list[str]:
    with tarfile.open(path) as sdist:
        names = {name.removeprefix(f"{distribution.stem}/") for name in sdist.getnames()}
        metadata = sdist.extractfile(f"{distribution.stem}/PKG-INFO")
        assert metadata is not None
        faults = _metadata_faults(distribution, path, email.message_from_bytes(metadata.read()))
    sources = {str(file.relative_to(distribution.folder)) for file in distribution.sources().values()}
    faults += [f"{path.name}: {name} is missing" for name in sorted(sources - names)]
    faults += [f"{path.name}: {name} does not belong into an sdist" for name in sorted(names - sources - _SDIST_EXTRAS)]
    return faults


def _metadata_faults(distribution: Distribution, path: Path, metadata: Message) -> list[str]:
    project = distribution.project
    wanted = {
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Description-Content-Type": "text/markdown",
    }
    faults = [
        f"{path.name}: {field} is {metadata[field]!r}, needs {value!r}"
        for field, value in wanted.items()
        if metadata[field] != value
    ]
    specifiers = set(str(metadata["Requires-Python"]).split(","))
    if specifiers != set(project["requires-python"].split(",")):
        faults.append(f"{path.name}: Requires-Python is {metadata['Requires-Python']!r}")
    if (metadata.get_all("Classifier") or []) != project["classifiers"]:
        faults.append(f"{path.name}: the classifiers are not those of pyproject.toml")
    description = metadata.get_payload(decode=True)
    assert isinstance(description, bytes)
    if description.decode().strip() != (distribution.folder / "README.md").read_text().strip():
        faults.append(f"{path.name}: the description is not README.md")
    if any("@ " in requirement for requirement in metadata.get_all("Requires-Dist") or []):
        faults.append(f"{path.name}: a requirement names a path or an address")
    return faults


def changelog_section(version: str) -> str:
    """What CHANGELOG.md says about a version, with its heading; empty where it has no such section."""
    text = (ROOT / "CHANGELOG.md").read_text()
    found = re.search(rf"^## \[{re.escape(version)}\].*?(?=^## \[|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    return found.group().strip() if found else ""


def release_faults(tag: str) -> list[str]:
    """A sentence for everything that keeps a tag from being released."""
    version = tag.removeprefix("v")
    faults = [] if re.fullmatch(r"v\d+\.\d+\.\d+", tag) else [f"tag {tag}: needs the form vX.Y.Z"]
    for place, patterns in VERSION_PLACES.items():
        text = (ROOT / place).read_text()
        for pattern in patterns:
            versions = {text[hit.end(1) : hit.start(2)] for hit in re.finditer(pattern, text, flags=re.MULTILINE)}
            if versions != {version}:
                faults.append(f"{place}: has {', '.join(sorted(versions))}, the tag says {version}: `make version`")
    heading = changelog_section(version).partition("\n")[0]
    if not re.fullmatch(rf"## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", heading):
        faults.append(f"CHANGELOG.md: needs a section `## [{version}] - YYYY-MM-DD`, has {heading or 'none'!r}")
    return faults


def set_version(version: str) -> None:
    """Write a version into every file that holds it."""
    for place, patterns in VERSION_PLACES.items():
        text = (ROOT / place).read_text()
        for pattern in patterns:
            text, count = re.subn(pattern, rf"\g<1>{version}\g<2>", text, flags=re.MULTILINE)
            assert count, f"{place} has no {pattern}"
        (ROOT / place).write_text(text)


def main() -> None:
    """Run one of the commands; exit code 1 when there are faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("build", "check"):
        commands.add_parser(command).add_argument("--out", type=Path, default=ROOT / "dist")
    commands.add_parser("version").add_argument("version")
    commands.add_parser("release").add_argument("tag")
    options = parser.parse_args()
    faults: list[str] = []
    if options.command in {"build", "check"}:
        built = build(options.out) if options.command == "build" else sorted(options.out.glob("sightline_*"))
        faults = faults_of(options.out)
        print("\n".join(f"{file.name}  {file.stat().st_size // 1024} KiB" for file in built))  # noqa: T201
    elif options.command == "version":
        set_version(options.version)
    else:
        faults = release_faults(options.tag)
        if not faults:
            print(changelog_section(options.tag.removeprefix("v")))  # noqa: T201
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
