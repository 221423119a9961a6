"""A process of the pages is ready before it listens."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sightline_dashboards import serving, warming
from sightline_dashboards.settings import AccessSettings, DashboardSettings


class PortOpened(Exception):
    """The port was opened."""


def test_what_the_pages_need_is_imported_before_the_port_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who connects waits for imports."""
    calls: list[str] = []

    def listen(_: DashboardSettings) -> None:
        calls.append("listen")
        raise PortOpened

    monkeypatch.setattr(warming, "warm", lambda: calls.append("warm"))
    monkeypatch.setattr("sightline_roles.serving.listen", listen)
    with pytest.raises(PortOpened):
        serving.run(Path("page.py"), DashboardSettings(), AccessSettings())
    assert calls == ["warm", "listen"]


def test_readied_are_modules_that_are_there() -> None:
    """A new version of Streamlit may call them otherwise; every page is among what they import."""
    warming.warm()
    assert set(warming.READIED) <= set(sys.modules)
    pages = Path(str(serving.__file__)).parent / "pages"
    assert {f"sightline_dashboards.pages.{page.stem}" for page in pages.glob("[!_]*.py")} <= set(sys.modules)
