r"""`sightline-store shell`: SQL over HTTP, line by line, with history and completion; a pipe gets plain values.

A statement ends with `;`. A line that begins with a backslash is the shell's own: `\x` turns the answer on its side,
`\t` lists the tables, `\d TABLE` its columns, `\q` leaves, `\?` prints the help, `\NAME` asks a shipped question.
"""

from __future__ import annotations

import pydoc
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.questions import catalog

_HELP = r"""  SELECT ...;        a statement ends with ;
  \x                 one column a line, on and off
  \t  \d TABLE       tables of the database; columns of one
  \l                 the shipped questions
  \NAME [P=V ...]    ask one of them: \freshness, \traces limit=5
  \timing            how long each answer took, on and off
  \q                 leave (so does Ctrl-D)
"""
_FIRST, _MORE = "sightline> ", "        -> "
_HISTORY_LINES = 5000
_WORDS = [
    "ALTER",
    "AND",
    "ARRAY",
    "JOIN",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "COUNT",
    "CREATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXPLAIN",
    "FINAL",
    "FORMAT",
    "FROM",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INSERT",
    "INTERVAL",
    "INTO",
    "IS",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OPTIMIZE",
    "OR",
    "ORDER",
    "PREWHERE",
    "SELECT",
    "SETTINGS",
    "SHOW",
    "TABLE",
    "TABLES",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
]


class Shell:
    """Answers lines. Not for two threads at once."""

    def __init__(self, client: Client, out: TextIO, *, interactive: bool) -> None:
        """Answer to `out`; a terminal gets tables, paging and timing, a pipe plain tab-separated values."""
        self._client = client
        self._out = out
        self._interactive = interactive
        self._vertical = False
        self._timing = interactive
        self._buffer = ""
        self.failed = False

    @property
    def prompt(self) -> str:
        """What stands before the next line."""
        return _MORE if self._buffer else _FIRST

    def feed(self, line: str) -> bool:
        """Take one line; False when the reader wants to leave."""
        if not self._buffer and line.strip().startswith("\\"):
            return self._own(line.strip()[1:])
        self._buffer += line.rstrip("\n") + "\n"
        for statement in self._complete():
            self._answer(statement)
        return True

    def finish(self) -> None:
        """Run what is left without a `;`."""
        statement, self._buffer = self._buffer.strip(), ""
        if statement:
            self._answer(statement)

    def forget(self) -> None:
        """Drop what was begun: Ctrl-C."""
        self._buffer = ""

    def words(self) -> list[str]:
        """What can be completed: keywords, tables, columns and shipped questions."""
        rows = self._client.query_rows(
            "SELECT DISTINCT arrayJoin([toString(table), toString(name)]) AS word FROM system.columns "
            "WHERE database = currentDatabase() ORDER BY word"
        )
        return [*_WORDS, *(row["word"] for row in rows), *(f"\\{name}" for name in catalog.names())]

    def _complete(self) -> Iterator[str]:
        """Statements that are whole; what follows the last `;` stays."""
        start = 0
        for end in _ends(self._buffer):
            statement = self._buffer[start:end].strip()
            start = end + 1
            if statement:
                yield statement
        self._buffer = self._buffer[start:] if self._buffer[start:].strip() else ""

    def _own(self, text: str) -> bool:
        name, _, rest = text.rstrip(";").partition(" ")
        if name in {"q", "quit", "exit"}:
            return False
        if name in {"?", "h", "help"}:
            self._out.write(_HELP)
        elif name == "x":
            self._vertical = not self._vertical
            self._out.write(f"one column a line: {'on' if self._vertical else 'off'}\n")
        elif name == "timing":
            self._timing = not self._timing
            self._out.write(f"timing: {'on' if self._timing else 'off'}\n")
        elif name == "t":
            self._answer(
                "SELECT name, engine, total_rows FROM system.tables WHERE database = currentDatabase() ORDER BY name"
            )
        elif name == "d":
            self._answer(f"DESCRIBE TABLE {rest.strip() or 'otel_traces'}")
        elif name == "l":
            self._out.write(catalog.listing())
        else:
            self._ask(name, rest)
        return True

    def _ask(self, name: str, rest: str) -> None:
        try:
            sql, params = catalog.prepared(name, rest.split())
        except ValueError as exc:
            self._fail(f"{exc}; \\? prints the help")
            return
        self._answer(sql, params)

    def _answer(self, sql: str, params: dict[str, str] | None = None) -> None:
        started = time.perf_counter()
        fmt = (
            "Vertical" if self._vertical else "PrettyCompactNoEscapes" if self._interactive else "TabSeparatedWithNames"
        )
        try:
            if self._interactive:
                text = self._client.query_bytes(sql, params, fmt).decode(errors="replace")
                self._show(text)
            else:
                for piece in self._client.stream(sql, params, fmt):
                    self._out.write(piece.decode(errors="replace"))
        except QueryFailed as exc:
            self._fail(exc.message.strip())
        except StoreError as exc:
            self._fail(str(exc))
        else:
            if self._timing:
                self._out.write(f"{time.perf_counter() - started:.3f} s\n")

    def _show(self, text: str) -> None:
        if text.count("\n") > shutil.get_terminal_size().lines - 2 and self._out.isatty():
            pydoc.pager(text)
        else:
            self._out.write(text)

    def _fail(self, text: str) -> None:
        self.failed = True
        (self._out if self._interactive else sys.stderr).write(f"{text}\n")


