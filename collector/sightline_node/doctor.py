"""`sightline-store doctor`: is the embedded node's process confined as it should be, and if not, what to do.

Run it on the node's machine, with its SIGHTLINE_STORE_URL and SIGHTLINE_STORE_DATA_DIR. The confinement is tried,
not read: an admin's statement asks for a file and for an address that the doctor has made, and must be refused both.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import secrets
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sightline_node import access_folder
from sightline_node.isolation import environment, landlock
from sightline_node.isolation.confinement import STATE_NAME
from sightline_node.readers import keys
from sightline_node.settings import NodeSettings
from sightline_roles.doctor import Finding
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.quoting import quote_string
from sightline_store.settings import StoreSettings

_NOT_ADMIN = frozenset({164, 497, 516})
_REFUSED = ("Permission denied", "Operation not permitted")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_RESTART = "start the node again, with SIGHTLINE_STORE_CONFINE=required if it must not run without"


def examine(settings: NodeSettings, store: StoreSettings) -> Iterator[Finding]:
    """Run every check; findings come as they are made."""
    logging.disable(logging.WARNING)
    client = Client(replace(_with_admins_key(settings, store), database="default"))
    state = _state(settings)
    for check, run in (
        ("node", lambda: _node(client, settings)),
        ("kernel", _kernel),
        ("process", lambda: _process(state, settings)),
        ("files", lambda: _files(client, state, settings)),
        ("network", lambda: _network(client, state, settings)),
        ("environment", lambda: _environment(state, settings)),
        ("access", lambda: _access(settings)),
        ("keys", lambda: _keys(settings)),
        ("plain keys", lambda: _plain_keys(settings)),
    ):
        yield _guarded(check, run)
    client.close()


def _guarded(check: str, run: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(check, *run())
    except QueryFailed as exc:
        if exc.code in _NOT_ADMIN:
            return Finding(
                check, "cannot be tried without an admin's key", "set SIGHTLINE_STORE_PASSWORD to an admin's key"
            )
        return Finding(check, "failed", exc.message.splitlines()[0][:500])
    except (StoreError, OSError, ValueError) as exc:
        return Finding(check, "failed", str(exc).splitlines()[0])


def _with_admins_key(settings: NodeSettings, store: StoreSettings) -> StoreSettings:
    """Use the key that `sightline up` keeps for this data folder, if it can be read."""
    reader = keys.reader_key_file(settings.data_dir)
    try:
        return replace(store, user="default", password=reader.with_name("admin.key").read_text().strip())  # type: ignore[union-attr]
    except (OSError, AttributeError):
        return store


def _state(settings: NodeSettings) -> dict[str, Any] | None:
    """The state that the node of the data folder wrote at its start; None if no such process runs here."""
    try:
        state: dict[str, Any] = json.loads((settings.data_dir / STATE_NAME).read_text(encoding="utf-8"))
        os.kill(state["pid"], 0)
    except PermissionError:
        return state  # it runs, as another user
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return state


def _no_node(settings: NodeSettings) -> tuple[str, str]:
    return (
        f"no node on this machine has {settings.data_dir.resolve()}",
        "run this where the node runs, with its SIGHTLINE_STORE_DATA_DIR; a ClickHouse server has its own protection",
    )


def _node(client: Client, settings: NodeSettings) -> tuple[str, str]:
    (row,) = client.query_rows("SELECT version() AS version")
    result = f"ClickHouse {row['version']} at {client.settings.url}"
    try:
        (disk,) = client.query_rows("SELECT path FROM system.disks WHERE name = 'default'")
    except QueryFailed:
        return result, ""
    if Path(disk["path"]) != settings.data_dir.resolve():
        return f"{result}, data in {disk['path']}", (
            f"SIGHTLINE_STORE_DATA_DIR is {settings.data_dir.resolve()}: set it to that folder, or SIGHTLINE_STORE_URL "
            "to its node"
        )
    return f"{result}, data in {disk['path']}", ""


def _kernel() -> tuple[str, str]:
    abi_version = landlock.abi()
    result = f"Landlock {abi_version}" if abi_version else "no Landlock"
    result += ", system calls can be filtered" if landlock.can_filter() else ", system calls cannot be filtered"
    if abi_version < landlock.MIN_ABI:
        return (
            result,
            "files need Linux 5.19 or later with `landlock` in /sys/kernel/security/lsm; see docs/security.md",
        )
    return result, ""


def _process(state: dict[str, Any] | None, settings: NodeSettings) -> tuple[str, str]:
    """The process's user, and its confinement according to the kernel."""
    if state is None:
        return _no_node(settings)
    status = Path(f"/proc/{state['pid']}/status").read_text(encoding="utf-8")
    status_fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in status.splitlines())}
    has_no_more, is_filtered = status_fields.get("NoNewPrivs") == ["1"], status_fields.get("Seccomp") == ["2"]
    user = int(status_fields["Uid"][1])
    result = f"process {state['pid']} of user {user}"
    if state["missing"] or not (has_no_more and is_filtered):
        why = state["missing"] or "the kernel says that it is not confined"
        advice = "; run it as a user of its own, SIGHTLINE_STORE_RUN_AS" if user == 0 else ""
        return f"{result}, not confined: {why}", _RESTART + advice
    return f"{result}, confined; can get no more rights, system calls filtered", ""


