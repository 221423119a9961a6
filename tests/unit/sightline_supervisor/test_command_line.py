"""What the command line says when it cannot start."""

import socket
from pathlib import Path
from subprocess import CompletedProcess as Done

import pytest

from sightline_supervisor.__main__ import main


def test_documents_that_do_not_exist_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started, with the option that is wrong."""
    assert main(["demo", "--data", str(tmp_path), "--docs", str(tmp_path / "none")]) == 1
    assert "--docs is" in capsys.readouterr().err


def test_demo_that_ends_breaks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There would be nobody to look at the pages."""
    assert main(["demo", "--data", str(tmp_path), "--break", "slow-search", "--once"]) == 1
    assert "leave out --once" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("done", "told"),
    [
        (Done((), 0, '{"slow-search": "takes longer", "burst": "more"}\n', ""), "one of slow-search, burst"),
        (Done((), 2, "", "no settings"), "sightline-app chaos list ended with exit code 2. no settings"),
    ],
)
def test_unknown_harm_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], done: Done[str], told: str
) -> None:
    """The application has the names; where it does not say them, its own reason is shown."""
    monkeypatch.setattr("sightline_supervisor.harms.subprocess.run", lambda *_, **__: done)
    assert main(["demo", "--data", str(tmp_path / "data"), "--break", "everything"]) == 1
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "data").exists()


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
