"""What `tests/unit/conftest.py` forbids: a unit test that starts a process fails, whichever way it starts one."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "start",
    [
        lambda: os.fork(),  # noqa: PLW0108  looked up when it is called
        lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ),
        lambda: os.posix_spawnp(sys.executable, [sys.executable, "-c", ""], os.environ),
        lambda: os.system("true"),
        lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
        lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    ],
    ids=["fork", "posix_spawn", "posix_spawnp", "system", "multiprocessing spawn", "multiprocessing fork"],
)
def test_a_unit_test_starts_no_process(start: Callable[[], object]) -> None:
    """The test fails before there is a process, and the message names the right folder."""
    with pytest.raises(pytest.fail.Exception, match="belongs to tests/integration/<package>"):
        start()
