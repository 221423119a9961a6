"""Rules in numpy fire when the evaluator's own code does."""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sightline_dashboards.alerts import rules_file
from sightline_dashboards.alerts.rules import Rule

_FOLDER = Path(__file__).parents[3] / "benchmarks"
START = datetime(2026, 3, 2, tzinfo=UTC)
HOURS_BEFORE, HOURS = 72, 8


@pytest.fixture(name="alert_minutes", scope="module")
def _alert_minutes() -> ModuleType:
    """The script's other half, whose folder is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_FOLDER)
        return importlib.import_module("alert_minutes")


@pytest.fixture(name="minutes", scope="module")
def _minutes(alert_minutes: ModuleType) -> Any:
    """Three days and eight hours with an hour of errors and late first tokens in them, and minutes without requests."""
    random = np.random.default_rng(3)
    count = (HOURS_BEFORE + HOURS) * 60
    sick = slice((HOURS_BEFORE + 2) * 60, (HOURS_BEFORE + 3) * 60)
    events = random.poisson(random.choice([0.0, 3.0, 20.0], count, p=[0.1, 0.2, 0.7]))
    chance = np.full(count, 0.004)
    chance[sick] = 0.3
    bins = np.zeros((count, 200), dtype=np.int64)
    for minute, number in enumerate(events):
        numbers = random.normal(130 if sick.start <= minute < sick.stop else 60, 15, number)
        np.add.at(bins[minute], np.clip(numbers.astype(int), 0, 199), 1)
    first_s = round((START - timedelta(hours=HOURS_BEFORE)).timestamp())
    return alert_minutes.Minutes(first_s, random.binomial(events, chance) * 1.0, events * 1.0, bins, 700)


def _rules() -> list[Rule]:
    ready = rules_file.load(None)
    least = {"window": "3m", "for": "1m", "clear_for": "2m", "cool_down": "5m", "least_events": 20}
    return [
        *(ready.rule(name) for name in ("errors-fast", "errors-slow", "ttft-p95")),
        Rule.model_validate({"name": "share", "metric": "error_rate", "above": "5%", **least}),
        Rule.model_validate({"name": "late", "metric": "ttft_p95_ms", "above": 2500, "resolve": 2400, **least}),
    ]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule.name)
def test_rules_fire_when_the_evaluator_fires_them(alert_minutes: ModuleType, minutes: Any, rule: Rule) -> None:
    """Shares, quantiles and burn rates, with windows of too few events between."""
    end = START + timedelta(hours=HOURS)
    if not rule.metric.startswith("ttft"):  # the evaluator would add up bins that nobody asks for
        minutes = replace(minutes, bins=minutes.bins[:, :0])
    assert alert_minutes.agrees(rule, minutes, START, end)
    assert alert_minutes.pages(rule, minutes, START, end)


def test_rules_that_are_not_simulated_are_refused(alert_minutes: ModuleType, minutes: Any) -> None:
    """None of them is taken for a quiet one."""
    cost = rules_file.load(None).rule("cost-per-hour")
    with pytest.raises(NotImplementedError, match="cost-per-hour"):
        alert_minutes.pages(cost, minutes, START, START + timedelta(hours=1))
