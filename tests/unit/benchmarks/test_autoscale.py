"""The simulation of autoscalers: small worlds whose outcome can be told beforehand."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_FOLDER = Path(__file__).parents[3] / "benchmarks"
ALWAYS_A_SECOND = [(0.2, 1.0)]
"""Services: first token after 0.2 s, end after 1 s."""


@pytest.fixture(name="autoscale", scope="module")
def _autoscale() -> ModuleType:
    """The script, whose folder is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_FOLDER)
        return importlib.import_module("autoscale")


def world(autoscale: ModuleType, **changes: Any) -> Any:
    """One slot a replica, a new one after 60 s, 1 s promised."""
    return autoscale.World(**{"slots": 1, "start_s": 60.0, "target_s": 1.0, "cpu_at_full": 1.0, **changes})


def test_a_line_is_served_in_order(autoscale: ModuleType) -> None:
    """With one slot that never grows, the third of three at once waits for two answers."""
    fixed = autoscale.Simulation(world(autoscale), lambda _: 1, ALWAYS_A_SECOND, 1)
    outcome = fixed.run([0.0, 0.0, 0.0])
    assert (outcome.requests, outcome.over) == (3, 2)  # first tokens after 0.2, 1.2 and 2.2 s


def test_replicas_count_from_their_request_to_their_end(autoscale: ModuleType) -> None:
    """A second replica, asked for at 15 s, costs from then on, also while it starts."""
    wants = autoscale.Simulation(world(autoscale), lambda _: 2, ALWAYS_A_SECOND, 1)
    outcome = wants.run([0.0, 99.0])
    assert outcome.replica_s == pytest.approx(105.0 + 90.0)  # the end is the first tick after the last answer


def test_a_replica_that_starts_serves_nobody(autoscale: ModuleType) -> None:
    """Two at once after 50 s: the replica that was asked for at 15 s is not ready, so one waits."""

    def run(start_s: float) -> int:
        slow = world(autoscale, start_s=start_s)
        return int(autoscale.Simulation(slow, lambda _: 2, ALWAYS_A_SECOND, 1).run([0.0, 50.0, 50.0]).over)

    assert (run(60.0), run(10.0)) == (1, 0)


def test_replicas_leave_after_their_answers(autoscale: ModuleType) -> None:
    """One that is taken away while it answers ends the answer first: no request is lost."""
    wanted = iter([3] + [1] * 100)
    long = autoscale.Simulation(world(autoscale, start_s=1.0), lambda _: next(wanted), [(0.1, 400.0)], 1)
    outcome = long.run([0.0, 20.0, 20.0])
    assert (outcome.requests, outcome.over) == (3, 0)


def state(autoscale: ModuleType, count: int, **changes: Any) -> Any:
    """Replicas that are ready and do nothing."""
    replicas = [autoscale.Replica(0.0, 0.0) for _ in range(count)]
    usual = {"waiting": 0, "busy": 0, "busy_share": 0.0, "ready": count, "ttft_p95_s": 0.0}
    return autoscale.State(replicas, **{**usual, **changes})


def test_policies_follow_the_formula(autoscale: ModuleType) -> None:
    """Wanted is the count times the metric over its target, rounded up, and nothing within the tolerance."""
    of_two = world(autoscale, slots=2)
    cpu = autoscale.by_cpu(of_two, 0.5)
    assert cpu(state(autoscale, 2, busy_share=2.0)) == 4
    assert cpu(state(autoscale, 2, busy_share=1.05)) == 2
    assert cpu(state(autoscale, 4, busy_share=1.0)) == 2
    # Two of four start: at full CPU of the ready ones the average is at the target, so none is added.
    assert cpu(state(autoscale, 4, busy_share=2.0, ready=2)) == 4
    queue = autoscale.by_queue(of_two, 0.5)
    assert queue(state(autoscale, 2, busy=4, waiting=6)) == 10
    assert queue(state(autoscale, 2, busy=2)) == 2
    ttft = autoscale.by_ttft(of_two, 0.5)
    assert ttft(state(autoscale, 2, ttft_p95_s=2.0)) == 8
    assert ttft(state(autoscale, 2)) == 2


def test_shapes_are_fixed_by_their_seed(autoscale: ModuleType) -> None:
    """The same seed gives the same arrivals; the burst's five minutes hold eight a second."""
    first, again, other = (autoscale.shapes(seed, 3600.0) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    inside = [each for each in first["burst"] if 1800 <= each < 2100]
    assert len(inside) == pytest.approx(8 * 300, rel=0.1)
    assert len(first["burst"]) - len(inside) == pytest.approx(3300, rel=0.1)
