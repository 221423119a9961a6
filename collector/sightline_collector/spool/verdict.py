"""The verdict on a sampled segment, on disk beside it before anything is done by it.

`20261123T165400.123456-9f2c01ab-s.46080.verdict` belongs to the segment of that name and samples out 46080 spans. It
holds one record: what goes behind the segment on the way to the store. What is sent again is thus the same to the byte.
"""

from __future__ import annotations

from pathlib import Path

from sightline_collector.spool import record
from sightline_collector.spool.filesystem import Filesystem
from sightline_collector.spool.segment import ClosedSegment
from sightline_store.sampling import Verdict

_SUFFIX = ".verdict"
_DRAFT_SUFFIX = ".draft"


def write(segment: ClosedSegment, verdict: Verdict, filesystem: Filesystem) -> None:
    """Write it, surviving a power cut."""
    path = segment.path.with_name(f"{segment.name}.{verdict.sampled_out}{_SUFFIX}")
    draft = path.with_suffix(_DRAFT_SUFFIX)
    filesystem.write(draft, record.encode(verdict.message))
    filesystem.rename(draft, path)


def read(segment: ClosedSegment, filesystem: Filesystem) -> Verdict | None:
    """What was decided; None where nothing was, or where the file is damaged."""
    for path in filesystem.names(segment.path.parent, _SUFFIX):
        name, _, sampled_out = path.stem.rpartition(".")
        if name == segment.name:
            with filesystem.open(path) as file:
                for entry in record.read_records(file):
                    return Verdict(entry.payload, int(sampled_out))
    return None


def sweep(folder: Path, filesystem: Filesystem) -> None:
    """Remove the verdicts of segments that are gone, once their removal survives a power cut; and drafts."""
    waiting = {path.stem.rpartition(".")[0] for path in filesystem.names(folder, ".seg")}
    stale = [path for path in filesystem.names(folder, _SUFFIX) if path.stem.rpartition(".")[0] not in waiting]
    if stale:
        filesystem.sync_folder(folder)
    for path in (*stale, *filesystem.names(folder, _DRAFT_SUFFIX)):
        filesystem.remove(path)
