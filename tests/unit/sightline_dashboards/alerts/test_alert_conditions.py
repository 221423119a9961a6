"""What the windows of a rule say: thresholds, changes, burn rates, and windows with too few events."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.alerts import conditions
from sightline_dashboards.alerts.conditions import Verdict, observe
from sightline_dashboards.alerts.rules import BurnRate, Rule
from sightline_dashboards.alerts.series import Amount, Series, quantile
from sightline_store.questions.alerts import BIN_RATIO

NOW_S = 1_800_000_000


def rule(**fields: Any) -> Rule:
    """A rule; what is not given has its default."""
    return Rule.model_validate({"name": "a", "metric": "error_rate", **fields})


def shares(*pairs: tuple[float, float], bucket_s: int = 60) -> Series:
    """Buckets of bad events and events, the last of which ends now."""
    first = NOW_S - bucket_s * len(pairs)
    buckets = ((first + bucket_s * n, Amount(bad, events, highest=bad)) for n, (bad, events) in enumerate(pairs))
    return Series(buckets, bucket_s)


def times(values: list[float]) -> Series:
    """One bucket of times in ms."""
    bins: dict[int, int] = {}
    for value in values:
        number = math.floor(math.log(value) / math.log(BIN_RATIO))
        bins[number] = bins.get(number, 0) + 1
    return Series([(NOW_S - 600, Amount(0.0, len(values), bins=bins))], 600)


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_out_of_bins_is_exact_to_half_a_percent(values: list[float], share: float) -> None:
    """Beside the value at the place that ClickHouse's quantileExact takes."""
    (amount,) = (times(values).over(NOW_S, 600),)
    exact = sorted(values)[min(int(share * len(values)), len(values) - 1)]
    assert quantile(amount.bins, share, BIN_RATIO) == pytest.approx(exact, rel=0.0051)
    assert quantile({}, share, BIN_RATIO) is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40),
    st.integers(0, 40),
    st.integers(1, 40),
)
def test_a_window_holds_the_sum_of_its_buckets(pairs: list[tuple[int, int]], ago: int, length: int) -> None:
    """Whatever its length, and also where it reaches beyond what there is."""
    series = shares(*pairs)
    last = len(pairs) - ago
    inside = pairs[max(0, last - length) : max(0, last)]
    amount = series.over(NOW_S - 60 * ago, 60 * length)
    assert amount.numerator == sum(bad for bad, _ in inside)
    assert amount.denominator == sum(events for _, events in inside)
    assert amount.highest == (max(bad for bad, _ in inside) if inside else None)


@pytest.mark.parametrize(
    ("bad", "verdict"), [(6, Verdict.BREACHED), (5, Verdict.BETWEEN), (4.8, Verdict.BETWEEN), (4, Verdict.CLEAR)]
)
def test_a_threshold_is_crossed_and_left_at_different_values(bad: float, verdict: Verdict) -> None:
    """Beyond 5 % it is breached; clear from 4.75 % on, five percent of the threshold on its good side."""
    assert observe(rule(window="1m", above="5%"), shares((bad, 100)), NOW_S).verdict is verdict


def test_below_is_the_other_way_round() -> None:
    """And a mean cannot be asked to rise above 1 before the rule is clear."""
    low = rule(metric="groundedness_mean", window="1m", below=0.99)
    assert low.resolve_at == pytest.approx(0.995)
    assert observe(low, shares((98.5, 100)), NOW_S).verdict is Verdict.BREACHED
    assert observe(low, shares((100, 100)), NOW_S).verdict is Verdict.CLEAR


def test_one_failure_of_one_request_does_not_page() -> None:
    """Below the least number of events nothing is said, unless the rule says otherwise."""
    few = shares((1, 1))
    assert observe(rule(window="1m", above="5%"), few, NOW_S).verdict is Verdict.UNKNOWN
    assert observe(rule(window="1m", above="5%", missing="ok"), few, NOW_S).verdict is Verdict.CLEAR
    assert observe(rule(window="1m", above="5%", missing="alert"), few, NOW_S).verdict is Verdict.UNKNOWN
    assert observe(rule(window="1m", above="5%", least_events=1), few, NOW_S).verdict is Verdict.BREACHED
    found = observe(rule(window="1m", above="5%"), few, NOW_S)
    assert "1 requests, and 20 are needed" in found.sentence


@pytest.mark.parametrize(
    ("missing", "verdict"), [("keep", Verdict.UNKNOWN), ("ok", Verdict.CLEAR), ("alert", Verdict.BREACHED)]
)
def test_a_window_without_events_is_what_the_rule_says(missing: str, verdict: Verdict) -> None:
    """Kept, fine, or an alert of its own."""
    found = observe(rule(window="1m", above="5%", missing=missing), Series([], 60), NOW_S)
    assert (found.verdict, found.value) == (verdict, None)


def test_no_requests_are_a_rate_of_zero() -> None:
    """A rate is known where nothing came; that is what a rule about too little traffic needs."""
    quiet = rule(metric="requests_per_minute", window="5m", below=1)
    assert observe(quiet, Series([], 60), NOW_S).value == 0
    assert observe(quiet, Series([], 60), NOW_S).verdict is Verdict.BREACHED


