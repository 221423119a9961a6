"""The spool keeps its promises: durable, recognised when sent again, bounded, recovered after a crash."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from sightline_collector.errors import Draining, SpoolBroken, SpoolFull
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool import reader, record
from sightline_collector.spool.filesystem import AppendFile, Disk
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_store.ingest import Signal


class _FullDisk(Disk):
    """A disk that refuses what the test says."""

    def __init__(self) -> None:
        self.refuses_write = False
        self.refuses_sync = False
        self.refuses_truncate = False
        self.refuses_rename = 0

    def rename(self, old: Path, new: Path) -> None:
        """Rename, or refuse so many times."""
        if self.refuses_rename:
            self.refuses_rename -= 1
            raise OSError(28, "No space left on device")
        super().rename(old, new)

    def create(self, path: Path) -> AppendFile:  # type: ignore[override]
        """A file on this disk."""
        disk, inner = self, super().create(path)

        class _File:
            def write(self, data: bytes) -> None:
                if disk.refuses_write:
                    inner.write(data[: len(data) // 2])
                    raise OSError(28, "No space left on device")
                inner.write(data)

            def sync(self) -> None:
                if disk.refuses_sync:
                    disk.refuses_sync = False
                    raise OSError(5, "Input/output error")
                inner.sync()

            def truncate(self, size: int) -> None:
                if disk.refuses_truncate:
                    raise OSError(5, "Input/output error")
                inner.truncate(size)

            close = inner.close

        return _File()


@contextmanager
def _spool(
    folder: Path, disk: Disk | None = None, *, max_age_s: float = 60, max_bytes: int = 2**30
) -> Iterator[tuple[Spool, list[ClosedSegment]]]:
    closed: list[ClosedSegment] = []
    settings = CollectorSettings(
        spool_dir=folder, segment_max_age_s=max_age_s, segment_max_bytes=4096, spool_max_bytes=max_bytes
    )
    spool = Spool(settings, closed.append, disk)
    try:
        yield spool, closed
    finally:
        spool.close()


def _append(spool: Spool, payload: bytes) -> Future[None]:
    return spool.append(Signal.TRACES, payload, {"": 1})[0]


def _payloads(segments: list[ClosedSegment]) -> list[bytes]:
    found = []
    for segment in segments:
        with segment.path.open("rb") as file:
            found += [entry.payload for entry in record.read_records(file)]
    return found


def test_promise_is_kept_when_the_record_is_on_disk(tmp_path: Path) -> None:
    """After the promise the bytes stand in the open segment, and closing hands them on."""
    with _spool(tmp_path) as (spool, closed):
        _append(spool, b"one").result(5)
        (path,) = (tmp_path / "traces").glob("*.open")
        assert b"one" in path.read_bytes()
        assert closed == []
    assert _payloads(closed) == [b"one"]
    assert [segment.items for segment in closed] == [1]


def test_request_sent_again_is_answered_and_not_stored_again(tmp_path: Path) -> None:
    """The same bytes get the first one's promise; also in the next life of the collector."""
    with _spool(tmp_path) as (spool, closed):
        _append(spool, b"same").result(5)
        promise, is_new = spool.append(Signal.TRACES, b"same", {"": 1})
        promise.result(5)
        assert not is_new
    assert _payloads(closed) == [b"same"]
    with _spool(tmp_path) as (spool, again):
        assert spool.append(Signal.TRACES, b"same", {"": 1})[1] is False
        for segment in again:
            spool.stored(segment)
        assert spool.append(Signal.TRACES, b"same", {"": 1})[1] is False
    with _spool(tmp_path) as (spool, again):
        assert spool.append(Signal.TRACES, b"same", {"": 1})[1] is False
        assert again == []


def test_crash_leaves_whole_records_and_cuts_the_torn_one(tmp_path: Path) -> None:
    """An `.open` segment with a torn tail becomes a closed one with what is whole."""
    folder = tmp_path / "traces"
    folder.mkdir()
    path = folder / "20260101T000000.000000-00000001.open"
    path.write_bytes(record.encode(b"") + record.encode(b"")[:-2])
    with _spool(tmp_path) as (spool, closed):
        assert spool.append(Signal.TRACES, b"", {"": 1})[1] is False
        assert [segment.path.name for segment in closed] == ["20260101T000000.000000-00000001.0.seg"]
    assert _payloads(closed) == [b""]


@pytest.mark.parametrize("fault", ["refuses_write", "refuses_sync"])
def test_disk_that_refuses_breaks_the_promise_and_heals(tmp_path: Path, fault: str) -> None:
    """What was durable stays, what failed is refused as retryable, and its second attempt is new."""
    disk = _FullDisk()
    with _spool(tmp_path, disk) as (spool, closed):
        _append(spool, b"before").result(5)
        setattr(disk, fault, True)
        with pytest.raises(SpoolBroken):
            _append(spool, b"refused").result(5)
        setattr(disk, fault, False)
        _append(spool, b"refused").result(5)
    assert _payloads(closed) == [b"before", b"refused"]
    assert all(reader.inspect(segment, Disk()).damage == "" for segment in closed)


