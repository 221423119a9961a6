"""Scripts, styles and the icon that the pages send to the browser."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def text(name: str) -> str:
    """Return the text of an asset by its file name."""
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