def _files(client: Client, state: dict[str, Any] | None, settings: NodeSettings) -> tuple[str, str]:
    """Have an admin's statement read a file that everybody may read and that lies outside of what the node may open."""
    if state is None:
        return _no_node(settings)
    marker = secrets.token_hex(16)
    with _folder(state, settings) as folder:
        planted = folder / "planted"
        planted.write_text(marker, encoding="utf-8")
        planted.chmod(0o644)
        answer = _refusal(client, f"SELECT file({quote_string(str(planted))})")
    more = f"; may open {', '.join(state['more'])}" if state["more"] else ""
    if answer is None:
        return f"an admin's statement read {planted}{more}", _RESTART
    if any(words in answer for words in _REFUSED):
        return f"an admin's statement was refused {planted}{more}", ""
    return "cannot tell", answer


def _network(client: Client, state: dict[str, Any] | None, settings: NodeSettings) -> tuple[str, str]:
    """Have an admin's statement call a port of loopback that the doctor listens on."""
    if state is None:
        return _no_node(settings)
    if state["ports"] == "*":
        return "any port of any machine may be called", "name the ports in SIGHTLINE_STORE_ALLOW_CONNECT instead of *"
    with _listener() as (port, calls):
        answer = _refusal(
            client,
            f"SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString', 'line String') "  # noqa: S608  (a number)
            "SETTINGS http_max_tries = 1, http_connection_timeout = 2, http_receive_timeout = 2",
        )
    if calls:
        return f"an admin's statement called 127.0.0.1:{port}", _RESTART
    but = f"; may call ports {', '.join(map(str, state['ports']))}" if state["ports"] else ""
    if answer is not None and any(words in answer for words in _REFUSED):
        return f"an admin's statement was refused 127.0.0.1:{port}{but}", ""
    return "cannot tell", answer or "the statement was answered, and nobody called"


def _environment(state: dict[str, Any] | None, settings: NodeSettings) -> tuple[str, str]:
    if state is None:
        return _no_node(settings)
    try:
        block = Path(f"/proc/{state['pid']}/environ").read_bytes()
    except PermissionError:
        return "cannot be read", "run this as root, or as the user who started the node"
    names = [variable.partition(b"=")[0].decode(errors="replace") for variable in block.split(b"\0") if variable]
    if secrets_in_environment := sorted(name for name in names if environment.is_secret(name)):
        return (
            f"{', '.join(secrets_in_environment)} can be read in it",
            f"take it out of the node's environment, or {_RESTART}",
        )
    return f"{len(names)} variables, none named like a secret", ""


