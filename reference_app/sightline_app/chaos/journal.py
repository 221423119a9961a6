"""What must be undone, on the disk before anything is harmed: a killed command leaves it, and `chaos undo` reads it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sightline_app.errors import AppError


class ChaosRefused(AppError):
    """The harm cannot be done, or not now; the message says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """A harm that is being done, or was left behind."""

    harm: str
    """Its name."""
    run_id: str
    """Of its marks."""
    since: str
    """UTC, ISO 8601."""
    pid: int
    """Of the command."""
    undo: dict[str, Any]
    """What undoing it needs; JSON."""


class Journal:
    """The one entry of a data folder; there is one harm at a time.

    Args:
        folder: of the journal, and of what a harm puts aside; it is made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "journal.json"

    def read(self) -> Entry | None:
        """Return the entry; None where nothing is to be undone.

        Raises:
            ChaosRefused: the file cannot be read.
        """
        try:
            return Entry(**json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as exc:
            raise ChaosRefused(f"the journal {self._file} cannot be read: {exc}") from exc

    def begin(self, entry: Entry) -> None:
        """Keep an entry, fsynced.

        Raises:
            ChaosRefused: there is one already, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(f".{os.getpid()}")
            with draft.open("w", encoding="utf-8") as out:
                json.dump(asdict(entry), out)
                out.flush()
                os.fsync(out.fileno())
            try:
                os.link(draft, self._file)  # fails where the file is there, unlike a rename
            finally:
                draft.unlink()
        except FileExistsError as exc:
            raise ChaosRefused(_already(self.read())) from exc
        except OSError as exc:
            raise ChaosRefused(f"the journal cannot be written to {self.folder}: {exc.strerror or exc}") from exc

    def end(self, entry: Entry) -> None:
        """Forget an entry that is undone; another one stays."""
        if self.read() == entry:
            self._file.unlink(missing_ok=True)


def _already(entry: Entry | None) -> str:
    if entry is None:
        return "another harm ended this moment; try again"
    state = "is being done" if _runs(entry.pid) else "was left behind"
    return f"{entry.harm} of {entry.since} {state} (pid {entry.pid}); `sightline-app chaos undo` ends it"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
