"""The wall behind the node's judgement, with the real kernel: an admin's statement finds no file and no address.

Whatever passes as an admin's is what a hole in the judgement of readers' statements would let pass.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_http import ask
from role_process import Role, StartRole, free_port

from sightline_node.isolation import environment, landlock
from sightline_node.readers import keys
from sightline_node.readers.roles import Role as KeyRole

pytestmark = pytest.mark.skipif(
    landlock.abi() < landlock.MIN_ABI or not landlock.can_filter(),
    reason=f"!!! SKIPPED: this kernel has Landlock {landlock.abi()}; {landlock.MIN_ABI} is needed",
)
SECRET = "secret-of-the-machine"
IMPATIENT = {"http_max_tries": "1", "http_connection_timeout": "2", "http_receive_timeout": "2"}
StartNode = Callable[..., tuple[str, Role]]


@pytest.fixture
def start(roles: StartRole, tmp_path: Path) -> StartNode:
    """Start a node on the same data with some settings; returns its URL and its process."""

    def node(**settings: str) -> tuple[str, Role]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        env = {
            "SIGHTLINE_STORE_PORT": str(port),
            "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
            "SIGHTLINE_STORE_CONFINE": "required",
            **settings,
        }
        return url, roles("sightline-store", "serve", env=env, health_url=f"{url}/ping")

    return node


@contextmanager
def _listener() -> Iterator[tuple[int, list[object]]]:
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                calls.append(caller)
                caller.close()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1], calls
        server.shutdown(socket.SHUT_RDWR)


def _ok(url: str, sql: str, **params: str) -> bytes:
    status, body, _ = ask(url, sql.encode(), **params)
    assert status == 200, (sql, body[:500])
    return body


def test_an_admins_statement_reads_no_file_of_the_machine(start: StartNode, tmp_path: Path) -> None:
    """Nothing beside the data is read or written, no other process is seen, and no program is run."""
    planted, keys = tmp_path / "planted", tmp_path / "keys"
    planted.write_text(SECRET)
    keys.mkdir()
    (keys / "admin.key").write_text(SECRET)
    url, _ = start()
    for path in (planted, keys / "admin.key", "/etc/passwd", "/proc/self/environ", "/proc/1/environ", "/proc/self/mem"):
        status, body, _ = ask(url, f"SELECT file('{path}')".encode())
        assert (status, b"Permission denied" in body) == (500, True), (path, body)
        assert SECRET.encode() not in body
    (tmp_path / "data" / "link").symlink_to(planted)
    assert b"Permission denied" in ask(url, f"SELECT file('{tmp_path}/data/link')".encode())[1]
    out = tmp_path / "out.csv"
    assert ask(url, f"INSERT INTO FUNCTION file('{out}', 'CSV', 'a UInt8') SELECT 1".encode())[0] == 500
    assert ask(url, f"SELECT 1 INTO OUTFILE '{out}'".encode())[0] != 200
    assert not out.exists()


def test_an_admins_statement_changes_neither_keys_nor_grants(start: StartNode, tmp_path: Path) -> None:
    """The access folder can be read and not written, after a restart with other grants too; new keys take effect."""
    data, access = tmp_path / "data", tmp_path / "data.access"
    token = keys.create(data, "collector", KeyRole.ADMIN)
    for databases in ("otel", "otel,other"):
        url, role = start(SIGHTLINE_STORE_READER_DATABASES=databases)
        before = {path.name: path.read_bytes() for path in access.iterdir()}
        assert {"access_keys.json", "users.xml", "config.xml"} <= before.keys()
        assert b"`other`.*" in before["users.xml"] or databases == "otel"
        key = {"X-ClickHouse-Key": token}
        for name in ("access_keys.json", "users.xml", "planted.xml"):
            for sql in (
                f"INSERT INTO FUNCTION file('{access}/{name}', 'RawBLOB', 'a String') SELECT 'x'",
                f"INSERT INTO FUNCTION file('{access}/{name}', 'RawBLOB', 'a String') "
                "SETTINGS engine_file_truncate_on_insert = 1 SELECT 'x'",
                f"SELECT 'x' INTO OUTFILE '{access}/{name}' TRUNCATE",
            ):
                assert ask(url, sql.encode(), key)[0] >= 400, sql
        (data / "link").unlink(missing_ok=True)
        (data / "link").symlink_to(access / "planted.xml")
        through_link = f"INSERT INTO FUNCTION file('{data}/link', 'RawBLOB', 'a String') SELECT 'x'"
        status, body, _ = ask(url, through_link.encode(), key)
        assert (status, b"Permission denied" in body) == (500, True), body
        assert {path.name: path.read_bytes() for path in access.iterdir()} == before
        role.stop()
    url, _ = start()
    reader = keys.create(data, "tools", KeyRole.READER)
    for key_id, statuses in (("", {200}), (reader[4:12], {403})):
        if key_id:
            keys.revoke(data, key_id)
        deadline = time.monotonic() + 10
        while ask(url, b"SELECT 1", {"X-ClickHouse-Key": reader})[0] not in statuses:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_an_admins_statement_reaches_no_address(start: StartNode) -> None:
    """Each way out ends in this process: the listener is never called."""
    url, _ = start()
    with _listener() as (port, calls):
        for sql in (
            f"SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString', 'line String')",
            f"SELECT * FROM url('http://localhost:{port}/', 'LineAsString', 'line String')",
            f"SELECT * FROM s3('http://127.0.0.1:{port}/b/k', 'a', 'b', 'CSV', 'a UInt8')",
            f"SELECT * FROM remote('127.0.0.1:{port}', system.one) SETTINGS connect_timeout = 1, "
            "connections_with_failover_max_tries = 1",
        ):
            assert ask(url, sql.encode(), s3_retry_attempts="0", **IMPATIENT)[0] >= 400, sql
        assert calls == []


def test_what_the_settings_allow_works(start: StartNode, tmp_path: Path) -> None:
    """A folder to read, a folder to write and a port, and nothing beside them."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "rows").write_text("7")
    (tmp_path / "beside").write_text(SECRET)
    with _listener() as (port, calls), _listener() as (other, other_calls):
        url, _ = start(
            SIGHTLINE_STORE_ALLOW_READ=str(tmp_path / "in"),
            SIGHTLINE_STORE_ALLOW_WRITE=str(tmp_path / "out"),
            SIGHTLINE_STORE_ALLOW_CONNECT=str(port),
        )
        assert _ok(url, f"SELECT file('{tmp_path}/in/rows')") == b"7\n"
        _ok(url, f"INSERT INTO FUNCTION file('{tmp_path}/out/rows.csv', 'CSV', 'a UInt8') SELECT 9")
        assert (tmp_path / "out" / "rows.csv").read_text() == "9\n"
        assert ask(url, f"SELECT file('{tmp_path}/beside')".encode())[0] == 500
        for name in ("127.0.0.1", "localhost"):
            for target in (port, other):
                sql = f"SELECT * FROM url('http://{name}:{target}/', 'LineAsString', 'line String')"
                assert ask(url, sql.encode(), **IMPATIENT)[0] >= 400
        assert len(calls) >= 2
        assert other_calls == []


