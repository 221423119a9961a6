"""Readies a process of the pages before it listens, so that its first reader waits for the store only.

Altair, pandas and the pages are a second and a half of imports, and Altair reads its schema for the first chart. All of
that would else be done while the browser of the first reader shows nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

READIED: Final = (
    "sightline_dashboards.app",
    "streamlit.elements.arrow",
    "streamlit.elements.vega_charts",
    "streamlit.runtime.scriptrunner.script_runner",
)
"""Modules of a first page, which nothing that listens imports."""


def warm() -> None:
    """Import what the pages need, and draw a chart for nobody."""
    for name in READIED:
        import_module(name)
    import altair as alt  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame({"at": [pd.Timestamp(0, tz="UTC")], "value": [1.0]})
    alt.Chart(frame).mark_bar().encode(x="at:T", y="value:Q", tooltip=["value"]).to_dict()
