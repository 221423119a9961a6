"""Settings are validated where they are read, and the message names the variable."""

from __future__ import annotations

import random

import pytest

from sightline_collector.settings import CollectorSettings
from sightline_collector.shipping import backoff


def test_defaults_hold() -> None:
    """An empty environment gives the documented defaults."""
    settings = CollectorSettings.from_env({})
    assert (settings.host, settings.http_port, settings.segment_max_bytes) == ("127.0.0.1", 4318, 64 * 1024**2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGHTLINE_COLLECTOR_HTTP_PORT", "http"),
        ("SIGHTLINE_COLLECTOR_HTTP_PORT", "70000"),
        ("SIGHTLINE_COLLECTOR_SPOOL_MAX_BYTES", "1024"),
        ("SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES", "1"),
        ("SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S", "0"),
        ("SIGHTLINE_COLLECTOR_HOST", "0.0.0.0"),
        ("SIGHTLINE_COLLECTOR_SAMPLE_SHARE", "10"),
        ("SIGHTLINE_COLLECTOR_SAMPLE_SHARE", "-0.1"),
        ("SIGHTLINE_COLLECTOR_SAMPLE_SLOW_S", "0"),
        ("SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S", "601"),
    ],
)
def test_bad_values_name_the_variable(name: str, value: str) -> None:
    """What cannot work is refused with the variable's name."""
    with pytest.raises(ValueError, match=name):
        CollectorSettings.from_env({name: value})


def test_backoff_grows_to_its_longest() -> None:
    """Delays grow, stay within bounds and do not overflow."""
    chance = random.Random(1)
    assert 0.1 <= backoff.delay_s(1, chance) <= 0.2
    assert all(7.5 <= backoff.delay_s(attempt, chance) <= 15 for attempt in (10, 1000, 10**6))
