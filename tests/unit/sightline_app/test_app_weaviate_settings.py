"""How Weaviate is found and with which settings it is started; no server is needed."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from sightline_app import weaviate_install
from sightline_app.errors import WeaviateNotToBeHad
from sightline_app.settings import WeaviateSettings
from sightline_app.weaviate_server import environment, internal_ports


def fake_binary(folder: Path, name: str) -> Path:
    """An executable file."""
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / name
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    return binary


def test_path_comes_before_the_cache(tmp_path: Path) -> None:
    """A binary on PATH wins over the cached one; without either there is none."""
    cache, bin_dir = tmp_path / "cache", tmp_path / "bin"
    assert weaviate_install.find(cache, str(bin_dir)) is None
    cached = fake_binary(cache / "bin", "weaviate-server")
    assert weaviate_install.find(cache, str(bin_dir)) == cached
    on_path = fake_binary(bin_dir, "weaviate")
    assert weaviate_install.find(cache, str(bin_dir)) == on_path


def test_error_lists_every_attempt_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without binary, network and Go, the error holds one sentence for each."""

    def unreachable(*_: object, **__: object) -> socket.socket:
        raise OSError("offline")

    monkeypatch.setattr(weaviate_install.socket, "create_connection", unreachable)
    with pytest.raises(WeaviateNotToBeHad) as caught:
        weaviate_install.obtain(tmp_path, {"PATH": str(tmp_path)})
    assert len(caught.value.tried) == 3
    assert "offline" in str(caught.value)
    assert "no `go` on PATH" in str(caught.value)


def test_build_that_fails_gives_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What go printed last is the reason."""
    monkeypatch.setattr(
        weaviate_install.socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError("offline"))
    )
    go = fake_binary(tmp_path / "bin", "go")
    go.write_text("#!/bin/sh\necho downloading\necho 'proxy: no such host' >&2\nexit 1\n")
    with pytest.raises(WeaviateNotToBeHad, match="proxy: no such host"):
        weaviate_install.obtain(tmp_path / "cache", {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})


def test_build_puts_the_server_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What go installs ends up under the cache folder, ready to run."""
    monkeypatch.setattr(
        weaviate_install.socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError("offline"))
    )
    go = fake_binary(tmp_path / "bin", "go")
    go.write_text("#!/bin/sh\necho x > $GOBIN/weaviate-server\n")
    found = weaviate_install.obtain(tmp_path / "cache", {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})
    assert found == tmp_path / "cache/bin/weaviate-server"
    assert os.access(found, os.X_OK)


def test_internal_ports_are_remembered_and_replaced_when_taken(tmp_path: Path) -> None:
    """The same ports come at every start, unless something else listens on one of them now."""
    first = internal_ports(tmp_path, [8079, 50051])
    assert internal_ports(tmp_path, [8079, 50051]) == first
    assert len(set(first.values())) == 4
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["RAFT_PORT"]))
        other.listen()
        assert internal_ports(tmp_path, [8079, 50051])["RAFT_PORT"] != first["RAFT_PORT"]
    (tmp_path / "ports.json").write_text("{")
    assert set(internal_ports(tmp_path, [])) == set(first)
    assert json.loads((tmp_path / "ports.json").read_text())


def test_server_environment_stays_on_loopback_and_lets_the_user_win(tmp_path: Path) -> None:
    """Telemetry and profiling are off, addresses are loopback, a variable of the user's stays."""
    ports = internal_ports(tmp_path, [])
    variables = environment(WeaviateSettings(data_dir=tmp_path), ports, {"LOG_LEVEL": "debug", "GRPC_PORT": "1"})
    assert variables["DISABLE_TELEMETRY"] == variables["GO_PROFILING_DISABLE"] == "true"
    assert variables["CLUSTER_BIND_ADDR"] == variables["CLUSTER_ADVERTISE_ADDR"] == "127.0.0.1"
    assert variables["LOG_LEVEL"] == "debug"
    assert variables["GRPC_PORT"] == "50051"
    assert variables["RAFT_PORT"] == str(ports["RAFT_PORT"])
