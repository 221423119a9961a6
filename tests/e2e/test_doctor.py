"""The doctor against a healthy collector, with and without TLS, and against none."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from role_process import Role, StartRole, free_port

from sightline_store.client import Client


def _doctor(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return _run(env, "doctor", *args)


def _run(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("sightline-collector")
    return subprocess.run(
        [str(script), *args], env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, public: Any, host: str) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(folder: Path, name: str, host: str, *, is_self_signed: bool) -> dict[str, str]:
    """Files of a certificate and its key, as settings; its authority, where there is one, is known to nobody."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    if is_self_signed:
        certificate = _signed(name, name, key, key.public_key(), host)
    else:
        certificate = _signed(name, "authority", authority, key.public_key(), host)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {
        "SIGHTLINE_COLLECTOR_TLS_CERT_FILE": str(folder / f"{name}.pem"),
        "SIGHTLINE_COLLECTOR_TLS_KEY_FILE": str(folder / f"{name}.key"),
    }


@pytest.mark.parametrize(("is_self_signed", "host"), [(True, "127.0.0.1"), (False, "collector.example.org")])
def test_doctor_checks_a_collector_that_speaks_tls(
    emptied: Callable[..., Client], tmp_path: Path, is_self_signed: bool, host: str
) -> None:
    """It trusts the certificate of the settings, whoever signed it for whatever name, and no other."""
    tls, store = _certificate(tmp_path, "own", host, is_self_signed=is_self_signed), emptied().settings
    plain = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(tmp_path / "keys.json"),
        "SIGHTLINE_STORE_URL": store.url,
        "SIGHTLINE_STORE_DATABASE": store.database,
        "https_proxy": "http://127.0.0.1:9",  # asks nobody else
    }
    env = {**plain, **tls}
    collector = Role(["sightline-collector", "serve"], env, "", tmp_path / "log")
    collector.process = subprocess.Popen(collector.command, env=collector.env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while (healthy := _doctor(env)).returncode and time.monotonic() < deadline:
            time.sleep(0.2)
        assert healthy.returncode == 0, healthy.stdout
        assert f"listens on https://127.0.0.1:{env['SIGHTLINE_COLLECTOR_HTTP_PORT']}" in healthy.stdout
        assert "queryable after" in healthy.stdout
        unset = _doctor(plain)
        assert unset.returncode == 1
        assert "speaks TLS only" in unset.stdout
        assert "SIGHTLINE_COLLECTOR_TLS_CERT_FILE" in unset.stdout
        other = _doctor({**plain, **_certificate(tmp_path, "other", host, is_self_signed=is_self_signed)})
        assert other.returncode == 1
        assert "presents a certificate that is not valid or not that of the settings" in other.stdout
        assert "acknowledged" not in other.stdout
    finally:
        collector.stop()


def test_doctor_finds_its_span_and_says_what_to_mend(
    roles: StartRole, tmp_path: Path, emptied: Callable[..., Client]
) -> None:
    """With everything in place each check is ok and the exit code 0; without, each says what to do and it is 1."""
    port, store = free_port(), emptied().settings
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(tmp_path / "keys.json"),
        "SIGHTLINE_STORE_URL": store.url,
        "SIGHTLINE_STORE_DATABASE": store.database,
    }
    roles("sightline-collector", "serve", env=env, health_url=f"http://127.0.0.1:{port}/healthz")
    healthy = _doctor(env)
    assert healthy.returncode == 0, healthy.stdout
    assert healthy.stdout.count("ok  ") == 8
    assert "requests    checked by" in healthy.stdout
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
    assert "1 in" in damaged.stdout
    assert "quarantine; `sightline-collector dead-letter list`" in damaged.stdout

    nothing = _doctor(
        {**env, "SIGHTLINE_COLLECTOR_HTTP_PORT": str(free_port()), "SIGHTLINE_STORE_URL": "http://127.0.0.1:9"}
    )
    assert nothing.returncode == 1
    assert "sightline-collector serve" in nothing.stdout
    assert "SIGHTLINE_STORE_URL=http://127.0.0.1:9: [Errno 111] Connection refused" in nothing.stdout