def test_full_spool_refuses_and_recovers(tmp_path: Path) -> None:
    """At the limit the answer is SpoolFull; after the store took segments it is yes again."""
    with _spool(tmp_path, max_bytes=8192) as (spool, closed):
        for index in range(3):
            _append(spool, os.urandom(3000) + bytes([index])).result(5)
        with pytest.raises(SpoolFull, match="SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES=8192"):
            _append(spool, b"too much").result(5)
        for segment in list(closed):
            spool.stored(segment)
        _append(spool, b"too much").result(5)


def test_segment_comes_of_age(tmp_path: Path) -> None:
    """A small segment is handed on without more traffic."""
    with _spool(tmp_path, max_age_s=0.05) as (spool, closed):
        _append(spool, b"alone").result(5)
        deadline = time.monotonic() + 5
        while not closed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert closed


def test_closed_spool_refuses(tmp_path: Path) -> None:
    """While draining, a request is refused as retryable."""
    with _spool(tmp_path) as (spool, _):
        pass
    with pytest.raises(Draining):
        _append(spool, b"late")


def test_damage_is_found_in_a_closed_segment(tmp_path: Path) -> None:
    """A flipped byte names where the whole records end."""
    with _spool(tmp_path) as (spool, closed):
        _append(spool, b"first" * 10).result(5)
        _append(spool, b"second" * 10).result(5)
    data = bytearray(closed[0].path.read_bytes())
    data[-10] ^= 1
    closed[0].path.write_bytes(bytes(data))
    inspection = reader.inspect(closed[0], Disk())
    assert inspection.damage
    assert inspection.good_bytes == len(record.encode(b"first" * 10))


def test_segment_that_cannot_be_closed_is_tried_again(tmp_path: Path) -> None:
    """A disk that refuses the rename holds a segment back, not up: it is handed on later, without a restart."""
    disk = _FullDisk()
    disk.refuses_rename = 2
    with _spool(tmp_path, disk, max_age_s=0.01) as (spool, closed):
        _append(spool, b"held back").result(5)
        deadline = time.monotonic() + 10
        while not closed and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _payloads(closed) == [b"held back"]


def test_missing_digests_are_read_from_the_segment(tmp_path: Path) -> None:
    """Where the disk had no room for a summary, the next life knows the requests all the same."""
    with _spool(tmp_path) as (spool, _):
        _append(spool, b"known").result(5)
    for summary in (tmp_path / "traces").glob("*.summary"):
        summary.unlink()
    with _spool(tmp_path) as (spool, _):
        assert spool.append(Signal.TRACES, b"known", {"": 1})[1] is False


def test_torn_segment_that_cannot_be_cut_takes_no_more(tmp_path: Path) -> None:
    """What a refused request left in a file would be found beside its second attempt: the signal waits for the cut."""
    disk = _FullDisk()
    with _spool(tmp_path, disk) as (spool, closed):
        _append(spool, b"before").result(5)
        disk.refuses_write = disk.refuses_truncate = True
        with pytest.raises(SpoolBroken):
            _append(spool, b"refused").result(5)
        disk.refuses_write = False
        with pytest.raises(SpoolBroken, match="could not be cut"):
            _append(spool, b"refused").result(5)
        disk.refuses_truncate = False
        _retried(spool, b"refused")
    assert _payloads(closed) == [b"before", b"refused"]


def _retried(spool: Spool, payload: bytes) -> None:
    for _ in range(200):
        try:
            _append(spool, payload).result(5)
        except SpoolBroken:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("still refused")


def test_rename_may_be_called_again_after_it_happened(tmp_path: Path) -> None:
    """Where only the folder's sync failed, the second attempt finds the new name and syncs."""
    disk = Disk()
    (tmp_path / "new").write_bytes(b"there")
    disk.rename(tmp_path / "old", tmp_path / "new")
    with pytest.raises(FileNotFoundError):
        disk.rename(tmp_path / "old", tmp_path / "absent")


def test_file_that_cannot_be_made_durable_is_not_left_behind(tmp_path: Path) -> None:
    """A folder that cannot be synced refuses a new segment without a file or an open descriptor for each attempt."""

    class _NoFolderSync(Disk):
        def sync_folder(self, folder: Path) -> None:
            raise OSError(5, "Input/output error")

    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            _NoFolderSync().create(tmp_path / "a.open")
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_digests_that_had_no_room_are_kept_when_the_segment_goes(tmp_path: Path) -> None:
    """A request is recognised in the next life though its summary could not be written at first."""
    with _spool(tmp_path) as (spool, closed):
        _append(spool, b"known").result(5)
    closed[0].path.with_name(f"{closed[0].name}.summary").unlink()
    with _spool(tmp_path) as (spool, closed):
        spool.stored(closed[0])
        assert spool.waiting_bytes == 0
    with _spool(tmp_path) as (spool, closed):
        assert spool.append(Signal.TRACES, b"known", {"": 1})[1] is False
        assert closed == []


