"""The pages and their navigation, run once for every session and every change in it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from sightline_dashboards import assets, navigation
from sightline_dashboards.access import sign_in
from sightline_dashboards.pages import (
    alerts,
    cost,
    latency,
    overview,
    pipeline,
    quality,
    retrieval,
    review,
    sessions,
    trace,
    traces,
)


def run() -> None:
    """Show the page that the address names."""
    # An icon of our own: Streamlit fetches emoji and Material icons for the tab from other people's servers.
    st.set_page_config(
        page_title="Sightline", page_icon=assets.text("icon.svg"), layout="wide", initial_sidebar_state="auto"
    )
    viewer = sign_in.require_viewer()
    if viewer is None:
        return
    of_everybody: Literal["visible", "hidden"] = "hidden" if viewer.tenant else "visible"  # the whole store's
    pages = {
        "overview": st.Page(overview.render, title="Overview", default=True),
        "latency": st.Page(latency.render, title="Latency", url_path="latency"),
        "traces": st.Page(traces.render, title="Traces", url_path="traces"),
        "trace": st.Page(trace.render, title="Trace", url_path="trace"),
        "sessions": st.Page(sessions.render, title="Sessions", url_path="sessions"),
        "cost": st.Page(cost.render, title="Cost", url_path="cost"),
        "retrieval": st.Page(retrieval.render, title="Retrieval", url_path="retrieval"),
        "quality": st.Page(quality.render, title="Quality", url_path="quality"),
        "review": st.Page(review.render, title="Review", url_path="review"),
        "pipeline": st.Page(pipeline.render, title="Pipeline", url_path="pipeline", visibility=of_everybody),
        "alerts": st.Page(alerts.render, title="Alerts", url_path="alerts", visibility=of_everybody),
    }
    navigation.remember(pages)
    named = st.Page(navigation.open_default, title="Overview", url_path=navigation.DEFAULT_PAGE, visibility="hidden")
    st.navigation([*pages.values(), named]).run()
