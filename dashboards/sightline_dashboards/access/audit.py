"""A line in the log for each reading and each file of what people and models wrote, by somebody who has signed in."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from typing import Final

import streamlit as st

from sightline_dashboards.access import current

LOG: Final = logging.getLogger("sightline.dashboards.audit")
AGAIN_S: Final = 600.0
"""Seconds for which the runs of a session's page are one reading: a page runs anew with every click."""
_READ = "sightline_content_read"


def content_read(page: str, trace_ids: Iterable[str]) -> None:
    """Log that the viewer is shown the content of traces; nothing where nobody signs in, or content is hidden.

    Args:
        page: name of the page in the URL.
        trace_ids: of the traces.
    """
    who = _reader()
    if not who:
        return
    now_s = time.monotonic()
    read: dict[tuple[str, str], float] = st.session_state.setdefault(_READ, {})
    for key in [key for key, at_s in read.items() if now_s - at_s >= AGAIN_S]:
        del read[key]
    for trace_id in trace_ids:
        if (page, trace_id) not in read:
            read[page, trace_id] = now_s
            LOG.info("content read: %s page=%s trace=%s", who, page, trace_id)


def content_taken(file: str, rows: int) -> None:
    """Log that the viewer takes a file with content; nothing where nobody signs in, or content is hidden.

    Args:
        file: its name, of which a part may come from the store.
        rows: how many it has.
    """
    if who := _reader():
        shown = json.dumps(st.query_params.to_dict())
        LOG.info("content taken: %s file=%s rows=%d of=%s", who, json.dumps(file), rows, shown)


def _reader() -> str:
    """Who reads content, as JSON, so that no name can look like a line or a field of its own; '' where nobody does."""
    viewer = current.viewer()
    if not viewer.name or not viewer.content:
        return ""
    return json.dumps({"user": viewer.name, "role": viewer.role.value, "tenant": viewer.tenant})