def _access(settings: NodeSettings) -> tuple[str, str]:
    """The access folder must be its owner's alone, and so must all that is in it."""
    folder = access_folder.path(settings.data_dir)
    if why := access_folder.objection(settings.data_dir):
        what, _, advice = why.partition(": ")
        return f"{folder} {what}", advice
    if not folder.is_dir():
        return f"no {folder} yet: the first start or key command makes it", ""
    for path in (folder, *sorted(folder.iterdir())):
        status = path.lstat()
        if status.st_mode & _OTHERS or stat.S_ISLNK(status.st_mode):
            return f"others may open {path}, or it is a link", f"`chmod go= {path}`, or put the file itself there"
        if status.st_uid != folder.lstat().st_uid:
            return f"{path} belongs to another user than {folder}", f"`chown -R {folder.lstat().st_uid} {folder}`"
    return f"{folder} is its owner's alone", ""


def _keys(settings: NodeSettings) -> tuple[str, str]:
    ring = keys.KeyRing(settings.data_dir)
    valid = sum(not key.revoked for key in ring)
    create = "`sightline-store key create --name NAME --role admin`"
    if not len(ring):
        if _is_loopback(settings.host):
            return "open: bound to loopback, no key was made, everybody on this machine is admin", ""
        return f"none in {ring.path}, and SIGHTLINE_STORE_HOST is {settings.host}", create
    result = f"{valid} of {len(ring)} in {ring.path} hold, kept as SHA-256"
    if ring.path.stat().st_mode & _OTHERS:
        return f"{result}, and others may open the file", f"`chmod 600 {ring.path}`"
    return result, "" if valid else f"nobody can ask: {create}"


def _plain_keys(settings: NodeSettings) -> tuple[str, str]:
    """Keys in plain text must be outside of the data folder and readable by their owner only."""
    if inside := keys.plain_keys_inside(settings.data_dir):
        names = " and ".join(map(str, inside))
        return f"{names}: in the folder that the node opens", "`sightline up` moves them; or move them out of it"
    reader = keys.reader_key_file(settings.data_dir)
    if reader is None:
        return "none in the data folder", ""
    for path in (reader.parent, reader, reader.with_name("admin.key")):
        if path.exists() and path.stat().st_mode & _OTHERS:
            return f"others may open {path}", f"`chmod go= {path}`"
    return f"in {reader.parent}, their owner's alone, and not in the data folder", ""


def _refusal(client: Client, sql: str) -> str | None:
    """The engine's error message for a statement, None if it was answered."""
    try:
        client.query_bytes(sql, fmt="TSV")
    except QueryFailed as exc:
        if exc.code in _NOT_ADMIN:
            raise
        return exc.message.splitlines()[0][:500]
    return None


@contextmanager
def _folder(state: dict[str, Any], settings: NodeSettings) -> Iterator[Path]:
    """A folder that everybody may read and the node must not."""
    may_open = [settings.data_dir.resolve(), settings.backups, *map(Path, state["more"])]
    for place in (Path(tempfile.gettempdir()).resolve(), settings.data_dir.resolve().parent, Path("/var/tmp")):  # noqa: S108
        if not any(place.is_relative_to(allowed) for allowed in may_open):
            break
    else:
        raise StoreError("every place for a file to try is one that SIGHTLINE_STORE_ALLOW_READ or _WRITE names")
    with tempfile.TemporaryDirectory(prefix="sightline-doctor-", dir=place) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _listener() -> Iterator[tuple[int, list[object]]]:
    """A port of loopback, and the callers so far."""
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    caller, address = server.accept()
                except OSError:
                    return
                calls.append(address)
                caller.close()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1], calls
        server.shutdown(socket.SHUT_RDWR)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
