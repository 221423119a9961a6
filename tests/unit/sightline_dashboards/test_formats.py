"""Numbers read as the pages promise."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards import formats


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0.4213, "0.421 ms"),
        (0.5, "0.5 ms"),
        (4.2, "4.20 ms"),
        (412.4, "412 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (2314, "2.31 s"),
        (59_960, "60.0 s"),
        (750_000, "12.5 min"),
        (None, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_duration_is_ms_below_a_second_and_s_above(ms: float | None, text: str) -> None:
    """Three significant digits, and the unit changes where the rounded number does."""
    assert formats.duration(ms) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (1.8234, "$1.82"),
        (1234.5, "$1,234"),
        (0.1925, "$0.193"),
        (0.996, "$1.00"),
        (0.000257, "$0.00026"),
        (0, "$0"),
        (None, "unknown"),
    ],
)
def test_money_never_rounds_a_small_cost_to_nothing(usd: float | None, text: str) -> None:
    """Cents where there are any, significant digits below."""
    assert formats.money(usd) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.004, "0.4 %"), (0.1251, "12.5 %"), (1.0, "100 %"), (0.00001, "<0.01 %"), (0, "0 %"), (None, "unknown")],
)
def test_share_is_percent_without_idle_zeros(value: float | None, text: str) -> None:
    """A share that is not 0 never reads as 0."""
    assert formats.share(value) == text


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [(0.912, 0.021, "0.91 ±0.02"), (0.9123, 0.0061, "0.912 ±0.006"), (0.5, None, "0.50"), (None, None, "unknown")],
)
def test_estimate_shows_the_digits_that_its_interval_allows(mean: float | None, half: float | None, text: str) -> None:
    """Mean and half width end at the same digit."""
    assert formats.estimate(mean, half) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(940, "940"), (12_345, "12.3 k"), (999_960, "1.00 M"), (24_215_994, "24.2 M"), (None, "unknown")],
)
def test_compact_keeps_three_digits(value: float | None, text: str) -> None:
    """Thousands, millions and billions get a letter."""
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("now", "before", "better", "expected"),
    [
        (108.0, 100.0, "lower", formats.Change("▲8 %", "bad")),
        (97.0, 100.0, "lower", formats.Change("▼3 %", "good")),
        (0.9, 0.5, "higher", formats.Change("▲80 %", "good")),
        (100.2, 100.0, "lower", formats.Change("=", "neutral")),
        (0.9, 0.8, "unclear", formats.Change("▲12 %", "neutral")),
        (5.0, 0.0, "lower", formats.Change("▲ from 0", "bad")),
        (50.0, 2.0, "unclear", formats.Change("▲25.0x", "neutral")),
        (None, 2.0, "lower", None),
        (2.0, None, "lower", None),
    ],
)
def test_change_is_coloured_only_where_better_is_known(
    now: float | None, before: float | None, better: str, expected: formats.Change | None
) -> None:
    """The arrow says where it went; the tone says whether that is good."""
    assert formats.change(now, before, better=better) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "just now"),
        (4, "4 s ago"),
        (130, "2 min ago"),
        (7300, "2 h ago"),
        (300_000, "3 days ago"),
        (None, "unknown"),
    ],
)
def test_age_names_one_unit(seconds: float | None, text: str) -> None:
    """Ages are for glancing at."""
    assert formats.age(seconds) == text


@given(st.floats(min_value=1e-6, max_value=1e12, allow_nan=False))
def test_significant_is_within_half_a_percent(value: float) -> None:
    """Rounding to three digits moves no number by more than half a percent."""
    assert abs(float(formats.significant(value).replace(",", "")) - value) <= 0.00501 * value


@pytest.mark.parametrize(
    ("ms", "definition", "text"),
    [
        (700.0, "delivered", "700 ms"),
        (300.0, "first_chunk", "≥ 300 ms"),
        (500.0, "first_token", "≥ 500 ms"),
        (None, "", "unknown"),
    ],
)
def test_first_token_is_a_bound_where_only_the_stream_was_timed(ms: float | None, definition: str, text: str) -> None:
    """The user has the first token at that moment or later."""
    assert formats.first_token(ms, definition) == text


def test_first_token_note_counts_the_others() -> None:
    """One definition is shown, and who has another is not forgotten."""
    assert formats.first_token_note("", 0) == "No request recorded a first token."
    assert "1,200 requests" in formats.first_token_note("delivered", 1200)
    assert "may be empty" in formats.first_token_note("first_chunk", 0)
