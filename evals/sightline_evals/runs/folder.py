"""Where runs keep what they have: one folder a run below `RunSettings.folder`, readable by its owner only."""

from __future__ import annotations

import fcntl
import shutil
import time
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from sightline_evals.errors import RunNotKept, UsageError
from sightline_evals.runs.journal import run_id_of

LATEST: Final = "latest"
"""The run that was written last."""
_JOURNAL: Final = "journal.jsonl"


class RunFolder:
    """The folder of one run, locked while this process has it.

    Args:
        runs: the folder of all runs.
        run_id: of this one.

    Raises:
        UsageError: another process works on the run.
        RunNotKept: the folder cannot be made or written.
    """

    def __init__(self, runs: Path, run_id: str) -> None:
        self.path = runs / quote(run_id, safe="")
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock: IO[str] = (self.path / "lock").open("w")
        except OSError as exc:
            raise RunNotKept(
                f"{self.path}: {exc.strerror}; SIGHTLINE_EVALS_CACHE_DIR names the folder where runs keep their scores"
            ) from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._lock.close()
            raise UsageError(f"run {run_id} is being worked on by another process") from exc

    @property
    def journal(self) -> Path:
        """The file of its results; see `journal`."""
        return self.path / _JOURNAL

    def close(self) -> None:
        """Let other processes have it."""
        self._lock.close()


def find(runs: Path, run_id: str) -> str:
    """The id of a run that is kept; `LATEST` is the one that was written last.

    Raises:
        UsageError: there is none.
    """
    kept = sorted(runs.glob(f"*/{_JOURNAL}"), key=lambda path: path.stat().st_mtime, reverse=True)
    if run_id == LATEST:
        found = next((name for path in kept if (name := run_id_of(path))), None)
        if found is None:
            raise UsageError(f"--resume latest: no run is kept in {runs}")
        return found
    if not (runs / quote(run_id, safe="") / _JOURNAL).exists():
        known = ", ".join(name for path in kept[:5] if (name := run_id_of(path)))
        raise UsageError(f"--resume {run_id}: no such run is kept in {runs}; there are {known or 'none'}")
    return run_id


def delete_old(runs: Path, keep_days: float) -> None:
    """Delete the runs that nobody wrote to for so many days; a run that another process works on stays."""
    oldest = time.time() - keep_days * 86_400
    for path in runs.glob(f"*/{_JOURNAL}"):
        try:
            if path.stat().st_mtime >= oldest:
                continue
            with (path.parent / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent)
        except OSError:
            continue
