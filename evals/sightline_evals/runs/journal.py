"""The journal of a run: every sample and every score on disk before the next one is asked for.

A file of JSON lines, each with its ``kind``::

    run      what the run is: id, source, judge, metrics and the wishes that a resumed run takes over
    drawn    the rows that were drawn from a store, so that a resumed run judges the same ones
    case     a sample, before its first score
    score    a score; a later one of the same case and metric takes the place of the earlier
    sent     so many score lines, from the first on, need no sending any more, and how many the collector accepted

A line is written with one call and counts when its newline is there: a process that is killed leaves at most one torn
line, which is cut off when the run goes on. Lines survive the end of the process at once, and a power failure after
`_SYNC_EVERY_S`. A score that failed is kept for the report, and made again when the run goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sightline_evals.datasets import Sample
from sightline_evals.errors import RunNotKept
from sightline_evals.runs.records import case_record, line_of, sample_of, score_of, score_record
from sightline_evals.scoring.scores import SampleScore, Score

_SYNC_EVERY_S: Final = 1.0


class Journal:
    """Reads and writes one journal. Only offsets and ids are kept in memory.

    Args:
        path: the file; made where it does not exist.

    Raises:
        RunNotKept: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.head: dict[str, Any] = {}
        self.drawn: list[dict[str, Any]] | None = None
        """The rows that were drawn from a store; None where none were."""
        self.drawn_from = 0
        self.sent = 0
        """Scores that the collector has accepted."""
        self._settled = 0
        self._cases: dict[str, int] = {}
        self._scores: dict[tuple[str, str], tuple[int, int]] = {}
        self._done: set[tuple[str, str]] = set()
        self._order: list[tuple[str, str]] = []
        self._synced_at = time.monotonic()
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0)
            self._size = self._read()
            self._file.truncate(self._size)
        except OSError as exc:
            raise RunNotKept(f"{path}: {exc.strerror}") from exc

    @property
    def scores(self) -> int:
        """Score lines that were written, repetitions included."""
        return len(self._order)

    @property
    def done(self) -> int:
        """Scores that need not be made again."""
        return len(self._done)

    @property
    def cases(self) -> int:
        """Samples that were taken up."""
        return len(self._cases)

    def done_cases(self, metrics: Sequence[str]) -> set[str]:
        """The samples that have a score of each metric."""
        return {case for case in self._cases if all((case, metric) in self._done for metric in metrics)}

    def begin(self, head: Mapping[str, Any]) -> None:
        """Write what the run is."""
        self.head = dict(head)
        self._write({"kind": "run", **head})

    def add_drawn(self, rows: Sequence[Mapping[str, Any]], drawn_from: int) -> None:
        """Write the rows that were drawn, and from how many."""
        self.drawn, self.drawn_from = [dict(row) for row in rows], drawn_from
        self._write({"kind": "drawn", "drawn_from": drawn_from, "rows": self.drawn})

    def is_done(self, case: str, metric: str) -> bool:
        """Whether there is a score that did not fail."""
        return (case, metric) in self._done

    def add_case(self, sample: Sample) -> None:
        """Keep a sample; one without an answer does not take the place of one that is kept."""
        if sample.id in self._cases and not sample.answer:
            return
        self._cases[sample.id] = self._write({"kind": "case", **case_record(sample)})

    def add_score(self, scored: SampleScore) -> None:
        """Keep a score."""
        record = score_record(scored.sample.id, scored.score)
        self._note_score(record, self._write({"kind": "score", **record}))

    def note_accepted(self, lines: int, sent: int) -> None:
        """Note that the first `lines` score lines need no sending any more, and how many scores were accepted."""
        if lines != self._settled:
            self._settled, self.sent = lines, sent
            self._write({"kind": "sent", "lines": lines, "scores": sent})

    def has_case(self, case: str) -> bool:
        """Whether a sample is kept."""
        return case in self._cases

    def sample(self, case: str) -> Sample:
        """A sample that is kept."""
        return sample_of(self._line(self._cases[case]))

    def case_records(self) -> Iterator[dict[str, Any]]:
        """The samples in the order in which they came, as the report has them."""
        for offset in self._cases.values():
            record = self._line(offset)
            del record["kind"]
            yield record

    def score_records(self, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The scores, one a case and metric, in the order of cases, then of `metrics`."""
        for case in self._cases:
            for metric in metrics:
                if (case, metric) in self._scores:
                    record = self._line(self._scores[case, metric][0])
                    del record["kind"]
                    yield record

    def scored_samples(self) -> Iterator[tuple[dict[str, Any], Score]]:
        """(record of the sample, score), the last one of each case and metric."""
        of_case: dict[str, list[str]] = {}
        for case, metric in self._scores:
            of_case.setdefault(case, []).append(metric)
        for case, metrics in of_case.items():
            record = self._line(self._cases[case])
            for metric in metrics:
                yield record, score_of(self._line(self._scores[case, metric][0]))

    def not_accepted(self) -> Iterator[SampleScore]:
        """The scores that the collector has not accepted for sure, each once."""
        for place in range(self._settled, len(self._order)):
            case, metric = self._order[place]
            offset, last_place = self._scores[case, metric]
            if last_place == place:
                yield SampleScore(self.sample(case), score_of(self._line(offset)))

    def close(self) -> None:
        """Bring everything to the disk and close the file."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _note_score(self, record: Mapping[str, Any], offset: int) -> None:
        key = (str(record["case"]), str(record["metric"]))
        self._scores[key] = (offset, len(self._order))
        self._order.append(key)
        if not record["error"]:
            self._done.add(key)

    def _write(self, record: Mapping[str, Any]) -> int:
        """Append a line and return where it begins."""
        offset, line = self._size, line_of(record).encode() + b"\n"
        try:
            written = self._file.write(line)
            while written < len(line):  # a full disk may take a part
                written += self._file.write(line[written:])
            if time.monotonic() - self._synced_at >= _SYNC_EVERY_S:
                os.fsync(self._file.fileno())
                self._synced_at = time.monotonic()
        except OSError as exc:
            raise RunNotKept(f"{self._path}: {exc.strerror}") from exc
        self._size += len(line)
        return offset

    def _line(self, offset: int) -> dict[str, Any]:
        # Reads at a place of its own: the file is in append mode, so writes are not affected.
        pieces: list[bytes] = []
        place = offset
        while True:
            piece = os.pread(self._file.fileno(), 65_536, place)
            end = piece.find(b"\n")
            pieces.append(piece if end < 0 else piece[:end])
            if end >= 0 or not piece:
                break
            place += len(piece)
        found: dict[str, Any] = json.loads(b"".join(pieces))
        return found

    def _read(self) -> int:
        """Read the lines that are there; returns where the last whole one ends."""
        offset = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    record = json.loads(line)
                except ValueError:
                    break
                kind = record.pop("kind", "")
                if kind == "run":
                    self.head = record
                elif kind == "drawn":
                    self.drawn, self.drawn_from = record["rows"], record["drawn_from"]
                elif kind == "case":
                    self._cases[record["case"]] = offset
                elif kind == "score":
                    self._note_score(record, offset)
                elif kind == "sent":
                    self._settled, self.sent = record["lines"], record["scores"]
                offset += len(line)
        return offset


def run_id_of(path: Path) -> str:
    """The id of the run of a journal, '' where it has none."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
    except (OSError, ValueError):
        return ""
    return str(head.get("id", "")) if isinstance(head, dict) else ""
