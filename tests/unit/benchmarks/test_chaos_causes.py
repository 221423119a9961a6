"""The benchmark of `sightline-app chaos` expects a cause of each harm."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from sightline_app.chaos.registry import HARMS

_FOLDER = Path(__file__).parents[3] / "benchmarks"


def test_every_harm_has_a_cause() -> None:
    """One that is added must say where the platform shows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_FOLDER)
        causes = importlib.import_module("chaos").CAUSES
    assert set(causes) == set(HARMS)
    assert all(re.compile(cause) for cause in causes.values())