def test_dead_letter_is_durable_before_its_segment_goes(tmp_path: Path) -> None:
    """Records that nobody can read are synced with their folder: their segment is removed right after."""
    synced: list[Path] = []

    class _Disk(Disk):
        def write(self, path: Path, data: bytes) -> None:
            super().write(path, data)
            synced.append(path)

        def sync_folder(self, folder: Path) -> None:
            super().sync_folder(folder)
            synced.append(folder)

    with _spool(tmp_path, _Disk()) as (spool, closed):
        _append(spool, b"poison").result(5)
        spool._roll(spool._open[Signal.TRACES])
        synced.clear()
        target = spool.write_dead_letter(closed[0], b"poison", "why")
    assert target.read_bytes() == b"poison"
    assert synced.index(target) < synced.index(target.parent, synced.index(target))
    assert target.with_suffix(".reason").read_text() == "why\n"


def test_digests_of_an_earlier_version_beside_an_open_segment_are_not_believed(tmp_path: Path) -> None:
    """They also name a request whose record was cut: when it comes again it is stored."""
    with _spool(tmp_path) as (spool, closed):
        _append(spool, b"kept").result(5)
    (segment,) = closed
    segment.path.with_name(f"{segment.name}.summary").unlink()
    segment.path.rename(segment.path.with_name(f"{segment.name}.open"))
    empty = segment.path.with_name("20200101T000000.000000-00000000.open")
    empty.write_bytes(b"torn")
    for name, payloads in ((segment.name, (b"kept", b"cut")), (empty.stem, (b"torn",))):
        digests = b"".join(record.digest(Signal.TRACES, payload) for payload in payloads)
        segment.path.with_name(f"{name}.seen").write_bytes(digests)
    with _spool(tmp_path) as (spool, _):
        is_new = [spool.append(Signal.TRACES, payload, {"": 1})[1] for payload in (b"kept", b"cut", b"torn")]
    assert is_new == [False, True, True]
    assert not list((tmp_path / "traces").glob("*.seen"))


class _Unreadable(Disk):
    """A disk that cannot read summaries."""

    def open(self, path: Path) -> BinaryIO:
        """Read a file, if it is no summary."""
        if path.suffix == ".summary":
            raise OSError(5, "Input/output error")
        return super().open(path)


def test_summary_that_cannot_be_read_does_not_stop_the_start(tmp_path: Path) -> None:
    """That of a segment which waits is replaced by the segment; that of one which is gone is passed over."""
    with _spool(tmp_path) as (spool, closed):
        _append(spool, b"waits").result(5)
    (tmp_path / "traces" / "20200101T000000.000000-00000000.summary").write_bytes(b"")
    with _spool(tmp_path, _Unreadable()) as (spool, again):
        assert again == closed
        assert spool.append(Signal.TRACES, b"waits", {"": 1})[1] is False


def test_requests_lost_with_a_damaged_segment_are_new_when_they_come_again(tmp_path: Path) -> None:
    """What stands before the damage is stored and stays known, in the next life too."""
    with _spool(tmp_path) as (spool, closed):
        for payload in (b"before", b"damaged"):
            _append(spool, payload).result(5)
    (segment,) = closed
    data = segment.path.read_bytes()
    segment.path.write_bytes(data.replace(b"damaged", b"dmgd   "))
    with _spool(tmp_path) as (spool, _):
        spool.quarantine(segment, "damaged")
        assert spool.append(Signal.TRACES, b"before", {"": 1})[1] is False
    with _spool(tmp_path) as (spool, _):
        assert spool.append(Signal.TRACES, b"before", {"": 1})[1] is False
        assert spool.append(Signal.TRACES, b"damaged", {"": 1})[1] is True
        assert spool.append(Signal.TRACES, b"damaged", {"": 1})[1] is False


@pytest.mark.parametrize(("insert_s", "age_s"), [(0.0, 1.5), (0.3, 1.5), (0.7, 1.1), (4.0, 0.75)])
def test_segments_are_closed_sooner_where_inserts_take_long(tmp_path: Path, insert_s: float, age_s: float) -> None:
    """So that age and INSERT together stay within two seconds; never after less than half the age of the settings."""
    with _spool(tmp_path, max_age_s=1.5) as (spool, _):
        spool.insert_took(insert_s)
        assert spool._age_s() == pytest.approx(age_s)