def test_a_confined_node_does_its_work_and_starts_again(start: StartNode, tmp_path: Path) -> None:
    """Inserts, merges, spilling, large bodies, sessions, formats, compression, backups; after an end and a kill -9."""
    url, role = start()
    _ok(url, "CREATE TABLE default.t (a UInt64, b String) ENGINE = MergeTree PARTITION BY a % 2 ORDER BY a")
    for _ in range(2):
        _ok(url, "INSERT INTO default.t SELECT number, toString(number) FROM numbers(1000000)")
    _ok(url, "OPTIMIZE TABLE default.t FINAL")
    spilling = {"max_bytes_before_external_sort": "4000000", "max_bytes_before_external_group_by": "4000000"}
    assert _ok(url, "SELECT b FROM default.t ORDER BY b DESC, a LIMIT 1", **spilling) == b"999999\n"
    assert _ok(url, "SELECT count() FROM (SELECT b FROM default.t GROUP BY b)", **spilling) == b"1000000\n"
    _ok(url, "ALTER TABLE default.t DETACH PARTITION 1")
    _ok(url, "ALTER TABLE default.t ATTACH PARTITION 1")
    _ok(url, "ALTER TABLE default.t DELETE WHERE a = 7", mutations_sync="2")
    body = b"x" * 1000 + b"\n"
    _ok(url, "CREATE TABLE default.large (line String) ENGINE = MergeTree ORDER BY tuple()")
    status, answer, _ = ask(url, body * 140_000, query="INSERT INTO default.large FORMAT LineAsString")
    assert status == 200, answer
    assert _ok(url, "SELECT count() FROM default.large") == b"140000\n"
    assert _ok(url, "SELECT a FROM default.t LIMIT 3 FORMAT Parquet")[:4] == b"PAR1"
    assert _ok(url, "SELECT a FROM default.t FORMAT Null", enable_http_compression="1") == b""
    _ok(url, "CREATE TEMPORARY TABLE mine AS SELECT 5 AS n", session_id="mine")
    assert _ok(url, "SELECT n FROM mine", session_id="mine") == b"5\n"
    _ok(url, "BACKUP TABLE default.t TO File('one')")
    _ok(url, "DROP TABLE default.t SYNC")
    _ok(url, "RESTORE TABLE default.t FROM File('one')")
    rows = _ok(url, "SELECT count(), sum(a) FROM default.t")
    for end in (role.stop, role.kill):
        end()
        role.start()
        assert _ok(url, "SELECT count(), sum(a) FROM default.t") == rows
    left = list((tmp_path / "data" / "scratch").iterdir())
    assert role.process is not None
    assert [folder.name for folder in left] == [str(role.process.pid)]


