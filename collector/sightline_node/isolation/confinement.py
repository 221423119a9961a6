"""What the node's process may open: its libraries, its access folder, its data and its backups, and no address.

Which statements may run is decided elsewhere (`readers`); this holds for every statement, an admin's too, that passes
that decision: it reaches no other file of the machine, no other process and no network. The kernel enforces it:
Landlock refuses files, ports and signals, seccomp refuses sockets and programs. Where the kernel has neither, a user of
the node's own (SIGHTLINE_STORE_RUN_AS) protects the files of other users.

Call in this order: `listen`, which needs the address that nobody may bind afterwards, then `confine`, before any thread
exists and before chdb is imported, since a thread keeps the rights that it was started with.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import pwd
import shutil
import site
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sightline_node import access_folder
from sightline_node.isolation import landlock
from sightline_node.settings import NodeSettings
from sightline_store.errors import StoreError

_log = logging.getLogger("sightline.store")

SCRATCH = "scratch"
"""Folder in the data folder for temporary files, one folder a process."""

STATE_NAME = "node.json"
"""File in the data folder with the process id of its node and the state of its confinement."""

_PACKAGES = ("sightline", "sightline_store", "sightline_node", "sightline_roles")
_LIBRARIES = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local/lib", "/usr/local/lib64", "/nix/store",
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo",
    "/usr/share/locale", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/usr/local/ssl/openssl.cnf",
)  # fmt: skip
# Single files: Landlock cannot exclude a part of a folder, and a process's folder contains its environment and memory.
_MACHINE = (
    "/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/loadavg", "/proc/uptime", "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count", "/proc/sys/kernel/threads-max",
    "/proc/self/stat", "/proc/self/statm", "/proc/self/status", "/proc/self/mountinfo", "/proc/self/cgroup",
    "/proc/self/maps", "/proc/self/io", "/proc/self/schedstat",
    # If it is not readable the engine searches behind its environment in memory, and crashes.
    "/proc/self/auxv",
    "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
# Host names and certificates: only for a process that may connect.
_NETWORK = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    "/etc/protocols", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates",
    "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
)  # fmt: skip
_WRITABLE_DEVICES = ("/dev/null",)


@dataclass(frozen=True)
class Rules:
    """What a node may open.

    Attributes:
        read: files and folders that may be read.
        write: files and folders that may be changed too.
        ports: TCP ports that may be connected to, None for any.
    """

    read: tuple[Path, ...]
    write: tuple[Path, ...]
    ports: frozenset[int] | None


@dataclass(frozen=True)
class Restrictions:
    """Which restrictions are in effect.

    Attributes:
        files: nothing but what the rules name can be opened, and no program run.
        network: nothing but the rules' ports can be connected to.
        missing: why a restriction is not in effect, '' where all are.
    """

    files: bool
    network: bool
    missing: str = ""


def rules(settings: NodeSettings, code: Iterable[Path] = ()) -> Rules:
    """What a node with these settings may open.

    Args:
        settings: of the node, with absolute folders.
        code: where the interpreter and its packages are: `code_folders`.
    """
    ports = settings.connect_ports
    network = () if ports == frozenset() else _NETWORK
    access = access_folder.path(settings.data_dir)
    read = (*code, access, *map(Path, (*_LIBRARIES, *_MACHINE, *network)), *settings.allow_read)
    write = (settings.data_dir, settings.backups, *map(Path, _WRITABLE_DEVICES), *settings.allow_write)
    return Rules(tuple(dict.fromkeys(read)), tuple(dict.fromkeys(write)), ports)


def code_folders(settings: NodeSettings) -> list[Path]:
    """Folders of the interpreter, the installed packages and this one, wherever they were installed from.

    A folder from PYTHONPATH, or the one that a script was started in, counts only where neither the data, the
    current folder nor the user's home lies in it: what is beside those may hold keys.
    """
    paths = sysconfig.get_paths()
    libraries = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    libraries |= {*site.getsitepackages(), site.getusersitepackages()}
    for base in (sys.prefix, sys.base_prefix):
        libraries |= {str(Path(base) / name) for name in ("lib", "lib64", "pyvenv.cfg", "ssl")}
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        libraries |= set(spec.submodule_search_locations or ()) if spec else set()
    private = [settings.data_dir.resolve(), settings.backups, Path.cwd(), Path("~").expanduser()]
    for entry in sys.path:
        path = Path(entry or ".").resolve()
        if not any(folder.is_relative_to(path) for folder in private):
            libraries.add(str(path))
    libraries.add(str(Path(sys.executable).resolve()))
    libraries |= set(os.environ.get("LD_LIBRARY_PATH", "").split(":")) - {""}
    return sorted({Path(path) for path in libraries})


def listen(settings: NodeSettings) -> list[socket.socket]:
    """The sockets of the node's address, bound; they answer nobody before they listen.

    Raises:
        StoreError: another program has the port, or this machine does not have the address.
    """
    bound: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            listener = socket.socket(family, kind, protocol)
            bound.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.setblocking(False)
    except OSError as exc:
        for listener in bound:
            listener.close()
        raise StoreError(
            f"cannot listen on SIGHTLINE_STORE_HOST={settings.host}, SIGHTLINE_STORE_PORT={settings.port}: "
            f"{exc.strerror or exc}. Another program may have the port: stop it, or choose another one."
        ) from exc
    return bound


def confine(settings: NodeSettings, code: Iterable[Path]) -> Restrictions:
    """Confine this process as SIGHTLINE_STORE_CONFINE requires, and report which restrictions are in effect.

    Args:
        settings: of the node, with absolute folders.
        code: `code_folders`, asked before the current folder changed.

    Raises:
        StoreError: `required` was asked for and the kernel cannot do it, the process cannot become the user of
            SIGHTLINE_STORE_RUN_AS, that user does not own the data, or the access folder would be writable.
    """
    access, files = access_folder.prepare(settings.data_dir), access_folder.configuration(settings)
    if settings.run_as:
        _become(settings.run_as, settings, access)
        _require_readable(settings.run_as, code)
    access_folder.write_configuration(settings, files)
    settings.backups.mkdir(parents=True, exist_ok=True)
    _scratch(settings.data_dir / SCRATCH)
    if settings.confine == "off":
        _log.warning("SIGHTLINE_STORE_CONFINE is off: a statement can open what this process's user can open")
        return Restrictions(files=False, network=False, missing="SIGHTLINE_STORE_CONFINE is off")
    allowed = rules(settings, code)
    require_closed_access(settings, allowed)
    restrictions = _restrict(allowed)
    if restrictions.missing:
        if settings.confine == "required":
            raise StoreError(f"SIGHTLINE_STORE_CONFINE is required, and {restrictions.missing}: set it to auto or off")
        advice = "" if settings.run_as else "; run the node as a user of its own, SIGHTLINE_STORE_RUN_AS as root"
        _log.warning("the node is not wholly confined: %s%s", restrictions.missing, advice)
    return restrictions


def require_closed_access(settings: NodeSettings, allowed: Rules) -> None:
    """Refuse settings that let the node write its access folder.

    Raises:
        StoreError: a folder that may be written contains the access folder.
    """
    access = access_folder.path(settings.data_dir)
    for folder in allowed.write:
        if access.is_relative_to(folder.resolve()):
            raise StoreError(
                f"{folder}, which the node may write, contains {access}, which it must not: choose another folder for "
                "SIGHTLINE_STORE_BACKUP_DIR or SIGHTLINE_STORE_ALLOW_WRITE"
            )


def write_state(settings: NodeSettings, restrictions: Restrictions) -> None:
    """Write the state of the confinement into the data folder, for `sightline-store doctor`."""
    path, ports = settings.data_dir / STATE_NAME, settings.connect_ports
    state = {
        "pid": os.getpid(),
        **asdict(restrictions),
        "ports": "*" if ports is None else sorted(ports),
        "more": [str(folder) for folder in (*settings.allow_read, *settings.allow_write)],
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(state) + "\n", encoding="utf-8")
    fresh.replace(path)


_open_descriptors: list[int] = []


def _restrict(allowed: Rules) -> Restrictions:
    """Apply the restrictions that this kernel has."""
    abi_version, missing, files, network = landlock.abi(), [], False, False
    threads = len(list(Path("/proc/self/task").iterdir())) if abi_version else 1
    try:
        if abi_version >= landlock.MIN_ABI:
            _open_descriptors.extend(landlock.restrict(read=allowed.read, write=allowed.write, ports=allowed.ports))
            files, network = True, abi_version >= landlock.ABI_OF_PORTS
        else:
            missing.append(f"this kernel has no Landlock of version {landlock.MIN_ABI} or later (it has {abi_version})")
        if landlock.can_filter():
            landlock.refuse_calls(internet=allowed.ports != frozenset())
            network = network or allowed.ports == frozenset()
        else:
            missing.append("there is no filter of system calls for this machine")
    except OSError as exc:
        missing.append(f"the kernel refused ({exc})")
    if threads > 1:
        missing.append(f"{threads - 1} threads were started before")
    if not network and not missing:
        missing.append(
            f"ports need Landlock of version {landlock.ABI_OF_PORTS} (it has {abi_version}): any can be reached"
        )
    return Restrictions(files, network, "; ".join(missing))


def _become(user: str, settings: NodeSettings, access: Path) -> None:
    """Change to another user permanently."""
    if os.geteuid() != 0:
        if str(os.geteuid()) == user or pwd.getpwuid(os.geteuid()).pw_name == user:
            return
        raise StoreError(
            f"SIGHTLINE_STORE_RUN_AS is {user!r}, and only root can become another user: start as that one"
        )
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        number, group = entry.pw_uid, entry.pw_gid
    except KeyError:
        if not user.isdecimal():
            raise StoreError(f"SIGHTLINE_STORE_RUN_AS is {user!r}: there is no such user") from None
        number = group = int(user)
    access_folder.give_to(settings.data_dir, number, group)
    for folder in (settings.data_dir, settings.backups, access):
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):  # a new folder is given to that user
            os.chown(folder, number, group)
        for path in (folder, *folder.iterdir()):
            if path.stat().st_uid != number:
                raise StoreError(
                    f"SIGHTLINE_STORE_RUN_AS is {user!r}, and {path} belongs to another user: "
                    f"`chown -R {user} {folder}`"
                )
    death = landlock.parent_death_signal()
    os.setgroups([])
    os.setgid(group)
    os.setuid(number)
    landlock.set_parent_death_signal(death)


def _require_readable(user: str, code: Iterable[Path]) -> None:
    """Refuse a user who cannot read modules that are imported later, as in an installation in root's home."""
    folders = tuple(code)
    for file in (Path(os.__file__), Path(__file__)):
        if any(file.is_relative_to(folder) for folder in folders) and not os.access(file, os.R_OK):
            raise StoreError(
                f"SIGHTLINE_STORE_RUN_AS is {user!r}, who cannot read {file.parent}: install Python and Sightline "
                "where that user can read them"
            )


def _scratch(folder: Path) -> None:
    """Make this process's folder for temporary files, and remove those of processes that have ended."""
    scratch = folder / str(os.getpid())
    for leftover in folder.iterdir() if folder.is_dir() else ():
        if leftover == scratch or not _is_alive(leftover.name):
            shutil.rmtree(leftover, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = None


def _is_alive(pid: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pid), 0)
        return True
    return False
