"""What changed in the traffic and when: versions of services, indexes, embeddings, models. For marks on axes of time.

A change is a value that was not in use shortly before. What a subject has from its first moment on is none, since
nothing is known before; so the question reads some time before the part that is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks, Filters, Row, ask, ask_rolled
from sightline_store.rollups.plan import Reads

KINDS: Final = ("service", "index", "embedding", "model", "harm")
"""What can change: the version of a service, the index or the embedding of a collection, the model of a service;
and what `sightline-app chaos` breaks on purpose."""

_BUCKETS: Final = 120
_SHORTEST_LOOK_BACK: Final = timedelta(hours=1)
_LONGEST_LOOK_BACK: Final = timedelta(days=7)
_LOOKED_AT_USES: Final = 20
"""Uses before and after a moment that say whether something changed there."""
_LEAST_USES: Final = 3
_LEAST_SHARE: Final = 1 / 3
_MOST_ROWS: Final = 20_000
_MOST_HARMS: Final = 200


def used_over_time(
    client: Asks, start: datetime, end: datetime, *, bucket_s: int, limit: int = _MOST_ROWS
) -> list[Row]:
    """Which values were in use, a bucket, in the order of time: `kind`, `subject`, `value`, `uses`, `first_ms`.

    `uses` counts searches and calls; of a service the requests whose version was read, two or more a bucket.
    """
    window = Filters(start=start, end=end)
    begin = sql_moment(start)
    params = {
        "from": begin, "to": sql_moment(end), "rolled_from": begin, "rolled_to": begin,
        "bucket_s": bucket_s, "limit": limit,
    }  # fmt: skip
    return ask_rolled(client, "used_over_time", window, params, Reads.USES)


def changes(client: Asks, start: datetime, end: datetime) -> list[Row]:
    """What changed in a stretch of time, in order: `kind` (of `KINDS`), `subject`, `was`, `value`, `at_ms`.

    `at_ms` is when the new value was first seen: of a service up to a bucket after it was first in use. There are 120
    buckets at most, of a width that can be named.
    """
    look_back = min(max((end - start) / 4, _SHORTEST_LOOK_BACK), _LONGEST_LOOK_BACK)
    rows = used_over_time(client, start - look_back, end, bucket_s=Filters(start=start, end=end).bucket_s(_BUCKETS))
    since_ms = start.timestamp() * 1000
    found = [change for change in found_in(rows) if change["at_ms"] >= since_ms]
    return sorted([*found, *harms(client, start, end)], key=lambda change: change["at_ms"])


def harms(client: Asks, start: datetime, end: datetime, *, limit: int = _MOST_HARMS) -> list[Row]:
    """What was broken on purpose, in order: as the rows of `changes`, of kind "harm"; `value` says what was done."""
    rows = ask(client, "harms", {"from": sql_moment(start), "to": sql_moment(end), "limit": limit})
    return [
        {
            "kind": "harm",
            "subject": row["subject"],
            "was": "",
            "value": row["told"] or row["phase"],
            "at_ms": row["at_ms"],
        }
        for row in rows
    ]


def found_in(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return what changed, of rows of `used_over_time`.

    A value is a change where it is none of the last 20 uses, and then at least a third of the next 20 and three of
    them. So a rollback is a change, and a rare model, or one that shares the traffic with another, is none.
    """
    by_subject: dict[tuple[str, str], dict[int, list[Mapping[str, Any]]]] = {}
    for row in rows:
        by_subject.setdefault((row["kind"], row["subject"]), {}).setdefault(row["bucket"], []).append(row)
    changes = [
        {"kind": kind, "subject": subject, **change}
        for (kind, subject), buckets in by_subject.items()
        for change in _of_subject([buckets[bucket] for bucket in sorted(buckets)])
    ]
    return sorted(changes, key=lambda change: (change["at_ms"], change["kind"], change["subject"], change["value"]))


def _of_subject(buckets: Sequence[Sequence[Mapping[str, Any]]]) -> list[Row]:
    """The changes of one subject, of the rows of its buckets in order."""
    uses = [Counter({row["value"]: row["uses"] for row in rows}) for rows in buckets]
    changes = []
    for place in range(1, len(buckets)):
        before = _counted(reversed(uses[:place]))
        after, behind = _counted(uses[place:]), _counted(uses[place + 1 :])
        changes += [
            {
                "was": max(before, key=lambda value: (before[value], value)),
                "value": row["value"],
                "at_ms": row["first_ms"],
            }
            for row in buckets[place]
            if row["value"] not in before and any(_is_in_use(row["value"], counted) for counted in (after, behind))
        ]
    return changes


def _counted(buckets: Iterable[Counter[str]]) -> Counter[str]:
    """The uses of the first buckets that hold 20 of them; of all where there are fewer."""
    counted: Counter[str] = Counter()
    for uses in buckets:
        counted.update(uses)
        if counted.total() >= _LOOKED_AT_USES:
            break
    return counted


def _is_in_use(value: str, counted: Counter[str]) -> bool:
    return counted[value] >= max(_LEAST_USES, counted.total() * _LEAST_SHARE)
