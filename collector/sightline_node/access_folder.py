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
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from sightline_node.readers.roles import users_xml
from sightline_node.settings import NodeSettings
from sightline_store.errors import StoreError

KEYS_FILE = "access_keys.json"

_SUFFIX = ".access"
_OLD_CONFIGURATION = "configuration"
_USERS, _MAIN = "users.xml", "config.xml"
_log = logging.getLogger("sightline.store")


def path(data_dir: Path) -> Path:
    """The access folder of a data folder."""
    resolved = data_dir.resolve()
    return resolved.with_name(resolved.name + _SUFFIX)


def prepare(data_dir: Path) -> Path:
    """Make the access folder if there is none, with the keys that an earlier version kept in the data folder.

    A file of keys that appears in the data folder later is ignored: a statement may have written it.

    Raises:
        StoreError: the folder cannot be made.
    """
    folder = path(data_dir)
    if folder.is_dir():
        return folder
    old = data_dir / KEYS_FILE
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))  # with mode 700
        try:
            if old.exists():
                _copy(old, fresh / KEYS_FILE)
            if os.geteuid() == 0 and data_dir.exists():
                _give(fresh, data_dir)
            fresh.rename(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            if not folder.is_dir():  # another process was faster
                raise
        _sync(folder.parent)
        if old.exists() and (folder / KEYS_FILE).exists():
            old.unlink(missing_ok=True)
            _log.warning("%s moved to %s, which the confined node cannot write", old, folder)
    except OSError as exc:
        raise StoreError(
            f"cannot make {folder}, which holds the keys and grants of SIGHTLINE_STORE_DATA_DIR={data_dir}: "
            f"{exc.strerror}. The folder above the data folder must be writable, or {folder} be there."
        ) from exc
    for name in (_USERS, _MAIN):
        (data_dir / _OLD_CONFIGURATION / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or not there
        (data_dir / _OLD_CONFIGURATION).rmdir()
    return folder


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
    fresh.write_text(text, encoding="utf-8")
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
