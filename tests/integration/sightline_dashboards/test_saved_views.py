"""Two processes of the dashboards save views into one file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sightline_dashboards.views.saved import SavedViews

_WRITER = """
import sys
from pathlib import Path
from sightline_dashboards.views.saved import SavedViews, view_of

saved = SavedViews(Path(sys.argv[1]))
for number in range(30):
    saved.save(view_of(f"{sys.argv[2]} {number}", "cost", {"tenant": sys.argv[2]}, ""))
    assert any(view.name == f"{sys.argv[2]} {number}" for view in saved.of(""))
    if number % 3 == 0:
        saved.remove(f"{sys.argv[2]} {number}", "")
"""


def test_no_view_of_two_processes_is_lost(tmp_path: Path) -> None:
    """Each saves 30 and removes 10 while the other does the same."""
    path = tmp_path / "views.json"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name], stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    for writer in writers:
        _, told = writer.communicate(timeout=120)
        assert writer.returncode == 0, told.decode()
    assert len(SavedViews(path).of("")) == 40
    assert {file.name for file in tmp_path.iterdir()} == {"views.json", "views.json.lock"}
