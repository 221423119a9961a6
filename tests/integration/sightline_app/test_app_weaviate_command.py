"""The command that starts Weaviate: how it ends where there is nothing to start."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "env", "code", "told"),
    [
        (["--install-only"], {"WEAVIATE_URL": "http://elsewhere:8080"}, 0, "none is started here"),
        (["--find-only"], {}, 3, "no Weaviate binary"),
        ([], {"SIGHTLINE_WEAVIATE_PORT": "99999"}, 2, "SIGHTLINE_WEAVIATE_PORT"),
    ],
)
def test_command_ends_with_the_documented_exit_code(
    tmp_path: Path, arguments: list[str], env: dict[str, str], code: int, told: str
) -> None:
    """Nothing to start is 0, a setting that can't work is 2, no server is 3."""
    base = {"PATH": str(tmp_path), "SIGHTLINE_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "sightline_app.weaviate_server", *arguments]
    done = subprocess.run(command, env=base | env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert told in done.stderr
