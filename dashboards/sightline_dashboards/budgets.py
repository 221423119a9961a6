"""How far token budgets are spent, how fast, and when they run out at this pace. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_dashboards import formats

Rows = Sequence[Mapping[str, Any]]

_PERIODS = {"per_day": "day", "per_month": "month"}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one budget stands.

    Attributes:
        owner: whose it is, for example ``tenant acme``.
        name: which of the owner's budgets, for example ``tokens_per_day``.
        limit: tokens that the period allows.
        used: tokens spent or reserved when it was last told; 0 where the period has ended since.
        per_hour: tokens an hour over the window; None where it was told in one bucket only.
        told_at: when a span told it last, in UTC.
        period_end: when the budget is full again, in UTC; None where its name says no period.
    """

    owner: str
    name: str
    limit: int
    used: int
    per_hour: float | None
    told_at: datetime
    period_end: datetime | None

    @property
    def share(self) -> float:
        """Used share of the limit; above 1 where an answer took more than was left."""
        return self.used / self.limit

    def runs_out(self, now: datetime) -> str:
        """When it is spent at the pace of the window, in words."""
        if self.used >= self.limit:
            return "now" if self.period_end is None else f"now; full again in {_until(self.period_end, now)}"
        if not self.per_hour:
            return formats.UNKNOWN
        hours = (self.limit - self.used) / self.per_hour
        at = now + timedelta(hours=min(hours, 1e5))
        if self.period_end is not None and at >= self.period_end:
            return f"not before it is full again in {_until(self.period_end, now)}"
        return f"in {_until(at, now)}"


def standings(rows: Rows, now: datetime) -> list[Standing]:
    """Return the budgets, the fullest first.

    Args:
        rows: of `queries.budgets_over_time`.
        now: in UTC. A budget whose period has ended by then is empty.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["bucket"]):
        found.setdefault((row["owner"], row["name"]), []).append(row)
    result = []
    for (owner, name), told in found.items():
        at = datetime.fromtimestamp(told[-1]["told_ms"] / 1000, UTC)
        end = period_end(name, at)
        used = 0 if end is not None and end <= now else told[-1]["used_tokens"]
        if end is not None and end <= now:
            end = period_end(name, now)
        result.append(Standing(owner, name, told[-1]["token_limit"], used, _per_hour(told), at, end))
    return sorted(result, key=lambda standing: (-standing.share, standing.owner, standing.name))


def shares(rows: Rows, chosen: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return bucket, budget and share for a chart of the chosen budgets."""
    names = {(standing.owner, standing.name) for standing in chosen}
    return [
        {
            "bucket": row["bucket"],
            "budget": label(row["owner"], row["name"]),
            "share": row["used_tokens"] / row["token_limit"],
        }
        for row in rows
        if (row["owner"], row["name"]) in names
    ]


def label(owner: str, name: str) -> str:
    """Return the name of a budget for a person, such as ``tenant acme, tokens per day``."""
    return f"{owner}, {name.replace('_', ' ')}"


def period_end(name: str, at: datetime) -> datetime | None:
    """Return the end of the period that a moment lies in, by the name of the budget; None where it has none."""
    period = next((period for suffix, period in _PERIODS.items() if name.endswith(suffix)), "")
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return day + timedelta(days=1)
    if period == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


def _per_hour(told: Rows) -> float | None:
    """Tokens an hour: what was added from bucket to bucket. Less than before is the beginning of another period."""
    hours = (told[-1]["told_ms"] - told[0]["told_ms"]) / 3.6e6
    if hours <= 0:
        return None
    used = [row["used_tokens"] for row in told]
    added = sum(later - earlier if later >= earlier else later for earlier, later in itertools.pairwise(used))
    return float(added / hours)


def _until(at: datetime, now: datetime) -> str:
    return formats.age(max(2.0, (at - now).total_seconds())).removesuffix(" ago")
