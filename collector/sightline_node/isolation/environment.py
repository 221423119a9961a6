"""The node's environment: the variables that it needs and no secrets, in /proc/PID/environ too.

Variables that a process takes out of its environment still stand in the block that it was started with, which
/proc/PID/environ shows. So the node starts itself anew, under the same process id, with a list of what it keeps.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

_MARK = "_SIGHTLINE_STORE_PROCESS"
_KEPT = frozenset(
    {
        "HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "SYSTEMROOT",
        "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "SIGHTLINE_KAFKA_BROKERS",
        "_SIGHTLINE_RUN",  # by which the supervisor's watchdog finds the processes of a run
    }
)  # fmt: skip
_KEPT_PREFIXES = ("LC_", "PYTHON", "MALLOC_", "COVERAGE_", "SIGHTLINE_STORE_")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|(?:^|_)KEYS?(?:_|$)", re.IGNORECASE)


def kept(env: Mapping[str, str]) -> dict[str, str]:
    """Return what the node keeps of an environment."""
    return {
        name: value
        for name, value in env.items()
        if (name in _KEPT or name.startswith(_KEPT_PREFIXES)) and not is_secret(name)
    }


def is_secret(name: str) -> bool:
    """Say whether a variable's name indicates a secret."""
    return bool(_SECRET.search(name))


def start_anew() -> None:
    """Execute this command again with `kept` as the environment, unless that has been done.

    Call before any thread exists and before anything is opened that is not to be closed. The process id stays.
    """
    mark = str(os.getpid())
    if os.environ.pop(_MARK, "") == mark:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**kept(os.environ), _MARK: mark})  # noqa: S606
