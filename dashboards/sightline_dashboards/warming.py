"""Readies a process of the pages before it listens, so that its first reader waits for the store only.

pandas, pyarrow and the pages take a second to import, which the browser of the first reader would else wait for.
"""

from __future__ import annotations

from datetime import UTC, datetime
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
    """Import what the pages need, and turn rows into what a chart is given once."""
    for name in READIED:
        import_module(name)
    import pandas as pd  # noqa: PLC0415
    from streamlit import dataframe_util  # noqa: PLC0415

    dataframe_util.convert_anything_to_arrow_bytes(pd.DataFrame([{"at": datetime.now(UTC), "value": 1.0}]))
