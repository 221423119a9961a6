"""`Up`, which other tests start: a start that fails leaves no process behind."""

from pathlib import Path

import psutil
import pytest
from running_up import Up


def test_a_start_that_fails_leaves_no_process(tmp_path: Path) -> None:
    """The supervisor and what it started are gone when the test fails because they were not ready in time."""
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "sightline"
    script.write_text("#!/bin/sh\nsleep 600 &\necho $$ $! > pids\nwait\n")
    script.chmod(0o755)
    with pytest.raises(AssertionError):
        Up(tmp_path, script.parent, ready_within_s=1)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
