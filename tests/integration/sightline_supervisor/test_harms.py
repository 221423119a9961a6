"""The demo asks the application which harms there are."""

import os

import pytest

from sightline_app.chaos.registry import HARMS
from sightline_supervisor.errors import SettingInvalid
from sightline_supervisor.harms import check_harm


def test_harm_that_the_application_does_not_know_is_refused() -> None:
    """By its console script, since the supervisor imports no role; all that it has are named."""
    with pytest.raises(SettingInvalid, match=f"must be one of {', '.join(HARMS)}"):
        check_harm("everything", os.environ)
