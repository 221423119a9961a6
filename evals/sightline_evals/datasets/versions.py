"""Recorded versions of a dataset: the manifest `FILE.versions.json` beside the file.

::

    {"schema": "sightline-evals/dataset-versions/1",
     "versions": [{"name": "cases", "version": "1", "sha256": "…", "file_sha256": "…", "rows": 120,
                   "created": "2026-01-31T12:00:00Z", "parent": null}, …]}

`sha256` is the fingerprint of the cases, which reports of `sightline-evals run` carry; `file_sha256` is that of the
file's bytes, answers included. Versions stand in the order in which they were recorded and are never changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sightline_evals.datasets.identity import fingerprint
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.writing import write_bytes
from sightline_evals.errors import DatasetError, UsageError

SCHEMA: Final = "sightline-evals/dataset-versions/1"
"""`schema` of a manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A recorded version.

    Attributes:
        name: the dataset's name.
        version: the version's; by default the next whole number.
        sha256: fingerprint of the cases, 64 hex digits.
        file_sha256: SHA-256 of the file, 64 hex digits.
        rows: cases.
        created: when it was recorded, RFC 3339 in UTC.
        parent: the version that it was made from; None for the first.
    """

    name: str
    version: str
    sha256: str
    file_sha256: str
    rows: int
    created: str
    parent: str | None


def manifest_path(dataset: Path) -> Path:
    """Where the versions of a dataset are recorded."""
    return dataset.with_name(f"{dataset.name}.versions.json")


def recorded(dataset: Path) -> list[Version]:
    """The recorded versions, oldest first; [] where there is no manifest.

    Raises:
        DatasetError: the manifest cannot be read.
    """
    path = manifest_path(dataset)
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise DatasetError(path, 0, exc.strerror or str(exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise DatasetError(path, 0, f"is not JSON: {exc}") from exc
    try:
        if manifest["schema"] != SCHEMA:
            raise DatasetError(path, 0, f"has the schema {manifest['schema']!r}; this version reads {SCHEMA!r}")
        return [Version(**version) for version in manifest["versions"]]
    except (KeyError, TypeError) as exc:
        raise DatasetError(path, 0, f"is no manifest of versions: {exc}") from exc


def current(dataset: Path) -> Version | None:
    """The newest recorded version with the bytes that the file has now; None where there is none."""
    digest = _file_sha256(dataset)
    return next((version for version in reversed(recorded(dataset)) if version.file_sha256 == digest), None)


def record(
    dataset: Path,
    samples: Sequence[Sample],
    *,
    version: str | None = None,
    name: str | None = None,
    parent: str | None = None,
    now: datetime | None = None,
) -> tuple[Version, bool]:
    """Record what a file holds now, where it is not recorded yet.

    Args:
        dataset: the file.
        samples: its cases.
        version: name of the version; by default the next whole number.
        name: name of the dataset; by default that of the newest version, else of the file without its end.
        parent: the version that it was made from; by default the newest.
        now: the time of recording.

    Returns:
        The version, and whether it is new: the same bytes under the same name, or under none, are recorded once.

    Raises:
        UsageError: the version exists with other bytes, the newest one has these, or there is no such parent.
        DatasetError: the manifest cannot be read or written.
    """
    versions = recorded(dataset)
    newest = versions[-1] if versions else None
    digest = _file_sha256(dataset)
    taken = {one.version: one for one in versions}
    if version is not None and not version.strip():
        raise UsageError("the version's name is empty")
    if version in taken:
        if taken[version].file_sha256 == digest:
            return taken[version], False
        raise UsageError(
            f"{dataset}: version {version} is recorded with other bytes; a version is never changed, take another name"
        )
    if newest is not None and newest.file_sha256 == digest:
        if version is None:
            return newest, False
        raise UsageError(f"{dataset}: has not changed since version {newest.version}")
    if parent is not None and parent not in taken:
        raise UsageError(f"{dataset}: there is no version {parent!r} to be the parent; recorded are {_names(versions)}")
    made = Version(
        name=name or (newest.name if newest else dataset.stem),
        version=version or _next_number(versions),
        sha256=fingerprint(samples),
        file_sha256=digest,
        rows=len(samples),
        created=(now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        parent=parent or (newest.version if newest else None),
    )
    manifest = {"schema": SCHEMA, "versions": [asdict(one) for one in (*versions, made)]}
    write_bytes(manifest_path(dataset), (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode())
    return made, True


def _next_number(versions: Sequence[Version]) -> str:
    return str(max((int(one.version) for one in versions if one.version.isdecimal()), default=0) + 1)


def _names(versions: Sequence[Version]) -> str:
    return ", ".join(version.version for version in versions) or "none"


def _file_sha256(dataset: Path) -> str:
    try:
        with dataset.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise DatasetError(dataset, 0, exc.strerror or str(exc)) from exc