def test_no_secret_stands_in_what_the_kernel_tells_of_the_process(start: StartNode) -> None:
    """The process id is the one that was started, and its environment was cleaned in the kernel's block too."""
    _, role = start(SIGHTLINE_STORE_PASSWORD=SECRET, OPENAI_API_KEY=SECRET, SIGHTLINE_STORE_MAX_QUEUED_QUERIES="5")
    assert role.process is not None
    process = Path(f"/proc/{role.process.pid}")
    block = (process / "environ").read_bytes()
    names = {variable.partition(b"=")[0].decode() for variable in block.split(b"\0") if variable}
    assert SECRET.encode() not in block
    assert not any(environment.is_secret(name) for name in names)
    assert {"SIGHTLINE_STORE_PORT", "SIGHTLINE_STORE_MAX_QUEUED_QUERIES"} <= names
    status = (process / "status").read_text().split("\n")
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


@pytest.mark.parametrize(
    ("settings", "bad"),
    [({}, set()), ({"SIGHTLINE_STORE_CONFINE": "off", "A_TOKEN": "x"}, {"process", "files", "network", "environment"})],
)
def test_doctor_tries_the_confinement_and_reports_it(
    start: StartNode, tmp_path: Path, settings: dict[str, str], bad: set[str]
) -> None:
    """Its code is 0 where all hold; else each bad line has the way out below it."""
    url, _ = start(**settings)
    env = {**os.environ, "SIGHTLINE_STORE_URL": url, "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data")}
    command = [Path(sys.executable).with_name("sightline-store"), "doctor"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    lines = done.stdout.splitlines()
    assert {line.split()[1] for line in lines if line.startswith("MEND")} == bad, done.stdout
    assert done.returncode == (1 if bad else 0)
    assert all(lines[at + 1].startswith("     ") for at, line in enumerate(lines) if line.startswith("MEND"))
    (tmp_path / "data" / "admin.key").write_text("x")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "MEND plain keys" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="!!! SKIPPED: only root can become another user")
def test_root_becomes_the_user_of_the_data(tmp_path: Path) -> None:
    """The process gives up root before anything is opened; data of somebody else are refused with the way out."""
    code = (
        "import json, os, sys; from pathlib import Path; from sightline_node.isolation import confinement;"
        "from sightline_node.readers.keys import KeyRing; from sightline_node.settings import NodeSettings;"
        "s = NodeSettings(data_dir=Path(sys.argv[1]), run_as='nobody', confine='off'); confinement.confine(s, []);"
        "print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), len(KeyRing(s.data_dir))]))"
    )
    nobody = pwd.getpwnam("nobody")
    data = Path("/tmp") / f"sightline-run-as-{os.getpid()}"  # pytest's own folder is closed to other users
    access = data.with_name(f"{data.name}.access")
    data.mkdir()
    try:
        keys.create(data, "made by root", KeyRole.ADMIN)
        run = [sys.executable, "-c", code, str(data)]
        done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [[nobody.pw_uid] * 3, [nobody.pw_gid] * 3, [], 1]
        assert (data / "scratch").stat().st_uid == nobody.pw_uid
        keys.create(data, "made by root later", KeyRole.ADMIN)
        assert {path.stat().st_uid for path in access.iterdir()} == {nobody.pw_uid}
        (data / "roots").write_text("x")
        done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
        assert "belongs to another user: `chown -R nobody" in done.stderr
        assert (access / "users.xml").stat().st_uid == nobody.pw_uid
    finally:
        shutil.rmtree(access, ignore_errors=True)
        shutil.rmtree(data)
