"""What the gate could have seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.gating.changes import Changes
from sightline_evals.gating.inference import Method, infer
from sightline_evals.gating.power import detectable_drop, power


def changes(deltas: list[float], full_step: float | None = 1.0) -> Changes:
    """Changes of cases that stand alone."""
    count = len(deltas)
    return Changes.of(np.array(deltas, dtype=np.float64), np.arange(count), np.ones(count), full_step)


def spread(count: int, sd: float) -> Changes:
    """Changes of mean 0 and this standard deviation."""
    return changes([sd, -sd] * (count // 2), full_step=None)


@pytest.mark.parametrize(("count", "drop"), [(200, 0.044), (500, 0.028), (1000, 0.020)])
def test_detectable_drop_is_at_least_the_textbook_one(count: int, drop: float) -> None:
    """(1.645 + 0.842) SD / sqrt(n) for a standard deviation of 0.25 and no margin, and what the drop adds to it."""
    found = detectable_drop(spread(count, 0.25), Method.BOOTSTRAP, level=0.05, margin=0.0, largest=1.0)
    assert found == pytest.approx(drop, rel=0.2)
    assert found is not None
    assert found >= drop


def test_detectable_drop_is_found_in_four_of_five() -> None:
    """At that drop the power is 80%."""
    for measured in (
        spread(300, 0.2),
        changes([-1.0] * 10 + [1.0] * 9 + [0.0] * 181),
        changes([-0.5, 0.25, 0.1] + [0.0] * 40),
    ):
        method = infer(measured).method
        drop = detectable_drop(measured, method, level=0.05, margin=0.02, largest=1.0)
        assert drop is not None
        assert power(measured, method, drop, level=0.05, margin=0.02) == pytest.approx(0.8, abs=0.02)


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_larger_drop_is_found_no_less_often(first: float, second: float) -> None:
    """Within a tenth of a point: counts are whole numbers."""
    measured = changes([-1.0] * 5 + [1.0] * 5 + [0.0] * 90)
    low, high = sorted((first, second))
    powers = [power(measured, Method.MCNEMAR, drop, level=0.05, margin=0.02) for drop in (low, high)]
    assert powers[0] <= powers[1] + 1e-3


def test_more_cases_more_metrics_and_wider_margins_move_it_the_right_way() -> None:
    """More cases see smaller drops; a share of the level and a margin cost power."""
    few, many = spread(100, 0.2), spread(900, 0.2)

    def detectable(measured: Changes, level: float = 0.05, margin: float = 0.0) -> float:
        found = detectable_drop(measured, Method.BOOTSTRAP, level=level, margin=margin, largest=1.0)
        assert found is not None
        return found

    assert detectable(many) < detectable(few)
    assert detectable(few, level=0.0125) > detectable(few)
    assert detectable(many, margin=0.1) > 0.1


def test_few_conversations_can_see_nothing() -> None:
    """Four that all fall are not significant; one conversation has no power at all."""
    assert detectable_drop(changes([0.0] * 4), Method.SIGN_FLIPS, level=0.05, margin=0.02, largest=1.0) is None
    assert power(changes([0.0]), Method.MCNEMAR, 1.0, level=0.05, margin=0.02) == 0


def test_identical_runs_state_what_they_could_have_seen() -> None:
    """None of 50 changed: five that fall are needed, and a drop of 13% brings them in four of five runs."""
    assert detectable_drop(changes([0.0] * 50), Method.MCNEMAR, level=0.05, margin=0.02, largest=1.0) == pytest.approx(
        0.1308, abs=1e-3
    )


def test_many_pass_fail_changes_are_taken_for_normal() -> None:
    """Beyond 150 changes the counts and the normal distribution agree."""
    counted = changes([-1.0] * 75 + [1.0] * 75 + [0.0] * 850)
    normal = changes([-1.0] * 76 + [1.0] * 76 + [0.0] * 848)
    powers = [power(measured, Method.MCNEMAR, 0.04, level=0.05, margin=0.02) for measured in (counted, normal)]
    assert powers[0] == pytest.approx(powers[1], abs=0.05)
