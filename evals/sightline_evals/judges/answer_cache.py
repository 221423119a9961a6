"""Answers of a judge on disk, so that the same question to the same judge is paid once.

A file of SQLite with one row an answer. Its key is a hash over the judge's address, name, version and parameters, the
whole prompt, and how often that prompt was asked before for the same score; the prompts themselves are not stored.
Only answers of the requested form are kept, for 90 days. Several processes may use it; where the file cannot be used,
the run goes on without it and says so once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Final

_KEEP_S: Final = 90 * 86_400.0
_logger = logging.getLogger(__name__)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID"
)


class AnswerCache:
    """Answers by judge and prompt.

    Args:
        path: the file; made with its folder where it does not exist, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, timeout=5, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_SCHEMA)
            self._connection.execute("DELETE FROM answers WHERE at < ?", (time.time() - _KEEP_S,))
        except (OSError, sqlite3.Error) as exc:
            self._give_up(exc)

    @staticmethod
    def key(*parts: object) -> bytes:
        """The key of an answer; 32 bytes."""
        text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
        return hashlib.sha256(text.encode()).digest()

    def get(self, key: bytes) -> str | None:
        """The answer of a key, None where there is none."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as exc:
            self._give_up(exc)
            return None
        return None if row is None else str(row[0])

    def put(self, key: bytes, text: str) -> None:
        """Keep an answer."""
        if self._connection is None:
            return
        try:
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, text, time.time()))
        except sqlite3.Error as exc:
            self._give_up(exc)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_up(self, exc: Exception) -> None:
        _logger.warning("answers of the judge are not kept: %s: %s", self._path, exc)
        self.close()
