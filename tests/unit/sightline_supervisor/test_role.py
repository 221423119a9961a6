"""Roles are data: their order and restart decisions are pure."""

import pytest

from sightline_supervisor.role import RestartPolicy, Role, start_order


def _role(name: str, *after: str) -> Role:
    return Role(name, (name,), start_after=after)


def test_order_puts_each_role_after_those_it_waits_for() -> None:
    """A role that waits comes later, the others keep their order."""
    roles = [_role("app", "store", "model"), _role("store"), _role("collector"), _role("model")]
    assert [role.name for role in start_order(roles)] == ["store", "collector", "model", "app"]


def test_order_ignores_names_that_run_elsewhere() -> None:
    """A store at a URL is no role of this run and holds nothing up."""
    assert [role.name for role in start_order([_role("app", "store")])] == ["app"]


def test_order_refuses_a_circle() -> None:
    """Two roles that wait for each other are a mistake in the caller."""
    with pytest.raises(ValueError, match="a, b"):
        start_order([_role("a", "b"), _role("b", "a")])


def test_delay_doubles_up_to_its_limit() -> None:
    """Pauses grow so that a role which dies at once does not burn the machine."""
    policy = RestartPolicy(first_delay_s=0.5, max_delay_s=3.0)
    assert [policy.delay_s(attempt) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 3.0]


def test_a_wrong_setting_is_not_tried_again() -> None:
    """Exit code 2 ends it at once; another death is tried again until the tries are used up."""
    policy = RestartPolicy(tries=2)
    assert not policy.may_restart(1, 2)
    assert policy.may_restart(1, 1)
    assert policy.may_restart(2, -9)
    assert policy.may_restart(2, None)
    assert not policy.may_restart(3, 1)
