"""`sightline-evals drift` where nothing can be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline_evals.__main__ import main


def test_a_run_that_failed_leaves_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file would be no JSON."""
    path = tmp_path / "drift.json"
    flags, env = ["drift", "--no-send", "--json", str(path)], {"SIGHTLINE_STORE_URL": "http://127.0.0.1:9"}
    assert main(flags, env) == 3
    assert "no ClickHouse answers" in capsys.readouterr().err
    assert not path.exists()
