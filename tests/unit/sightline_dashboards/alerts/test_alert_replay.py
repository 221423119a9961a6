"""What a rule would have done, from one series; and what `alerts test` says of it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from alert_journal import START

from sightline_dashboards.alerts.replay import replay
from sightline_dashboards.alerts.rules import Rule
from sightline_dashboards.alerts.series import Amount, Series


def rule(**fields: Any) -> Rule:
    """A rule about errors in the last five minutes."""
    return Rule.model_validate({"name": "a", "metric": "error_rate", "window": "5m", "above": "5%", **fields})


def minutes(bad: list[int], events: int = 100) -> Series:
    """A bucket a minute from the start."""
    first = round(START.timestamp())
    return Series(((first + 60 * n, Amount(each, events, highest=each)) for n, each in enumerate(bad)), 60)


def test_an_incident_is_one_episode_with_its_peak() -> None:
    """Twenty minutes of 20 % errors in two hours: fires once the window has it, resolved when that is clean again."""
    bad = [0] * 60 + [20] * 20 + [0] * 40
    done = replay(rule(**{"for": "2m", "clear_for": "5m"}), minutes(bad), START, START + timedelta(hours=2))
    (episode,) = done.episodes
    late = timedelta(seconds=15)
    assert episode.begins == START + timedelta(minutes=64) + late
    assert episode.ends == START + timedelta(minutes=89) + late
    assert episode.peak == pytest.approx(0.2)
    assert (done.evaluations, done.judged, done.pending) == (120, 120, 0)
    assert (done.best, done.worst) == (0, pytest.approx(0.2))


def test_what_fires_at_the_end_is_still_firing() -> None:
    """And a breach that was too short is counted as pending."""
    bad = [0] * 30 + [30] + [0] * 30 + [20] * 20
    done = replay(rule(**{"for": "6m"}), minutes(bad), START, START + timedelta(minutes=81))
    assert [episode.ends for episode in done.episodes] == [None]
    assert done.pending == 1


def test_time_without_traffic_is_not_judged() -> None:
    """Nothing is fired, and the share of judged evaluations says so."""
    done = replay(rule(), minutes([], 0), START, START + timedelta(hours=1))
    assert (done.evaluations, done.judged, done.episodes, done.worst) == (60, 0, (), None)


def test_a_week_of_noise_is_quiet() -> None:
    """2 % errors of a hundred requests a minute: a limit of 5 % over five minutes is never reached."""
    chance = random.Random(5)
    bad = [sum(chance.random() < 0.02 for _ in range(100)) for _ in range(7 * 1440)]
    done = replay(rule(), minutes(bad), START, START + timedelta(days=7))
    assert done.episodes == ()
    assert done.evaluations == 7 * 1440