def run(client: Client, lines: TextIO, out: TextIO, history: Path) -> int:
    """Read to the end of `lines`; returns the exit code: 1 where a statement of a pipe failed."""
    interactive = lines.isatty() and out.isatty()
    shell = Shell(client, out, interactive=interactive)
    if not interactive:
        for line in lines:
            if not shell.feed(line):
                break
        shell.finish()
        return int(shell.failed)
    out.write(f"{client.settings.url}, database {client.settings.database}. \\? for help, \\q to leave.\n")
    with _Line(shell, history):
        while True:
            try:
                if not shell.feed(input(shell.prompt)):
                    return 0
            except KeyboardInterrupt:
                shell.forget()
                out.write("\n")
            except EOFError:
                out.write("\n")
                return 0


class _Line:
    """Line editing, history and completion by readline, where Python has it."""

    def __init__(self, shell: Shell, history: Path) -> None:
        self._history = history
        try:
            import readline  # noqa: PLC0415

            self._readline = readline
        except ImportError:  # Python without readline: lines are read plainly
            self._readline = None  # type: ignore[assignment]
            return
        try:
            words = shell.words()
        except StoreError:
            words = _WORDS
        readline.set_completer(lambda text, index: next(_matches(words, text, index), None))
        readline.set_completer_delims(" \t\n(),;=<>+-*'\"")
        readline.parse_and_bind("tab: complete")

    def __enter__(self) -> None:
        if self._readline and self._history.exists():
            self._readline.read_history_file(self._history)

    def __exit__(self, *_: object) -> None:
        if self._readline:
            self._history.parent.mkdir(parents=True, exist_ok=True)
            self._history.touch(mode=0o600)
            self._readline.set_history_length(_HISTORY_LINES)
            self._readline.write_history_file(self._history)


def _matches(words: Iterable[str], text: str, index: int) -> Iterator[str]:
    matches = [word for word in words if word.lower().startswith(text.lower())]
    yield from matches[index : index + 1]


def _ends(text: str) -> Iterator[int]:
    """Where statements end: each `;` that stands in no string, no quoted name and no comment."""
    closing, index = "", 0
    while index < len(text):
        here = text[index]
        if closing:
            if here == "\\" and closing in "'\"`":
                index += 1
            elif text.startswith(closing, index):
                index += len(closing) - 1
                closing = ""
        elif here in "'\"`":
            closing = here
        elif text.startswith("--", index):
            closing = "\n"
        elif text.startswith("/*", index):
            closing = "*/"
            index += 1
        elif here == ";":
            yield index
        index += 1
