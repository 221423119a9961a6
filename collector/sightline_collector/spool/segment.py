"""Segments that wait for the store, and the names of segments."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sightline_store.ingest import Signal

_CLOSED = re.compile(r"(?P<name>[0-9T.]+-[0-9a-f]{8}(?:-s)?)\.(?P<items>\d+)\.seg")
_TIME = "%Y%m%dT%H%M%S.%f"
_SAMPLED = "-s"


def new_name(*, is_sampled: bool = False) -> str:
    """A name that no segment had or will have: the time, for order, 32 random bits, and whether it is sampled.

    The name says so because a segment must take the same way into the store whenever it is sent, whatever the settings
    are by then.
    """
    return f"{datetime.now(UTC):{_TIME}}-{secrets.token_hex(4)}{_SAMPLED if is_sampled else ''}"


def name_before(name: str, seconds: float) -> str:
    """Segments that are so much older than the one of this name have lower names than this."""
    moment = datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)
    return f"{moment - timedelta(seconds=seconds):{_TIME}}"


@dataclass(frozen=True, order=True)
class ClosedSegment:
    """A segment that waits for the store."""

    name: str
    signal: Signal
    items: int
    path: Path
    size_bytes: int = field(default=0, compare=False)
    """Bytes of its file, which is never written again."""

    @property
    def is_sampled(self) -> bool:
        """Whether it waits for a verdict on its traces."""
        return self.name.endswith(_SAMPLED)

    @classmethod
    def parse(cls, path: Path, signal: Signal, size_bytes: int = 0) -> ClosedSegment | None:
        """The segment that a path names, None for any other file."""
        match = _CLOSED.fullmatch(path.name)
        return cls(match["name"], signal, int(match["items"]), path, size_bytes) if match else None
