"""Become another program that ends when its parent does. Run as a script, never imported by the supervisor.

Usage: `python leash.py PARENT_PID COMMAND [ARGUMENT ...]`

On Linux the kernel then sends SIGTERM to the program when the parent dies, even by kill -9 (the setting survives
`execve`). Elsewhere the watchdog alone does that. Uses the standard library only and starts in milliseconds.

Source: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then replace it by the command."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only Linux needs it, and each start pays for it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # the parent died before the line above
        sys.exit(143)
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
