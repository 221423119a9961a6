"""`sightline-store shell` on a terminal, as a person types into it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from sightline_store.client import Client
from sightline_store.settings import StoreSettings

_CTRL_C, _CTRL_D, _UP, _TAB = "\x03", "\x04", "\x1b[A", "\t"
_NEXT, _MORE = "sightline> ", "        -> "
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """A shell with a terminal of its own: what is typed, and what is to be seen."""

    def __init__(self, store_url: str, folder: Path) -> None:
        self._screen, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        env = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        env |= {"SIGHTLINE_STORE_URL": store_url, "SIGHTLINE_CACHE_DIR": str(folder), "TERM": "xterm"}
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("sightline-store")), "shell"],
            **dict.fromkeys(("stdin", "stdout", "stderr"), inside),
            env=env,
            preexec_fn=_own_terminal,  # noqa: PLW1509  (a terminal is taken by the process itself)
        )
        os.close(inside)
        self._seen = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._screen, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C until the next prompt: readline loses one between its prompt and its wait for a key."""
        for _ in range(10):
            self.type(_CTRL_C)
            with contextlib.suppress(AssertionError):
                self.until(_NEXT, wait_s=3)
                return
        self.until(_NEXT)

    def until(self, text: str, wait_s: float = 30) -> str:
        """What is shown up to a text and with it; what follows is for the next call."""
        deadline = time.monotonic() + wait_s
        while (at := (plain := _CONTROL.sub("", self._seen)).find(text)) < 0:
            assert time.monotonic() < deadline, f"{text!r} is not in {plain!r}"
            if select.select([self._screen], [], [], 0.2)[0]:
                try:
                    self._seen += os.read(self._screen, 65536).decode(errors="replace")
                except OSError:  # the process has ended
                    raise AssertionError(f"{text!r} is not in {plain!r}, and the shell has ended") from None
        self._seen = plain[at + len(text) :]
        return plain[: at + len(text)]

    def ends(self) -> int:
        """The exit code."""
        return self.process.wait(30)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(store_url: str, tmp_path: Path) -> Iterator[Terminal]:
    """A shell that has shown its first prompt."""
    with Terminal(store_url, tmp_path) as shell:
        shell.until(_NEXT)
        yield shell


def test_statements_over_several_lines_and_errors(terminal: Terminal) -> None:
    """A statement goes on until its `;`; what the engine refuses is shown, and the next one runs."""
    terminal.type("SELECT 'x;' AS a,\n")
    terminal.until(_MORE)
    terminal.type("40 + 2 AS b;\n")
    shown = terminal.until(_NEXT)
    assert "x;" in shown
    assert "42" in shown
    assert re.search(r"\d\.\d{3} s", shown)
    terminal.type("SELECT nosuch;\n")
    assert "Code: 47" in terminal.until(_NEXT)
    terminal.type("\\x\nSELECT 1 AS one;\n")
    terminal.until("Row 1:")
    assert "one: 1" in terminal.until(_NEXT)
    terminal.type("\\q\n")
    assert terminal.ends() == 0


def test_ctrl_c_drops_a_line_and_ends_a_query_on_the_server(terminal: Terminal, store_url: str) -> None:
    """What was begun is forgotten; a running statement ends where it runs, and the shell goes on."""
    client = Client(StoreSettings(url=store_url))
    running = "SELECT count() AS n FROM system.processes WHERE query LIKE '%typed by hand%' AND query NOT LIKE '%LIKE%'"

    def runs() -> bool:
        return bool(client.query_rows(running)[0]["n"])

    terminal.type("SELECT 1 FROM\n")
    terminal.until(_MORE)
    terminal.interrupt()
    terminal.type(
        "SELECT sum(sleepEachRow(0.1)) /* typed by hand */ FROM numbers(10000) SETTINGS max_block_size = 1;\n"
    )
    deadline = time.monotonic() + 30
    while not runs():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    terminal.type(_CTRL_C)
    terminal.until(_NEXT)
    while runs():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.close()
    terminal.type("SELECT 40 + 2 AS answer;\n")
    terminal.until("42")
    terminal.until(_NEXT)  # between two prompts the terminal itself takes Ctrl-D, and the shell never sees it
    terminal.type(_CTRL_D)
    assert terminal.ends() == 0


def test_history_and_completion(terminal: Terminal, store_url: str, tmp_path: Path) -> None:
    """Up brings back the last line, in the next shell too; Tab completes the names of questions."""
    terminal.type("SELECT 'remembered';\n")
    terminal.until(_NEXT)
    terminal.type("\\freshn" + _TAB)
    terminal.until("\\freshness")
    terminal.type("\n")
    terminal.until(_NEXT)
    terminal.type("\\q\n")
    assert terminal.ends() == 0
    (history,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert history.stat().st_mode & 0o077 == 0
    with Terminal(store_url, tmp_path) as again:
        again.until(_NEXT)
        again.type(_UP * 3)
        again.until("SELECT 'remembered';")
        again.type("\n")
        assert "remembered" in again.until(_NEXT)
