"""Settings of the dashboards and the options that Streamlit gets from them."""

import pytest

from sightline_dashboards.__main__ import options
from sightline_dashboards.plotting.theme import STAGE_COLOURS, STAGES, stage_colour
from sightline_dashboards.settings import DashboardSettings


def test_settings_read_host_and_port() -> None:
    """Blank means default."""
    assert DashboardSettings.from_env({}) == DashboardSettings(host="127.0.0.1", port=8501)
    env = {"SIGHTLINE_DASHBOARDS_HOST": "0.0.0.0", "SIGHTLINE_DASHBOARDS_PORT": "9000"}
    assert DashboardSettings.from_env(env) == DashboardSettings(host="0.0.0.0", port=9000)
    assert DashboardSettings.from_env({"SIGHTLINE_DASHBOARDS_PORT": " "}).port == 8501


@pytest.mark.parametrize("port", ["abc", "0", "70000"])
def test_wrong_port_is_refused_by_name(port: str) -> None:
    """The message names the variable and the value."""
    with pytest.raises(ValueError, match=f"SIGHTLINE_DASHBOARDS_PORT is .?{port}"):
        DashboardSettings.from_env({"SIGHTLINE_DASHBOARDS_PORT": port})


def test_streamlit_sends_no_usage_data() -> None:
    """No statistics, no e-mail prompt, no tracebacks in the browser."""
    chosen = options(DashboardSettings())
    assert chosen["browser.gatherUsageStats"] is False
    assert chosen["server.headless"] is True
    assert chosen["client.showErrorDetails"] == "none"


def test_every_stage_has_a_colour_of_its_own() -> None:
    """Two stages in one colour could not be distinguished."""
    assert len({STAGE_COLOURS[stage] for stage in STAGES}) == len(STAGES)
    assert stage_colour("invented") == stage_colour("")
