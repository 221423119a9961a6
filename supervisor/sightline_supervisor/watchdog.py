"""End the supervisor's processes when the supervisor is gone. Run as a script, in a session of its own.

Reads `+PGID` and `-PGID` lines on stdin. End of file means that the supervisor has ended, cleanly or by kill -9: each
group that was not taken off gets SIGTERM, and SIGKILL after the grace period. The kernel closes the pipe whatever the
supervisor died of, so this holds on every POSIX system, and also for the children of the roles, which the parent-death
signal of `leash.py` does not reach. Where there is a /proc, children that opened a session of their own are found by
the mark in their environment.

Usage: `python watchdog.py GRACE_SECONDS MARK`
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

MARK_VARIABLE = "_SIGHTLINE_RUN"
"""Environment variable that every program of a supervisor, and whatever that starts, carries."""


def marked(mark: str) -> set[int]:
    """Return the pids of processes whose mark begins with `mark`; empty where there is no /proc."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (folder / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(wanted) for variable in variables) and int(folder.name) != os.getpid():
                found.add(int(folder.name))
    return found


def _send(groups: set[int], mark: str, sig: int) -> bool:
    """Send a signal to every group and every marked process; say whether there was any."""
    alive = False
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, sig)
            alive = True
    for pid in marked(mark):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, sig)
            alive = True
    return alive


def main(grace_s: float, mark: str) -> None:
    """Follow stdin until its end, then leave nothing alive."""
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    alive = _send(groups, mark, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while alive and time.monotonic() < deadline:
        time.sleep(0.1)
        alive = _send(groups, mark, 0)
    _send(groups, mark, signal.SIGKILL)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
