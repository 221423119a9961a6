"""What holds for every unit test: it starts no process."""

from __future__ import annotations

import multiprocessing.process
import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

_ALLOWED = {"openssl", "go"}
"""What makes certificates for tests of TLS, and a script of two lines that a test writes in place of the compiler."""


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that starts a process belongs to `tests/integration/<package>`."""
    start = subprocess.Popen.__init__

    def popen(self: subprocess.Popen[Any], args: Any, *rest: Any, **options: Any) -> None:
        program = Path(os.fspath(args if isinstance(args, str | bytes) else next(iter(args)))).name
        assert program in _ALLOWED, f"a unit test starts {program}: it belongs to tests/integration/<package>"
        start(self, args, *rest, **options)

    def spawn(*_: object, **__: object) -> NoReturn:
        pytest.fail("a unit test forks or spawns: it belongs to tests/integration/<package>")

    monkeypatch.setattr(subprocess.Popen, "__init__", popen)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, spawn)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", spawn)
