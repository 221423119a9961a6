"""Where the embedded node's keys lie, for the node and for the supervisor, which starts it.

The hashes of the keys are in the access folder, beside the data folder. The plain keys that `sightline up` makes are in
a folder `keys`, by default beside it too.
"""

from __future__ import annotations

from pathlib import Path

KEYS_FILE = "access_keys.json"
"""The file of hashed keys, in the access folder."""

_SUFFIX = ".access"
_PLAIN_FOLDER = "keys"


def access_folder(data_dir: Path) -> Path:
    """The access folder of a data folder: `.sightline/store.access` of `.sightline/store`."""
    resolved = data_dir.resolve()
    return resolved.with_name(resolved.name + _SUFFIX)


def plain_key_file(parent: Path, role: str) -> Path:
    """Where `sightline up` keeps the plain key of a role (`admin` or `reader`) in its folder `parent`."""
    return parent.resolve() / _PLAIN_FOLDER / f"{role}.key"
