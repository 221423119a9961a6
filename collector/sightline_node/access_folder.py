"""The access folder: the files that decide who may do what. The confined node may read them and not change them.

It lies beside the data folder, under its name with `.access` behind it: `.sightline/store.access` belongs to
`.sightline/store`. It holds

- `access_keys.json`, the hashes of the keys, written by `sightline-store key`,
- `users.xml` and `config.xml`, the engine's users, roles and grants, written at each start before the process confines
  itself.

Earlier versions kept these in the data folder, which statements of an admin can write. The first start or key command
makes the access folder and moves the keys into it. The folder appears under its name as a whole, so that a crash never
leaves a node without the keys that it had.
"""

from __future__ import annotations

import contextlib
import filecmp
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from sightline_node.readers.engine_roles import users_xml
from sightline_node.settings import NodeSettings
from sightline_roles import store_access
from sightline_store.errors import StoreError

_OLD_CONFIGURATION = "configuration"
_USERS, _MAIN = "users.xml", "config.xml"
_KEYS_MARK = "keys_required"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LEFTOVER_AGE_S = 60.0
_log = logging.getLogger("sightline.store")


def path(data_dir: Path) -> Path:
    """The access folder of a data folder."""
    return store_access.access_folder(data_dir)


def keys_mark(data_dir: Path) -> Path:
    """The file in the data folder that says that its node has had keys."""
    return data_dir / _KEYS_MARK


def give_to(data_dir: Path, user: int, group: int) -> None:
    """Give what root owns in the access folder to the user that the node becomes; call as root."""
    folder = path(data_dir)
    for item in (folder, *folder.iterdir()):
        if item.lstat().st_uid == 0:
            os.chown(item, user, group, follow_symlinks=False)


def set_keys_mark(data_dir: Path) -> None:
    """Mark a data folder as one whose node has had keys; an empty one is left to the first start, which may own it.

    Raises:
        OSError: the folder cannot be written.
    """
    mark = keys_mark(data_dir)
    if not data_dir.is_dir() or not any(data_dir.iterdir()) or mark.exists():
        return
    mark.touch()
    if os.geteuid() == 0:
        _give(mark, data_dir)
    _sync(data_dir)


def prepare(data_dir: Path) -> Path:
    """Make the access folder if there is none, with the keys that an earlier version kept in the data folder.

    A file of keys that appears in the data folder later is ignored: a statement may have written it.

    Raises:
        StoreError: the folder cannot be made, or it is a link, another user's, or others may write to it.
    """
    folder = path(data_dir)
    if why := objection(data_dir):
        raise StoreError(f"{folder}, which holds the keys and grants of SIGHTLINE_STORE_DATA_DIR={data_dir}, {why}")
    try:
        if not folder.exists():
            _make(folder, data_dir)
        _finish_move(folder, data_dir)
    except OSError as exc:
        raise StoreError(
            f"cannot make {folder}, which holds the keys and grants of SIGHTLINE_STORE_DATA_DIR={data_dir}: "
            f"{exc.strerror}. The folder above the data folder must be writable, or {folder} be there."
        ) from exc
    return folder


def objection(data_dir: Path) -> str:
    """Why the access folder of a data folder cannot be trusted, and what to do; '' if it can, or is not there."""
    folder = path(data_dir)
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder, or a link to one: move it away and put the folder itself there"
    owners = {os.geteuid(), 0}
    if os.geteuid() == 0 and data_dir.exists():  # a node that becomes another user owns its data
        owners.add(data_dir.stat().st_uid)
    if status.st_uid not in owners:
        return f"belongs to user {status.st_uid}: check its keys, then `chown -R {os.geteuid()} {folder}`"
    if status.st_mode & _OTHERS_MAY_WRITE:
        mode = stat.S_IMODE(status.st_mode)
        return f"can be written by others (mode {mode:o}): check its keys, then `chmod 700 {folder}`"
    return ""


def _make(folder: Path, data_dir: Path) -> None:
    """Make the access folder with the keys of an earlier version; it appears as a whole and durably."""
    old = data_dir / store_access.KEYS_FILE
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))  # with mode 700
    try:
        if old.exists():
            _copy(old, fresh / store_access.KEYS_FILE)
        if os.geteuid() == 0 and data_dir.exists():
            _give(fresh, data_dir)
        _sync(fresh)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        if not folder.is_dir():  # another process was faster
            raise
    _sync(folder.parent)


def _finish_move(folder: Path, data_dir: Path) -> None:
    """Remove from the data folder what has been moved out of it; also after a crash between the two."""
    old, keys = data_dir / store_access.KEYS_FILE, folder / store_access.KEYS_FILE
    if old.exists() and keys.exists() and filecmp.cmp(old, keys, shallow=False):
        old.unlink(missing_ok=True)
        _sync(data_dir)
        _log.warning("%s moved to %s, which the confined node cannot write", old, folder)
    configuration_folder = data_dir / _OLD_CONFIGURATION
    if configuration_folder.is_dir():
        for name in (_USERS, _MAIN):
            (configuration_folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            configuration_folder.rmdir()


def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished folders of processes that crashed while they made this one."""
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.lstat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(leftover)


def configuration(settings: NodeSettings) -> dict[str, str]:
    """The engine's configuration, which its command line cannot give: text by file name."""
    users = path(settings.data_dir) / _USERS
    return {
        _USERS: users_xml(settings.reader_databases),
        _MAIN: f"<clickhouse><users_config>{escape(str(users))}</users_config>"
        "<display_name>sightline</display_name></clickhouse>\n",
    }


def write_configuration(settings: NodeSettings, files: Mapping[str, str] | None = None) -> Path:
    """Write what `configuration` returns; files that are as they should be stay, since a confined process writes none.

    Returns:
        The path of config.xml.

    Raises:
        StoreError: the access folder cannot be made or written.
    """
    folder = prepare(settings.data_dir)
    try:
        for name, text in (configuration(settings) if files is None else files).items():
            _write(folder / name, text)
    except OSError as exc:
        raise StoreError(f"cannot write the engine's configuration into {folder}: {exc.strerror}") from exc
    return folder / _MAIN


def _write(file: Path, text: str) -> None:
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.chmod(0o600)
    fresh.replace(file)


def _copy(source: Path, target: Path) -> None:
    """Copy a file with its owner and mode, durably: the data folder may be a file system of its own."""
    shutil.copy2(source, target)
    if os.geteuid() == 0:
        _give(target, source)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _give(target: Path, like: Path) -> None:
    """Make a file or folder the property of another one's owner."""
    owner = like.stat()
    os.chown(target, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
