"""Names of sampled segments and the verdicts beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline_collector.settings import CollectorSettings, SamplingSettings
from sightline_collector.spool import record, verdict
from sightline_collector.spool.body import concatenated
from sightline_collector.spool.filesystem import Disk
from sightline_collector.spool.segment import ClosedSegment, name_before, new_name
from sightline_collector.spool.writer import Spool
from sightline_store.ingest import Signal
from sightline_store.sampling import Verdict


def _segment(folder: Path) -> ClosedSegment:
    path = folder / f"{new_name(is_sampled=True)}.7.seg"
    path.write_bytes(b"")
    segment = ClosedSegment.parse(path, Signal.TRACES)
    assert segment is not None
    return segment


def test_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Message and count come back; another segment has none."""
    segment, other = _segment(tmp_path), _segment(tmp_path)
    verdict.write(segment, Verdict(b"message", 5), Disk())
    assert verdict.read(segment, Disk()) == Verdict(b"message", 5)
    assert verdict.read(other, Disk()) is None


def test_verdict_goes_after_its_segment_and_not_before(tmp_path: Path) -> None:
    """A sweep leaves the verdicts of segments that wait, and takes those of others and drafts of a crash."""
    segment, gone = _segment(tmp_path), _segment(tmp_path)
    for written in (segment, gone):
        verdict.write(written, Verdict(b"message", 0), Disk())
    (tmp_path / f"{segment.name}.3.draft").write_bytes(b"torn")
    gone.path.unlink()
    verdict.sweep(tmp_path, Disk())
    assert verdict.read(segment, Disk()) is not None
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".seg", ".verdict"]


def test_damaged_verdict_is_none(tmp_path: Path) -> None:
    """A verdict whose checksum does not hold is not acted on."""
    segment = _segment(tmp_path)
    verdict.write(segment, Verdict(b"message", 5), Disk())
    (path,) = tmp_path.glob("*.verdict")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert verdict.read(segment, Disk()) is None


def test_names_tell_time_and_way() -> None:
    """Names sort by time with and without the mark, and a name of some seconds ago can be made of one."""
    assert name_before("20261124T000001.000000-0a0b0c0d-s", 2) == "20261123T235959.000000"
    names = [new_name(is_sampled=index % 2 == 0) for index in range(20)]
    assert names == sorted(names)
    assert name_before(names[0], 1) < names[0]


@pytest.mark.parametrize("signal", list(Signal))
def test_only_traces_are_sampled_and_only_when_on(tmp_path: Path, signal: Signal) -> None:
    """The mark is made when a segment is opened and stays with it in later lives."""
    for share in (0.5, 1.0):
        closed: list[ClosedSegment] = []
        folder = tmp_path / str(share)
        settings = CollectorSettings(spool_dir=folder, sampling=SamplingSettings(share=share))
        spool = Spool(settings, closed.append)
        spool.append(signal, b"", {"": 1})[0].result(5)
        spool.close()
        assert [segment.is_sampled for segment in closed] == [share < 1 and signal is Signal.TRACES]
        again: list[ClosedSegment] = []
        Spool(CollectorSettings(spool_dir=folder), again.append).close()
        assert again == closed


def test_parts_of_a_body_are_read_as_one(tmp_path: Path) -> None:
    """Beginnings of files and bytes between them: in pieces of any size, whole, and again from the start."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"0123456789")
    second.write_bytes(b"abcdef")
    parts = [(first, 10), b"", (second, 0), (second, 4), record.encode(b"message")]
    expected = b"0123456789abcd" + record.encode(b"message")
    for size in range(1, len(expected) + 2):
        with concatenated(parts, Disk()) as body:
            pieces = iter(lambda body=body, size=size: body.read(size), b"")
            assert b"".join(pieces) == expected
            assert body.seek(0) == 0
            assert body.read() == expected
            assert body.read() == b""


def test_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    """Fewer bytes than were promised never pass as a whole body."""
    path = tmp_path / "file"
    path.write_bytes(b"0123")
    with concatenated([(path, 5)], Disk()) as body, pytest.raises(OSError, match="became shorter"):
        body.read()