def test_a_cost_of_which_no_call_has_a_price_is_unknown() -> None:
    """Never 0; where some calls have one, it is what those cost."""
    costly = rule(metric="cost_per_hour_usd", window="1m", above=10)
    unpriced = Series([(NOW_S - 60, Amount(0.0, 5, 5, 0.0))], 60)
    assert observe(costly, unpriced, NOW_S).value is None
    priced = Series([(NOW_S - 60, Amount(0.5, 5, 4, 0.5))], 60)
    assert observe(costly, priced, NOW_S).value == pytest.approx(30)


def test_a_change_is_against_the_window_before() -> None:
    """Half as much again; with nothing before there is nothing to compare with."""
    changed = rule(window="1m", change={"against": "window_before", "above": "50%"})
    found = observe(changed, shares((4, 100), (6.2, 100)), NOW_S)
    assert found.value == pytest.approx(0.55)
    assert found.verdict is Verdict.BREACHED
    assert "+55% against 4 % in the 1 min before" in found.sentence
    assert observe(changed, shares((4, 100), (4, 100)), NOW_S).verdict is Verdict.CLEAR
    assert observe(changed, shares((0, 100), (4, 100)), NOW_S).verdict is Verdict.UNKNOWN
    assert observe(changed, shares((4, 100)), NOW_S).verdict is Verdict.UNKNOWN


def test_a_change_is_against_the_same_time_last_week() -> None:
    """Windows of a week ago are in the same series."""
    weekly = rule(window="1h", change={"against": "week_before", "below": "-30%"})
    week_s = conditions.WEEK_S
    series = Series([(NOW_S - week_s - 3600, Amount(40, 1000)), (NOW_S - 3600, Amount(20, 1000))], 3600)
    found = observe(weekly, series, NOW_S)
    assert (found.value, found.verdict) == (pytest.approx(-0.5), Verdict.BREACHED)


@given(st.floats(0.5, 0.9999), st.floats(0, 1))
def test_a_burn_rate_of_one_spends_the_budget_in_the_period(objective: float, bad: float) -> None:
    """Twice the rate takes half the time; the share that an alert's long window spends is what the workbook says."""
    burn_rate = BurnRate.model_validate({"objective": objective})
    rate = conditions.burn(burn_rate, bad)
    assert rate * burn_rate.budget == pytest.approx(bad)
    for pair in burn_rate.pairs:
        spent = burn_rate.rate(pair) * pair.long / burn_rate.period
        assert spent == pytest.approx(pair.spent)


def test_burn_rates_are_those_of_the_workbook() -> None:
    """14.4 over an hour and 6 over six hours page; 3 over a day and 1 over three days make a ticket."""
    fast = BurnRate.model_validate({"objective": "99.9%"})
    slow = BurnRate.model_validate({"objective": "99.9%", "speed": "slow"})
    assert [round(fast.rate(pair), 6) for pair in fast.pairs] == [14.4, 6]
    assert [round(slow.rate(pair), 6) for pair in slow.pairs] == [3, 1]
    assert [(pair.long, pair.short) for pair in (*fast.pairs, *slow.pairs)] == [
        (3600, 300), (21_600, 1800), (86_400, 7200), (259_200, 21_600),
    ]  # fmt: skip


def test_both_windows_have_to_burn() -> None:
    """An outage that is over keeps the long window high and the short one low: nobody is called for it."""
    service = rule(burn_rate={"objective": "99%"}, least_events=50)
    during = shares(*[(0, 1000)] * 66, *[(300, 1000)] * 6, bucket_s=300)
    assert observe(service, during, NOW_S).verdict is Verdict.BREACHED
    after = shares(*[(0, 1000)] * 60, *[(300, 1000)] * 6, *[(0, 1000)] * 6, bucket_s=300)
    found = observe(service, after, NOW_S)
    assert found.verdict is Verdict.CLEAR
    blip = shares(*[(0, 1000)] * 71, (300, 1000), bucket_s=300)
    assert observe(service, blip, NOW_S).verdict is Verdict.CLEAR


def test_a_burn_rate_of_few_events_is_unknown() -> None:
    """The long window has to have enough."""
    service = rule(burn_rate={"objective": "99%"}, least_events=50)
    assert observe(service, shares((1, 1), bucket_s=300), NOW_S).verdict is Verdict.UNKNOWN
    assert observe(service, shares((49, 49), bucket_s=300), NOW_S).verdict is Verdict.UNKNOWN
    assert observe(service, shares((50, 50), bucket_s=300), NOW_S).verdict is Verdict.BREACHED


def test_buckets_fit_into_every_window_of_a_rule() -> None:
    """One bucket for a threshold, as many as needed for windows of several lengths."""
    assert conditions.step_s(rule(window="10m", above=0.1)) == 600
    assert conditions.step_s(rule(burn_rate={"objective": "99%"})) == 300
    assert conditions.step_s(rule(burn_rate={"objective": "99%", "speed": "slow"})) == 7200
    assert conditions.lookback_s(rule(burn_rate={"objective": "99%", "speed": "slow"})) == 259_200
    assert conditions.lookback_s(rule(window="10m", change={"against": "window_before", "above": 1})) == 1200


def test_a_p95_is_judged_on_its_requests() -> None:
    """Two slow ones of a hundred do not move it."""
    slow = rule(metric="ttft_p95_ms", window="10m", above=1000)
    steady = random.Random(3)
    fast = [steady.uniform(100, 400) for _ in range(98)]
    assert observe(slow, times([*fast, 9000, 9000]), NOW_S).verdict is Verdict.CLEAR
    assert observe(slow, times([*fast, *[9000] * 8]), NOW_S).verdict is Verdict.BREACHED
