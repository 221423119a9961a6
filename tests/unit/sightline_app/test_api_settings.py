"""Settings of the HTTP interface."""

import pytest

from sightline_app.errors import InvalidSetting
from sightline_app.settings import AppSettings


def test_origins_are_read_from_a_list() -> None:
    """In lower case, as browsers send them."""
    settings = AppSettings.from_env({"SIGHTLINE_APP_ALLOWED_ORIGINS": "https://WWW.example.org, http://localhost:3000"})
    assert settings.api.allowed_origins == ("https://www.example.org", "http://localhost:3000")


@pytest.mark.parametrize("text", ["www.example.org", "https://www.example.org/", "https://a.example,*", "ftp://a"])
def test_what_is_no_origin_is_refused(text: str) -> None:
    """The message names the setting."""
    with pytest.raises(InvalidSetting, match="SIGHTLINE_APP_ALLOWED_ORIGINS"):
        AppSettings.from_env({"SIGHTLINE_APP_ALLOWED_ORIGINS": text})


@pytest.mark.parametrize(
    "variable",
    ["SIGHTLINE_APP_STREAM_HEARTBEAT_S", "SIGHTLINE_APP_STREAM_RESUME_S", "SIGHTLINE_APP_STREAM_BUFFER_BYTES"],
)
def test_negative_times_and_sizes_are_refused(variable: str) -> None:
    """The message names the setting."""
    with pytest.raises(InvalidSetting, match=variable):
        AppSettings.from_env({variable: "-1"})
