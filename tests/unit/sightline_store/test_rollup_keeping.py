"""Which rollups have to go."""

from __future__ import annotations

from datetime import UTC, datetime

from sightline_store.rollups.keeping import Partition, outdated
from sightline_store.rollups.tables import DAY, HOUR, MINUTE
from sightline_store.settings import RetentionSettings

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
MIB = 1024**2


def of(period: int, *dates: int, mib: int = 100) -> list[Partition]:
    """Partitions of one length, of the days or months that are named."""
    return [Partition(period, date, 1000, mib * MIB) for date in dates]


FACTS = of(HOUR, 20260210, 20260211, 20260314, 20260315)
MADE = [
    *of(MINUTE, 20260312, 20260313, 20260314, 20260315),
    *of(HOUR, 202512, 202601, 202602, 202603),
    *of(DAY, 202412, 202501, 202502, 202602, 202603),
]


def test_each_length_stays_for_its_days() -> None:
    """Minutes two days, hours two months, days as they are asked to; a month goes when its last day is too old."""
    going = outdated(MADE, RetentionSettings(rollups_days=400, rollups_max_gib=0), NOW)
    assert [(each.period, each.date) for each in going] == [
        (MINUTE, 20260312),
        (HOUR, 202512),
        (DAY, 202412),
        (DAY, 202501),
    ]
    ever = outdated(MADE, RetentionSettings(rollups_days=0, rollups_max_gib=0), NOW)
    assert [each for each in ever if each.period == DAY] == []
    short = outdated(MADE, RetentionSettings(rollups_days=1, rollups_max_gib=0), NOW)
    assert {(each.period, each.date) for each in MADE} - {(each.period, each.date) for each in short} == {
        (MINUTE, 20260314), (MINUTE, 20260315), (HOUR, 202603), (DAY, 202603),
    }  # fmt: skip


def test_above_the_cap_the_oldest_go_minutes_first() -> None:
    """As many as needed; what is still filled stays, even where that alone is above the cap."""
    keep = RetentionSettings(rollups_days=0, rollups_max_gib=1000 / 1024)
    going = outdated(MADE, keep, NOW)
    assert [(each.period, each.date) for each in going] == [(MINUTE, 20260312), (HOUR, 202512), (MINUTE, 20260313)]
    all_but_open = outdated(MADE, RetentionSettings(rollups_days=0, rollups_max_gib=0.001), NOW)
    kept = {(each.period, each.date) for each in MADE} - {(each.period, each.date) for each in all_but_open}
    assert kept == {(MINUTE, 20260315), (HOUR, 202603), (DAY, 202603)}


def test_facts_of_requests_stay_a_month() -> None:
    """A day of them goes by its own age, whatever becomes of the hours of its month; above the cap before these."""
    made = sorted([*MADE, *FACTS], key=lambda each: (each.period, not each.is_day, each.date))
    going = outdated(made, RetentionSettings(rollups_days=0, rollups_max_gib=0), NOW)
    assert [(each.period, each.date) for each in going if each in FACTS] == [(HOUR, 20260210)]
    keep = RetentionSettings(rollups_days=0, rollups_max_gib=1000 / 1024)
    over = [(each.period, each.date) for each in outdated(made, keep, NOW)]
    assert (HOUR, 20260314) in over
    assert (HOUR, 202601) not in over
    short = outdated(made, RetentionSettings(rollups_days=1, rollups_max_gib=0), NOW)
    assert {(each.period, each.date) for each in FACTS if each not in short} == {(HOUR, 20260314), (HOUR, 20260315)}
