# ruff: noqa: S608 - names of tables are this package's own; values are numbers.
"""Which days a fold has to look at: those whose rows may be others than when they were last found right.

What was inserted and changed last is known of each part, so nothing of a day is read for that. Three things of other
days count in a day too: scores, which are given later; and the routes and models of a trace over midnight, which stand
in the first hour of the next day, or in the last one of the day before. So a day is also looked at when scores of its
requests have come, and when what its neighbours have in these hours has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sightline_store.client import Client
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.tables import FORMAT, LOOKS, RAW_SPANS, ROLLUPS, SCORE_LOOKS, SCORES

SOURCES = tuple(dict.fromkeys(rollup.source for rollup in ROLLUPS))
_OF_THEIR_DAY = tuple(source for source in SOURCES if source != SCORES)
"""Sources whose rows count in the day in which they lie."""
TYPED = tuple(source for source in SOURCES if source != RAW_SPANS)


@dataclass(frozen=True)
class Look:
    """What a day was when it was looked at, each as a print.

    Attributes:
        parts: its parts, whatever merges made of them.
        scores: the parts of scores that had changed and held scores of its requests.
        first_hour: its requests and calls of the first hour.
        last_hour: those of the last hour.
        around: those of the hours next to it, of its neighbours.
    """

    parts: int = -1
    scores: int = 0
    first_hour: int = 0
    last_hour: int = 0
    around: int = 0


class Looks:
    """The state of the days of a store, now and when they were looked at.

    Attributes:
        parts: day to a print of its parts, of the days that have any.
    """

    def __init__(self, client: Client, *, anew: bool) -> None:
        """Read it.

        Args:
            client: the store.
            anew: whether all days count as never looked at.

        Raises:
            StoreUnavailable: try again.
        """
        self._client = client
        self.parts = _parts(client, _OF_THEIR_DAY)
        self._seen = {} if anew else _seen(client)
        self._score_parts = _changed_scores(client, anew=anew)
        self._scored = _scored_days(client, self._score_parts)
        self._edges = self._now_at_the_edges()

    def is_seen(self, day: date) -> bool:
        """Whether nothing has changed that counts in a day since it was looked at."""
        seen = self._seen.get(day, Look())
        return (
            seen.parts == self.parts.get(day, 0)
            and self._scored.get(day, seen.scores) == seen.scores
            and seen.around == self._around(day)
        )

    def keep(self, day: date) -> None:
        """Remember that a day is right, as it was when this was read."""
        first_hour, last_hour = self._edges.get(day, (0, 0))
        self._client.insert_rows(
            LOOKS,
            ["Day", "Parts", "Scores", "FirstHour", "LastHour", "Around"],
            [[day, self.parts.get(day, 0), self._scored.get(day, 0), first_hour, last_hour, self._around(day)]],
        )

    def keep_scores(self) -> None:
        """Remember that the days of all scores are right."""
        rows = [[day, state] for day, state in self._score_parts.items()]
        self._client.insert_rows(SCORE_LOOKS, ["Day", "Parts"], rows)

    def _now_at_the_edges(self) -> dict[date, tuple[int, int]]:
        """Day to the prints of its first and last hour. A day that was dropped keeps what it had."""
        edges = {day: (seen.first_hour, seen.last_hour) for day, seen in self._seen.items()}
        changed = [day for day, parts in self.parts.items() if day not in self._seen or self._seen[day].parts != parts]
        if changed:
            text = sql_text("rollups/edge_prints.sql")
            rows = self._client.query_rows(text, {"days": [day.isoformat() for day in changed]})
            read = {row["day"]: (int(row["first_hour"]), int(row["last_hour"])) for row in rows}
            edges |= {day: read.get(day, (0, 0)) for day in changed}
        return edges

    def _around(self, day: date) -> int:
        """The prints of the hours next to a day, as one."""
        (_, before), (behind, _) = (
            self._edges.get(day + timedelta(days=days), (0, 0)) for days in (-1, 1)
        )  # fmt: skip
        return (before + 3 * behind) % 2**64


def moment_of(day: date) -> int:
    """The beginning of a day, epoch seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _parts(client: Client, tables: Sequence[str]) -> dict[date, int]:
    """Day to a hash of what some tables have of it; another format of rollups is another hash.

    Of each table it is made of how many rows there are, and of the newest of its inserts and changes that are in them:
    a merge alters neither. A table that took the place of another one has another UUID.
    """
    rows = client.query_rows(
        f"SELECT day, sum(cityHash64(table, uuid, n, newest, {FORMAT})) AS parts FROM "
        "(SELECT p.partition AS day, p.table AS table, t.uuid AS uuid, sum(p.rows) AS n, "
        "max(greatest(p.max_block_number, p.data_version)) AS newest "
        "FROM system.parts AS p INNER JOIN system.tables AS t ON t.database = p.database AND t.name = p.table "
        "WHERE p.active AND p.database = {database:String} AND has({tables:Array(String)}, p.table) "
        "AND t.database = {database:String} GROUP BY day, table, uuid) GROUP BY day",
        {"database": client.settings.database, "tables": list(tables)},
    )
    return {date.fromisoformat(str(row["day"])): int(row["parts"]) for row in rows}


def _seen(client: Client) -> dict[date, Look]:
    columns = ("Parts", "Scores", "FirstHour", "LastHour", "Around")
    newest = ", ".join(f"argMax({column}, LookedAt) AS {column}" for column in columns)
    rows = client.query_rows(f"SELECT Day, {newest} FROM (SELECT * FROM {LOOKS}) GROUP BY Day")
    return {row["Day"]: Look(*(int(row[column]) for column in columns)) for row in rows}


def _changed_scores(client: Client, *, anew: bool) -> dict[date, int]:
    """Day of scores to a hash of its parts, of the days whose parts are others than when all days were looked at."""
    rows = client.query_rows(f"SELECT Day AS day, argMax(Parts, LookedAt) AS parts FROM {SCORE_LOOKS} GROUP BY Day")
    seen = {} if anew else {row["day"]: int(row["parts"]) for row in rows}
    return {day: state for day, state in _parts(client, (SCORES,)).items() if seen.get(day) != state}


def _scored_days(client: Client, score_parts: Mapping[date, int]) -> dict[date, int]:
    """Day to a sum of hashes of those parts of scores in which there are scores of its requests."""
    days: dict[date, int] = {}
    if score_parts:
        text = sql_text("rollups/scored_days.sql")
        for row in client.query_rows(text, {"days": [day.isoformat() for day in score_parts]}):
            days[row["day"]] = (days.get(row["day"], 0) + score_parts[row["score_day"]]) % 2**64
    return days
