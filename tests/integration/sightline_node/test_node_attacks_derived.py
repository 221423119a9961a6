"""Thousands of attacks, derived from everything that a reader is refused, on a real engine; see `attack_fuzzer`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attack_runner import LISTS

from sightline_node.isolation import landlock


def _tried(folder: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, LISTS / "attack_fuzzer.py", folder, *options], check=False, capture_output=True, timeout=400
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    came: dict[str, Any] = json.loads(done.stdout)
    return came


def test_no_derived_attack_of_a_reader_is_answered(tmp_path: Path) -> None:
    """Of more than 2,000 none answers, shows a marker, writes a file or calls a port."""
    came = _tried(tmp_path)
    assert came["tried"] > 2000
    assert came["answered"] == []
    assert came["showed"] == []
    assert (came["connected"], came["wrote"]) == (0, False)


@pytest.mark.skipif(landlock.abi() < landlock.MIN_ABI, reason="this kernel has no Landlock")
def test_without_the_check_the_confinement_protects_a_planted_file_and_the_network(tmp_path: Path) -> None:
    """As if the judge had a hole for everything: the engine's role and the kernel stand alone."""
    came = _tried(tmp_path, "--unchecked")
    assert came["tried"] > 100
    assert came["files_confined"]
    assert came["network_confined"]
    assert came["showed"] == []
    assert (came["connected"], came["wrote"]) == (0, False)


def test_without_check_and_confinement_the_planted_file_is_read(tmp_path: Path) -> None:
    """So the attacks are real, and the two tests above are able to fail."""
    assert len(_tried(tmp_path, "--unchecked", "--unconfined")["showed"]) > 10
