"""One supervisor per data folder, whatever the one before died of."""

import subprocess
import sys
from pathlib import Path

import pytest

from sightline_supervisor.errors import FolderLocked, SettingInvalid
from sightline_supervisor.folder_lock import FolderLock

_HOLD = """
import sys
from pathlib import Path
from sightline_supervisor.folder_lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_second_holder_is_told_who_has_the_folder(tmp_path: Path) -> None:
    """The message names the holder's pid, the folder and the option that moves it."""
    with _holder(tmp_path) as holder:
        with pytest.raises(FolderLocked, match=rf"pid {holder.pid}.*--data DIR") as caught, FolderLock(tmp_path):
            pass
        assert str(tmp_path) in str(caught.value)
        holder.communicate("")


def test_lock_of_a_killed_holder_is_taken_over(tmp_path: Path) -> None:
    """Kill -9 leaves a pid in the file and no lock; the next one knows that the run was cut off."""
    with _holder(tmp_path) as holder:
        holder.kill()
    with FolderLock(tmp_path) as lock:
        assert lock.last_run_was_cut_off
    with FolderLock(tmp_path) as lock:
        assert not lock.last_run_was_cut_off


def test_folder_that_cannot_be_made_names_its_option(tmp_path: Path) -> None:
    """A file where the folder should be ends in a sentence, not in a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingInvalid, match="--data"), FolderLock(tmp_path / "file"):
        pass
