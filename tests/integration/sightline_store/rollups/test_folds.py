"""Folds make what is missing and nothing else, wherever they are interrupted, and whatever was made before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rolled_traffic import (
    HOURS,
    KEEP,
    QUESTIONS,
    Traffic,
    fold_all,
    is_rolled,
    require_one_answer,
    window_of,
)

from sightline_store.client import Client
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import queries
from sightline_store.rollups import fold, keeping, looks
from sightline_store.rollups.tables import FORMAT
from sightline_store.schema import rebuild


def test_a_fold_without_news_makes_nothing(client: Client, end: datetime) -> None:
    """And one late span makes its minute and its hour anew, and nothing else but what is over since."""
    traffic = Traffic(client, 5, end)
    traffic.add(50, HOURS)
    list(fold.fold(client, KEEP))
    before = client.query_rows("SELECT Start, max(Version) AS v FROM rollup_periods WHERE Period = 60 GROUP BY Start")
    traffic.add(1, 0.01, before=timedelta(hours=2))
    list(fold.fold(client, KEEP))
    after = client.query_rows("SELECT Start, max(Version) AS v FROM rollup_periods WHERE Period = 60 GROUP BY Start")
    versions = {row["Start"]: row["v"] for row in before}
    anew = [row["Start"] for row in after if row["Start"] in versions and row["v"] != versions[row["Start"]]]
    assert 1 <= len(anew) <= 2  # its call or stage may have begun in the next minute
    require_one_answer(client, window_of(end))


def test_a_day_is_looked_at_again_for_other_rows_and_not_for_merges(client: Client, end: datetime) -> None:
    """A table that took the place of another one has others, though they be as many and lie in as many parts."""
    traffic = Traffic(client, 5, end)
    for days_ago in (0, 0, 1, 1):
        traffic.add(25, HOURS, before=timedelta(days=days_ago))
    list(fold.fold(client, KEEP))
    still_open = {made.day for made in fold.fold(client, KEEP)}
    for table in looks.SOURCES:
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    assert {made.day for made in fold.fold(client, KEEP)} == still_open
    rebuild.rebuild(client, "llm_calls")
    days = {row["day"] for row in client.query_rows("SELECT DISTINCT toDate(Timestamp, 'UTC') AS day FROM llm_calls")}
    assert days - still_open  # whatever the time of day is
    assert {made.day for made in fold.fold(client, KEEP)} >= days
    require_one_answer(client, window_of(end))


class _Stops(Client):
    """Fails at one of the statements that change something: before it, or when it has been done."""

    def __init__(self, client: Client, at: int, *, is_done: bool) -> None:
        super().__init__(client.settings)
        self._left, self._is_done = at, is_done

    def query_bytes(self, sql: str, params: Mapping[str, Any] | None = None, fmt: str = "JSONEachRow") -> bytes:
        """Run, or fail; so does `insert_rows`."""
        answer: bytes = self._or_stop(lambda: super(_Stops, self).query_bytes(sql, params, fmt))
        return answer

    def insert_rows(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Run, or fail."""
        self._or_stop(lambda: super(_Stops, self).insert_rows(table, columns, rows))

    def _or_stop(self, action: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left < 0 and not self._is_done:
            raise StoreUnavailable(self.settings.url, "stopped")
        result = action()
        if self._left < 0:
            raise StoreUnavailable(self.settings.url, "stopped")
        return result


def test_a_score_counts_for_its_request(client: Client, end: datetime) -> None:
    """Given after days, twice, or before its request came; each day of requests is looked at once for it."""
    traffic = Traffic(client, 37, end)
    rows = traffic.add(100, 26)
    late = rows["requests"][:20]
    window = window_of(end, 26)
    fold_all(client)
    traffic.score(late)
    assert fold_all(client) > 0
    require_one_answer(client, window, ("score_summary", "score_list"))
    assert fold_all(client) <= 1  # a minute that is over since
    # Not of the first of three days, which may have one request: of a day without any the rollups stay.
    client.command("DELETE FROM requests WHERE cityHash64(TraceId) % 9 = 0 AND toDate(Timestamp) >= today() - 1")
    fold_all(client)
    require_one_answer(client, window, ("score_summary", "score_list"))
    traffic.score(late)
    stops = _Stops(client, 5, is_done=False)
    with pytest.raises(StoreUnavailable):
        list(fold.fold(stops, KEEP))
    stops.close()
    fold_all(client)
    require_one_answer(client, window, ("overview", "scores_over_time", "score_summary", "score_list"))


def test_raw_spans_that_are_gone_change_nothing(client: Client, end: datetime) -> None:
    """Retention drops them before typed rows: what was made of them stays, until other news make the day anew."""
    traffic = Traffic(client, 41, end)
    rows = traffic.add(100, 30)
    fold_all(client)
    window = window_of(end, 30)
    before = queries.ingest_over_time(client, window, bucket_s=3600)
    day = (end - timedelta(days=1, minutes=3)).date()  # it is over
    client.command(f"ALTER TABLE otel_traces DROP PARTITION '{day}'")
    assert fold_all(client) <= 1
    whole = [row for row in before if datetime.fromtimestamp(row["bucket"], UTC).date() == day][1:]
    after = queries.ingest_over_time(client, window, bucket_s=3600)
    assert whole
    assert [row for row in after if row["bucket"] in {row["bucket"] for row in whole}] == whole
    traffic.score([request for request in rows["requests"] if request[0].date() == day])
    assert fold_all(client) > 0
    require_one_answer(client, window, ("overview", "score_summary"))


@pytest.mark.parametrize("is_done", [False, True])
def test_a_fold_that_stops_anywhere_leaves_one_answer(client: Client, end: datetime, is_done: bool) -> None:
    """Before or behind each of its statements: what is read then is right, and the next fold completes it."""
    traffic = Traffic(client, 11, end)
    traffic.add(60, HOURS)
    fold_all(client)
    traffic.add(10, 1, before=timedelta(hours=2))
    for at in range(100):
        stops = _Stops(client, at, is_done=is_done)
        try:
            list(fold.fold(stops, KEEP))
        except StoreUnavailable:
            pass
        else:
            break
        finally:
            stops.close()
        # What came late is in no rollup before the fold is over, and no rollup counts in part.
        counted = sum(row["requests"] for row in queries.latency_over_time(client, window_of(end), bucket_s=1800))
        assert 60 <= counted <= 70
        if at % 3 == 0:  # a little news between, so that there is something to do
            client.command("DELETE FROM stages WHERE SpanId = 's0' AND TraceId = (SELECT min(TraceId) FROM stages)")
    else:
        pytest.fail("the fold did not end")
    fold_all(client)
    require_one_answer(client, window_of(end))


class _Meets(Client):
    """Does something else when a statement comes for the first time."""

    def __init__(self, client: Client, words: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(client.settings)
        self._words, self._meanwhile, self._is_over = words, meanwhile, False

    def query_bytes(self, sql: str, params: Mapping[str, Any] | None = None, fmt: str = "JSONEachRow") -> bytes:
        """Run, behind what comes between."""
        if self._words in sql and not self._is_over:
            self._is_over = True
            self._meanwhile()
        return super().query_bytes(sql, params, fmt)


@pytest.mark.parametrize("words", ["INSERT INTO rollup_requests", "INSERT INTO rollup_periods"])
def test_of_two_folds_at_one_time_the_one_counts_that_read_later(client: Client, end: datetime, words: str) -> None:
    """The first is held up at a step, rows come, the second makes the same minutes: all rows are counted at the end."""
    traffic = Traffic(client, 13, end)
    traffic.add(60, HOURS)

    def meanwhile() -> None:
        traffic.add(30, HOURS - 1, before=timedelta(minutes=30))
        fold_all(client)

    first = _Meets(client, words, meanwhile)
    list(fold.fold(first, KEEP))
    first.close()
    require_one_answer(client, window_of(end))
    fold_all(client)
    require_one_answer(client, window_of(end))


def test_rollups_stay_when_their_rows_are_dropped(client: Client, end: datetime) -> None:
    """Retention drops whole days of a table: a fold leaves what was made of them."""
    Traffic(client, 17, end).add(200, 30)
    fold_all(client)
    window = window_of(end, 30)
    before = queries.latency_over_time(client, window, bucket_s=3600)
    day = (end - timedelta(days=1, minutes=3)).date()  # it is over
    client.command(f"ALTER TABLE requests DROP PARTITION '{day}'")
    fold_all(client)
    fold_all(client, anew=True)
    after = queries.latency_over_time(client, window, bucket_s=3600)
    whole = [row["bucket"] for row in before if datetime.fromtimestamp(row["bucket"], UTC).date() == day][1:]
    assert whole
    assert [row for row in after if row["bucket"] in whole] == [row for row in before if row["bucket"] in whole]


def _make_older(client: Client, rows_format: int, prints: int) -> None:
    """Let all periods be of an older format, which had fewer prints."""
    client.command(
        f"ALTER TABLE rollup_periods UPDATE RowsFormat = {rows_format}, Prints = arraySlice(Prints, 1, {prints}) "
        "WHERE 1 SETTINGS mutations_sync = 2"
    )
    client.command("TRUNCATE TABLE rollup_looks")  # another format is another look


def test_periods_of_an_older_format_are_made_anew(client: Client, end: datetime) -> None:
    """Until then questions that read what they lack read rows; those whose rows are gone stay as they are."""
    Traffic(client, 29, end).add(100, 30)
    fold_all(client)
    window = window_of(end, 30)
    _make_older(client, 2, 7)
    of_all = {"collected", "ingest_over_time", "labels", "used_over_time"}
    assert is_rolled(client, window_of(end, 30, tenant="acme")) == set(QUESTIONS) - of_all
    for narrowed in ({"tenant": "acme"}, {"model": "gpt-4o"}):
        require_one_answer(client, window_of(end, 30, **narrowed), ("overview",))
    spending = {name for name in QUESTIONS if name.startswith("spend")} | {"embedding_spend"}
    assert is_rolled(client, window_of(end, 30, model="gpt-4o")) == spending
    _make_older(client, 0, 3)
    older = {
        "latency_over_time", "spend_over_time", "stage_summary", "filter_values", "stage_stack", "flagged_traces",
        "found_requests",
    }  # fmt: skip
    assert is_rolled(client, window) == older
    require_one_answer(client, window)
    day = (end - timedelta(days=1, minutes=3)).date()  # it is over
    client.command(f"ALTER TABLE requests DROP PARTITION '{day}'")
    fold_all(client)
    rows = client.query_rows(
        "SELECT toDate(Start) AS day, argMax(RowsFormat, Version) AS format FROM rollup_periods GROUP BY Start, day"
    )
    assert {row["format"] for row in rows if row["day"] == day} == {0}
    assert {row["format"] for row in rows if row["day"] != day} == {FORMAT}


def test_what_nobody_reads_is_removed_after_an_hour(
    client: Client, end: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of an interrupted fold and of periods that were made anew; the answer stays."""
    Traffic(client, 23, end).add(100, HOURS)
    stops = _Stops(client, 3, is_done=False)
    with pytest.raises(StoreUnavailable):
        list(fold.fold(stops, KEEP))
    stops.close()
    fold_all(client)
    fold_all(client, anew=True)
    monkeypatch.setattr(keeping, "COMMIT_WITHIN_S", -1)
    keeping.enforce(client, KEEP)
    (row,) = client.query_rows("SELECT uniqExact(Version) AS n FROM rollup_requests WHERE Period = 86400")
    assert row["n"] <= 1
    (row,) = client.query_rows(
        "SELECT count() AS n FROM rollup_requests WHERE (Period, Start, Version) NOT IN "
        "(SELECT Period, Start, max(Version) FROM rollup_periods GROUP BY Period, Start)"
    )
    assert row["n"] == 0
    require_one_answer(client, window_of(end))
    keeping.drop(client)
    assert keeping.status(client) == []
    require_one_answer(client, window_of(end))
