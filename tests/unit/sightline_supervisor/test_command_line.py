"""What the command line says when it cannot start."""

import socket
from pathlib import Path

import pytest

from sightline_app.chaos.arguments import NAMES
from sightline_supervisor.__main__ import main
from sightline_supervisor.harms import HARMS


def test_documents_that_do_not_exist_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started, with the option that is wrong."""
    assert main(["demo", "--data", str(tmp_path), "--docs", str(tmp_path / "none")]) == 1
    assert "--docs is" in capsys.readouterr().err


def test_demo_that_ends_breaks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There would be nobody to look at the pages; an unknown harm is named with those that there are."""
    assert main(["demo", "--data", str(tmp_path), "--break", "slow-search", "--once"]) == 1
    assert "leave out --once" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["demo", "--data", str(tmp_path), "--break", "everything"])
    assert "slow-search" in capsys.readouterr().err


def test_demo_knows_the_harms_of_the_application() -> None:
    """The supervisor imports no role, so it has their names twice."""
    assert HARMS == NAMES


def test_taken_port_ends_the_command_with_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The role, its port and the option are named, and no log exists because nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["up", "--data", str(tmp_path), "--port-collector", str(port)]) == 1
    assert f"Port {port} for the collector is taken" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


def test_bad_setting_ends_the_command_with_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable is named."""
    monkeypatch.setenv("SIGHTLINE_STORE_PORT", "http")
    assert main(["up", "--data", str(tmp_path)]) == 1
    assert "SIGHTLINE_STORE_PORT is 'http'" in capsys.readouterr().err
