"""Asks the store for what a rule needs: the last windows for an evaluation, or days of them at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sightline_dashboards.alerts.conditions import WEEK_S, lookback_s, step_s
from sightline_dashboards.alerts.metrics import Buckets
from sightline_dashboards.alerts.rules import Against, Rule
from sightline_dashboards.alerts.series import Series
from sightline_store.questions.alerts import Stretch
from sightline_store.questions.asking import Asks

REPLAY_STEP_S = 60
"""Width of the buckets of `past`, and seconds between two of its evaluations."""


def current(client: Asks, rule: Rule, now: datetime) -> tuple[Series, float]:
    """The rule's windows that end now, or as long ago as its metric needs to be complete.

    Returns:
        The series, and the epoch second at which its windows end.

    Raises:
        StoreError: the store is away, or refuses.
    """
    end = now.replace(microsecond=0) - timedelta(seconds=rule.of.late_s)
    width, length = step_s(rule), timedelta(seconds=lookback_s(rule))
    buckets: Buckets = []
    if rule.change and rule.change.against is Against.WEEK_BEFORE:
        earlier = end - timedelta(seconds=WEEK_S)
        buckets += _read(client, rule, earlier - length, earlier, width)
    buckets += _read(client, rule, end - length, end, width)
    return Series(buckets, width), end.timestamp()


def past(client: Asks, rule: Rule, start: datetime, end: datetime) -> Series:
    """All that the rule's windows held between two moments, and before them as far back as they reach: one question.

    Args:
        client: the store.
        rule: whose windows are wanted.
        start: whole minute; end of the first window.
        end: whole minute; end of the last window.

    Raises:
        StoreError: the store is away, or refuses.
    """
    back_s = lookback_s(rule)
    if rule.change and rule.change.against is Against.WEEK_BEFORE:
        back_s += WEEK_S
    return Series(_read(client, rule, start - timedelta(seconds=back_s), end, REPLAY_STEP_S), REPLAY_STEP_S)


def whole_minute(moment: datetime) -> datetime:
    """The minute in which a moment is, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _read(client: Asks, rule: Rule, start: datetime, end: datetime, width_s: int) -> Buckets:
    narrowed = rule.filters.model_dump()
    stretch = Stretch(start=start, end=end, bucket_s=width_s, slower_than_ms=rule.slower_than or 0.0, **narrowed)
    return rule.of.read(client, stretch)
