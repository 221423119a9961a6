"""Start programs so that none of them can be left behind, and stop them.

Each program leads a session of its own: Ctrl-C at the terminal reaches the supervisor only, which then stops the roles
in order. Three things keep a program from outliving the supervisor: `Running.stop`, the parent-death signal that
`leash.py` sets, and `watchdog.py`, which knows every group. A child that opened a session of its own is found by the
mark in its environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sightline_supervisor.errors import RoleMissing
from sightline_supervisor.watchdog import MARK_VARIABLE, marked

_HERE = Path(__file__).parent
_POLL_S = 0.05
_MAX_LOG_BYTES = 20 * 1024 * 1024
_TAIL_BYTES = 16 * 1024
_HEADER_CHARS = 200
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|(?:^|_)KEYS?(?:_|$)", re.IGNORECASE)


def find_command(name: str, extra: str = "all") -> str:
    """Return the path of a console script: beside the running interpreter first, then on PATH.

    Raises:
        RoleMissing: it is in neither place; names the extra that installs it.
    """
    beside = Path(sys.executable).parent / name
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise RoleMissing(name, extra)
    return found


def describe_exit(code: int) -> str:
    """Put an exit code as `Popen` gives it into words: `ended with exit code 1`, `was ended by SIGKILL`."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def tail(path: Path, lines: int = 15, begin: int = 0) -> str:
    """Return the last lines of a log after byte `begin`, without blank ones; of a progress bar the last state."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(begin, log.tell() - _TAIL_BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    last_states = (line.rstrip().rsplit("\r", 1)[-1].rstrip() for line in text.split("\n"))
    return "\n".join([line for line in last_states if line][-lines:])


def _harmless(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not _SECRET.search(name)}


class Running:
    """A started program: its process, its group and its log."""

    def __init__(
        self, popen: subprocess.Popen[bytes], log: Path, *, begin: int, mark: str, watchdog: _Watchdog
    ) -> None:
        self._mark = mark
        self.log = log
        self._begin = begin
        self._popen = popen
        self._watchdog = watchdog
        self._cleared = False

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group and session."""
        return self._popen.pid

    def tail(self, lines: int = 15) -> str:
        """Return the last lines that this process (and not one before it) has logged."""
        return tail(self.log, lines, self._begin)

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        while (code := self.exit_code()) is None:
            await asyncio.sleep(_POLL_S)
        self._clear_group()
        return code

    def signal_group(self, sig: signal.Signals) -> bool:
        """Send a signal to the program and its children; False when none of them is left."""
        if self._cleared:  # the number may belong to somebody else by now
            return False
        try:
            os.killpg(self.pid, sig)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def stop(self, grace_s: float, turn_s: float | None = None) -> bool:
        """Ask the program to end (SIGTERM), and end it (SIGKILL) after the grace period.

        Args:
            grace_s: seconds between SIGTERM and SIGKILL.
            turn_s: give up waiting after this many seconds, with the program perhaps still ending; call again later.

        Returns:
            True when it has ended.
        """
        begun = time.monotonic()
        if self.exit_code() is None:
            self.signal_group(signal.SIGTERM)
        while self.exit_code() is None:
            waited = time.monotonic() - begun
            if waited >= grace_s:
                self.signal_group(signal.SIGKILL)
            elif turn_s is not None and waited >= turn_s:
                return False
            await asyncio.sleep(_POLL_S)
        self._clear_group()
        return True

    def kill(self) -> None:
        """End the program and its children at once (SIGKILL) and wait for it."""
        self.signal_group(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=5)
        self._clear_group()

    def _clear_group(self) -> None:
        """End children that outlived their leader, then take the group off the watchdog's list."""
        if self._cleared:
            return
        self.signal_group(signal.SIGKILL)
        for pid in marked(self._mark):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._cleared = True
        self._watchdog.forget(self.pid)


class _Watchdog:
    """The process of `watchdog.py`, and the pipe that tells it which groups are alive."""

    def __init__(self, grace_s: float, mark: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HERE / "watchdog.py"), str(grace_s), mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def remember(self, group: int) -> None:
        self._write(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._write(f"-{group}\n")

    def _write(self, line: str) -> None:
        pipe = self._popen.stdin
        if pipe is None or pipe.closed:
            return
        with contextlib.suppress(BrokenPipeError):  # somebody killed the watchdog; the leash still holds
            pipe.write(line.encode())
            pipe.flush()

    def close(self, patience_s: float) -> None:
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=patience_s)


class Launcher:
    """Starts programs with their logs in one folder, under one watchdog."""

    def __init__(self, log_dir: Path, grace_s: float = 5.0, base_env: Mapping[str, str] | None = None) -> None:
        """Open the log folder and start the watchdog.

        Args:
            log_dir: folder for `<name>.log`; made when missing.
            grace_s: seconds between SIGTERM and SIGKILL when the watchdog has to act.
            base_env: environment of every program; None: empty.
        """
        log_dir.mkdir(parents=True, exist_ok=True)
        self.log_dir = log_dir
        self._grace_s = grace_s
        self._base_env = dict(base_env or {})
        self._mark = f"{os.getpid()}-{secrets.token_hex(8)}/"
        self._launched = 0
        self._watchdog = _Watchdog(grace_s, self._mark)

    def launch(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        extra: str = "all",
        stdout: Path | None = None,
        stderr: int | None = None,
        without_secrets: bool = False,
    ) -> Running:
        """Start a program; call from the main thread only, because the parent-death signal is tied to the thread.

        Args:
            name: names the log file, which gets standard error and, unless `stdout` is given, standard output.
            command: a console script, or an absolute path, with its arguments.
            env: variables over the launcher's own.
            extra: the extra that would install the command, for the message when it is missing.
            stdout: write standard output to this file instead.
            stderr: write standard error to this file descriptor instead.
            without_secrets: leave out, of both environments, what is named like a secret.

        Raises:
            RoleMissing: the command is not installed.
        """
        program = command[0] if Path(command[0]).is_absolute() else find_command(command[0], extra)
        log_path = self.log_dir / f"{name}.log"
        if log_path.exists() and log_path.stat().st_size > _MAX_LOG_BYTES:
            log_path.replace(log_path.with_suffix(".log.1"))
        given = {**self._base_env, **env}
        with contextlib.ExitStack() as files:
            log = files.enter_context(log_path.open("ab"))
            said = " ".join(" ".join(command).split())[:_HEADER_CHARS]
            log.write(f"--- {datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z {said}\n".encode())
            log.flush()
            begin = log.tell()
            self._launched += 1
            mark = f"{self._mark}{self._launched}/"
            out = files.enter_context(stdout.open("wb")) if stdout is not None else log
            popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_HERE / "leash.py"), str(os.getpid()), program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log if stderr is None else stderr,
                env={**(_harmless(given) if without_secrets else given), MARK_VARIABLE: mark},
                start_new_session=True,
            )
        self._watchdog.remember(popen.pid)
        return Running(popen, log_path, begin=begin, mark=mark, watchdog=self._watchdog)

    def close(self) -> None:
        """End the watchdog, which ends whatever was not stopped before."""
        self._watchdog.close(patience_s=self._grace_s + 2)
