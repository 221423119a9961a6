"""Where the samples of a run come from: a dataset, stored traces, or an application that is asked now."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from sightline_evals.datasets import Sample, fingerprint, read_dataset
from sightline_evals.errors import UsageError
from sightline_evals.runs import samples as stored
from sightline_evals.runs.asking import Asker
from sightline_evals.runs.records import line_of, whole_sample
from sightline_store.client import Client

_MOST_TENANTS_TOLD = 8


class Source(Protocol):
    """Samples, one by one, and what a report says of them."""

    @property
    def size(self) -> int:
        """How many there are at most."""

    @property
    def has_references(self) -> bool:
        """Whether any has a reference answer."""

    @property
    def drawn_from(self) -> int | None:
        """How many traces there were to draw from; None of a dataset."""

    @property
    def dataset(self) -> Mapping[str, Any] | None:
        """Name, sha256 and rows; None of stored traces."""

    @property
    def sampling(self) -> Mapping[str, Any] | None:
        """Strategy and seed; None of a dataset."""

    @property
    def answers_sha256(self) -> str:
        """Hash of the answers that are judged; "" where they are not known before."""

    @property
    def prepare(self) -> Callable[[Sample], Awaitable[Sample]] | None:
        """Gives a sample its answer; None where it has one."""

    def text(self) -> str:
        """The origin in words."""

    def samples(self, done: Collection[str]) -> Iterator[Sample]:
        """The samples, but for those whose ids are in `done`."""

    def outlines(self) -> Iterator[Sample]:
        """All samples, as far as they are known without reading more."""

    def facts(self) -> tuple[int, tuple[str, ...]]:
        """(samples that could not be judged, remarks on the answers), of what was read so far."""

    def close(self) -> None:
        """Close what is open."""


@dataclass(slots=True)
class DatasetSource:
    """The cases of a file, judged as they stand or asked of an application.

    Attributes:
        path: the file.
        cases: what it holds.
        asker: gives the answers; None where the file has them.
    """

    path: Path
    cases: list[Sample]
    asker: Asker | None = None
    drawn_from: int | None = None
    sampling: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, path: Path, limit: int | None, asker: Asker | None) -> DatasetSource:
        """Read a file.

        Raises:
            DatasetError: it cannot be used.
        """
        cases = [whole_sample(sample) for sample in read_dataset(path, limit)]
        if asker is not None:  # the file's answers are those of another day
            cases = [replace(case, answer="", contexts=()) for case in cases]
        return cls(path, cases, asker)

    @property
    def size(self) -> int:
        """All cases."""
        return len(self.cases)

    @property
    def has_references(self) -> bool:
        """Whether any case has one."""
        return any(case.reference for case in self.cases)

    @property
    def dataset(self) -> Mapping[str, Any]:
        """What the dataset is."""
        return {"name": self.path.name, "sha256": fingerprint(self.cases), "rows": len(self.cases)}

    @property
    def answers_sha256(self) -> str:
        """Hash of the file's answers and passages; "" where the application is asked."""
        if self.asker is not None:
            return ""
        lines = (line_of([case.id, case.answer, case.contexts]) for case in self.cases)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def prepare(self) -> Callable[[Sample], Awaitable[Sample]] | None:
        """Asks the application."""
        return None if self.asker is None else self.asker.answered

    def text(self) -> str:
        """The file, and who was asked."""
        return str(self.path) if self.asker is None else f"{self.path}, answered by {self.asker.url}"

    def samples(self, done: Collection[str]) -> Iterator[Sample]:
        """The cases."""
        return (case for case in self.cases if case.id not in done)

    def outlines(self) -> Iterator[Sample]:
        """The cases."""
        return iter(self.cases)

    def facts(self) -> tuple[int, tuple[str, ...]]:
        """The file's own remarks."""
        return 0, tuple(sorted({case.note for case in self.cases if case.note}))

    def close(self) -> None:
        """End the asking."""
        if self.asker is not None:
            self.asker.close()


@dataclass(slots=True)
class StoredSource:
    """Stored traces that were drawn already, now or by the run that goes on.

    Attributes:
        client: the store.
        drawn: which.
        since: how far back they were looked for, as it was given.
        sampling: strategy and seed.
    """

    client: Client
    drawn: stored.Drawn
    since: str
    sampling: Mapping[str, Any] | None
    has_references: bool = False
    answers_sha256: str = ""
    dataset: Mapping[str, Any] | None = None
    prepare: Callable[[Sample], Awaitable[Sample]] | None = None
    _found: stored.Completeness = field(default_factory=stored.Completeness)

    @property
    def size(self) -> int:
        """All that were drawn."""
        return len(self.drawn.rows)

    @property
    def drawn_from(self) -> int | None:
        """How many traces there were to draw from."""
        return self.drawn.drawn_from

    def text(self) -> str:
        """The window, the tenants, and what lacks content."""
        text = f"the traces of the last {self.since}"
        if tenants := list(self.drawn.by_tenant.items()):
            counts = ", ".join(f"{tenant} {count}" for tenant, count in tenants[:_MOST_TENANTS_TOLD])
            text += f" ({counts}{', …' if len(tenants) > _MOST_TENANTS_TOLD else ''})"
        if self._found.incomplete:
            text += f"; {self._found.incomplete} more had no question, answer or passage captured"
        return text

    def samples(self, done: Collection[str]) -> Iterator[Sample]:
        """The traces, read page by page."""
        rows = [row for row in self.drawn.rows if row["trace_id"] not in done]
        return map(whole_sample, stored.read(self.client, rows, self._found))

    def outlines(self) -> Iterator[Sample]:
        """The traces without their content."""
        return map(stored.outline, self.drawn.rows)

    def facts(self) -> tuple[int, tuple[str, ...]]:
        """What was seen while reading."""
        notes = set(self._found.notes)
        if self.sampling and self.sampling["strategy"] == "low-score":
            notes.add("drawn because they were judged badly: the means say nothing about other traces")
        if self.sampling and self.sampling["strategy"] == "drifted":
            notes.add(f"drawn from {self.drawn.topic or 'the topics that grew most'}: the means are theirs")
        return self._found.incomplete, tuple(sorted(notes))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def headers_of(text: str) -> dict[str, str]:
    """Header fields out of ``name=value,name=value``.

    Raises:
        UsageError: a part has no name or no value.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise UsageError("SIGHTLINE_EVALS_ASK_HEADERS needs name=value, with commas between")
        found[name.strip()] = value.strip()
    return found
