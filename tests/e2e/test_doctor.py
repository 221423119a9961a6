"""The doctor against a healthy collector and against none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from role_process import StartRole, free_port

from sightline_store.client import Client
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings


def _doctor(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return _run(env, "doctor", *args)


def _run(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("sightline-collector")
    return subprocess.run(
        [str(script), *args], env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def test_doctor_finds_its_span_and_says_what_to_mend(roles: StartRole, tmp_path: Path, store_url: str) -> None:
    """With everything in place each check is ok and the exit code 0; without, each says what to do and it is 1."""
    port = free_port()
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(tmp_path / "keys.json"),
        "SIGHTLINE_STORE_URL": store_url,
        "SIGHTLINE_STORE_DATABASE": "doctor",
    }
    client = Client(StoreSettings(url=store_url, database="doctor"))
    migrate.apply(client)
    client.close()
    roles("sightline-collector", "serve", env=env, health_url=f"http://127.0.0.1:{port}/healthz")
    healthy = _doctor(env)
    assert healthy.returncode == 0, healthy.stdout
    assert healthy.stdout.count("ok  ") == 7
    assert "queryable after" in healthy.stdout

    made = _run(env, "keys", "create", "--name", "doctor", "--tenant", "own")
    token = re.search(r"sl\w*_\S+", made.stdout)
    assert token, made.stdout + made.stderr
    without = _doctor(env)
    assert without.returncode == 1
    assert "SIGHTLINE_COLLECTOR_DOCTOR_KEY is unset" in without.stdout
    wrong = _doctor(env, "--key", "wrong")
    assert "is not one of them" in wrong.stdout
    assert "wrong" not in wrong.stdout
    keyed = _doctor({**env, "SIGHTLINE_COLLECTOR_DOCTOR_KEY": token[0]})
    assert keyed.returncode == 0, keyed.stdout
    assert "the span is sent with 'doctor', tenant 'own'" in keyed.stdout
    assert token[0] not in keyed.stdout

    (tmp_path / "spool" / "quarantine").mkdir()
    (tmp_path / "spool" / "quarantine" / "x.reason").write_text("damaged\n")
    damaged = _doctor(env)
    assert damaged.returncode == 1
    assert "quarantine" in damaged.stdout

    nothing = _doctor(
        {**env, "SIGHTLINE_COLLECTOR_HTTP_PORT": str(free_port()), "SIGHTLINE_STORE_URL": "http://127.0.0.1:9"}
    )
    assert nothing.returncode == 1
    assert "sightline-collector serve" in nothing.stdout
    assert "SIGHTLINE_STORE_URL=http://127.0.0.1:9: [Errno 111] Connection refused" in nothing.stdout
