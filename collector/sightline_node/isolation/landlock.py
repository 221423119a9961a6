"""How a process confines itself, as ctypes calls: Landlock for files and ports, seccomp for system calls.

Both hold for the calling thread and for all that it starts afterwards, and cannot be taken off again. `abi` says what
this kernel's Landlock knows, 0 where it is absent or switched off; each function asks only for what an ABI has.

Sources: https://docs.kernel.org/userspace-api/landlock.html and https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_GIVE_VERSION = 1
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 2, 22, 38
_SECCOMP_MODE_FILTER = 2

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
# execute to make_sym of ABI 1; whatever is not granted by a rule is refused.
_FILES_OF_ABI_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_UNIX_SOCKETS, _SIGNALS = 1 << 0, 1 << 1

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
# The rights that a rule may grant on a path that is no folder.
_OF_A_FILE = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV

MIN_ABI = 2
"""The first version that permits moving a file to another folder, which the engine does with parts of tables."""
ABI_OF_PORTS = 4
"""The first version that controls TCP ports."""

# By machine: the number that identifies its system calls in a filter, and the calls to refuse.
_CALLS = {
    "x86_64": (0xC000003E, {"socket": 41, "connect": 42, "execve": 59, "execveat": 322, "ptrace": 101,
                            "process_vm_readv": 310, "process_vm_writev": 311}),
    "aarch64": (0xC00000B7, {"socket": 198, "connect": 203, "execve": 221, "execveat": 281, "ptrace": 117,
                             "process_vm_readv": 270, "process_vm_writev": 271}),
}  # fmt: skip
# Its requests pass no filter.
_IO_URING_SETUP = 425
_X32_BIT = 0x40000000
_INTERNET = (2, 10)
# The resolver sorts addresses by the kernel's routes.
_NETLINK = 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def abi() -> int:
    """The version of this kernel's Landlock interface; 0 if it has none or Landlock is switched off."""
    if sys.platform != "linux":
        return 0
    version = _libc().syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(_GIVE_VERSION))
    return max(0, int(version))


def restrict(*, read: Iterable[Path], write: Iterable[Path], ports: Iterable[int] | None) -> list[int]:
    """Restrict this process to these files and these ports, and take the right to run programs.

    Descriptors that are open already keep working. Paths that do not exist are ignored.

    Args:
        read: files, and folders with all that is in them, that may be read.
        write: the same that may be read, written, made and removed.
        ports: TCP ports that may be connected to, None for any. Needs ABI 4; before it any may be.

    Returns:
        Descriptors that must stay open: they hold the kernel's entries of files in /proc, whose rules end with them.

    Raises:
        OSError: the kernel refused.
    """
    version = abi()
    files = _FILES_OF_ABI_1 | _REFER | (_TRUNCATE if version >= 3 else 0) | (_IOCTL_DEV if version >= 5 else 0)
    net = (_BIND_TCP | (0 if ports is None else _CONNECT_TCP)) if version >= ABI_OF_PORTS else 0
    scopes = _ABSTRACT_UNIX_SOCKETS | _SIGNALS if version >= 6 else 0
    attributes = struct.pack("=QQQ", files, net, scopes)[: 24 if version >= 6 else 16 if version >= ABI_OF_PORTS else 8]
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    open_descriptors = []
    try:
        for rights, paths in ((_READ, read), (_WRITE, write)):
            for path in paths:
                if (fd := _entry(path)) is None:
                    continue
                granted = rights & files & (-1 if stat.S_ISDIR(os.fstat(fd).st_mode) else _OF_A_FILE)
                _add(ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", granted, fd))
                if path.parts[:2] == ("/", "proc"):
                    open_descriptors.append(fd)
                else:
                    os.close(fd)
        if net & _CONNECT_TCP:
            for port in ports or ():
                _add(ruleset, _RULE_NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port))
        set_no_new_privileges()
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return open_descriptors


def can_filter() -> bool:
    """Whether `refuse_calls` knows this machine."""
    return sys.platform == "linux" and sys.maxsize > 2**32 and platform.machine() in _CALLS


def refuse_calls(*, internet: bool) -> None:
    """Refuse, with EACCES, to run programs, to look into other processes, and to make sockets.

    Sockets that are there keep working and accept connections; pairs of them can be made.

    Args:
        internet: whether sockets of the internet's families may be made all the same.

    Raises:
        OSError: the kernel refused.
    """
    set_no_new_privileges()
    code = _filter(platform.machine(), internet=internet)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    if _libc().prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program):
        raise _error("seccomp")


def set_no_new_privileges() -> None:
    """Set no_new_privs: a program that this process executes cannot gain rights.

    Raises:
        OSError: the kernel refused.
    """
    if _libc().prctl(_PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0))):
        raise _error("no_new_privs")


def parent_death_signal() -> int:
    """The signal that this process gets when its parent ends, 0 for none; changing the user resets it."""
    if sys.platform != "linux":
        return 0
    number = ctypes.c_int(0)
    _libc().prctl(_PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value


def set_parent_death_signal(number: int) -> None:
    """Request that signal; 0 changes nothing."""
    if number:
        _libc().prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number))


def _filter(machine: str, *, internet: bool) -> bytes:
    """The filter's program; calls that it does not name are allowed."""
    architecture, numbers = _CALLS[machine]
    families = (*_INTERNET, _NETLINK) if internet else ()
    refused = {number for name, number in numbers.items() if name not in {"socket", "connect"}} | {_IO_URING_SETUP}
    if not internet:
        refused.add(numbers["connect"])
    refuse, allow = (_RETURN, 0, 0, _REFUSE | errno.EACCES), (_RETURN, 0, 0, _ALLOW)
    program = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_IF_EQUAL, 1, 0, architecture),
        refuse,
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _X32_BIT),
        refuse,
    ]
    for number in sorted(refused):
        program += [(_IF_EQUAL, 0, 1, number), refuse]
    program += [(_IF_EQUAL, 1, 0, numbers["socket"]), allow, (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
    for family in families:
        program += [(_IF_EQUAL, 0, 1, family), allow]
    program.append(refuse)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _entry(path: Path) -> int | None:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def _add(ruleset: int, kind: int, rule: bytes) -> None:
    _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), rule, ctypes.c_uint32(0))


def _call(number: int, *arguments: object) -> int:
    answer = int(_libc().syscall(ctypes.c_long(number), *arguments))
    if answer < 0:
        raise _error("Landlock")
    return answer


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
