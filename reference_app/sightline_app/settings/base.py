"""What the settings classes of the app have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.errors import InvalidSetting
from sightline_roles.settings import Settings

CACHE_DIR = Path("~/.cache/sightline").expanduser()
"""Folder of what was downloaded or built."""
APP_DIR = Path(".sightline/app")
"""Folder of the index."""


@dataclass(frozen=True)
class OwnSettings(Settings):
    """Base of the settings classes."""

    @classmethod
    def error(cls, variable: str, value: str, need: str) -> Exception:
        """The app's own error."""
        return InvalidSetting(variable, value, f"needs {need}")
