"""Rollups and rows give one answer, whatever comes late, twice or is corrected, and wherever a fold is interrupted."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rolled_traffic import FEW, QUESTIONS, RowsAlone, Traffic, answers, differences, is_rolled, rank_error

from sightline_store import settle
from sightline_store.client import Client
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters
from sightline_store.questions.queries import SpendBy
from sightline_store.rollups import coverage, fold, keeping, plan
from sightline_store.rollups.plan import Reads
from sightline_store.rollups.tables import FORMAT
from sightline_store.settings import RetentionSettings

_KEEP = RetentionSettings()
_HOURS = 4.0
_NARROWED: dict[int, list[dict[str, str]]] = {
    1: [{"route": "/v1/chat"}, {"model": "gpt-4o"}],
    2: [{}, {"tenant": "acme"}],
}
"""By the seed of the traffic."""


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of this module's own tables; they have no rows."""
    return emptied("rollups")


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of some hours with few rows read rollups too, so that little has to be made."""
    monkeypatch.setattr(plan, "SHORTEST", timedelta(hours=1))
    monkeypatch.setattr(plan, "FEWEST_ROWS", 0)
    monkeypatch.setattr(queries, "SHORTEST", timedelta(hours=1))
    monkeypatch.setattr(coverage, "REMEMBERED_S", 0.0)


@pytest.fixture
def end() -> datetime:
    """The end of the traffic: seconds ago, so that its last minutes are open."""
    return datetime.now(UTC) - timedelta(seconds=5)


def _fold(client: Client, **more: Any) -> int:
    return sum(made.minutes for made in fold.fold(client, _KEEP, **more))


def _window(end: datetime, hours: float = _HOURS, **narrowed: str) -> Filters:
    return Filters(start=end - timedelta(hours=hours), end=end + timedelta(seconds=1), **narrowed)


def _require_one_answer(client: Client, filters: Filters, names: Iterable[str] = FEW) -> None:
    found = differences(answers(client, filters, names), answers(RowsAlone(client), filters, names))
    assert not found, found[:5]


def _price(client: Client, key: str, since: datetime, *, rates: str = "[]", **prices: float) -> None:
    columns, values = ", ".join(prices), ", ".join(map(str, prices.values()))
    client.command(
        f"INSERT INTO model_prices (PriceKey, ValidFrom, Rates, {columns}) "
        f"SELECT '{key}', toDateTime({int(since.timestamp())}, 'UTC'), {rates}, {values}"
    )


def _prices(client: Client) -> None:
    since = datetime(2020, 1, 1, tzinfo=UTC)
    above = "[(200000, 0, 86400, 9., 1., 2., 3., NULL, 12., NULL, NULL, NULL)]"
    _price(client, "openai/gpt-4o", since, rates=above, InputUsdPerMtok=2.5, OutputUsdPerMtok=10, CacheReadUsdPerMtok=1)
    _price(
        client, "openai/gpt-4o-mini", since,
        InputUsdPerMtok=1, OutputUsdPerMtok=2, InputAudioUsdPerMtok=7, OutputAudioUsdPerMtok=8, ReasoningUsdPerMtok=3,
        CacheWriteUsdPerMtok=2, CacheWrite1hUsdPerMtok=4, RequestUsd=0.001,
    )  # fmt: skip
    _price(client, "local/llama", since, InputUsdPerMtok=0, OutputUsdPerMtok=0, SecondUsd=0.01)


@pytest.mark.parametrize(("seed", "hours"), [(1, 50.0), (2, 4.0)])
def test_one_answer_of_rollups_and_of_rows(client: Client, end: datetime, seed: int, hours: float) -> None:
    """Spans that come late or twice, are settled or deleted: after each fold counts and sums are those of rows."""
    chance, traffic = random.Random(seed), Traffic(client, seed, end)
    _prices(client)
    rows = traffic.add(400, hours)
    for step in chance.sample(("late", "twice", "deleted"), 3):
        _fold(client)
        _require_one_answer(client, _window(end, hours))
        if step == "late":
            rows = traffic.add(20, 1, before=timedelta(hours=chance.uniform(1, hours - 1)))
        elif step == "twice":
            traffic.again({table: of_table[:15] for table, of_table in rows.items()})
            _fold(client)
            settle.settle(client, datetime(2020, 1, 1, tzinfo=UTC), quiet=timedelta(0))
        else:
            client.command(f"DELETE FROM stages WHERE cityHash64(SpanId, TraceId) % 7 = {chance.randrange(7)}")
    assert _fold(client) > 0
    of_all = {"ingest_over_time", "labels", "used_over_time"}
    for narrowed in _NARROWED[seed]:
        window = _window(end, hours, **narrowed)
        rolled = is_rolled(client, window)
        _require_one_answer(client, window, rolled)
        of_rows = (of_all if narrowed else set()) | ({"spend_by tenant"} if "route" in narrowed else set())
        assert rolled == set(QUESTIONS) - of_rows
    both = is_rolled(client, _window(end, hours, tenant="acme", model="gpt-4o"))
    assert both == {"spend_over_time", "spend_by model", "spend_by tenant", "embedding_spend"}


def test_a_fold_without_news_makes_nothing(client: Client, end: datetime) -> None:
    """And one late span makes its minute and its hour anew, and nothing else but what is over since."""
    traffic = Traffic(client, 5, end)
    traffic.add(50, _HOURS)
    list(fold.fold(client, _KEEP))
    before = client.query_rows("SELECT Start, max(Version) AS v FROM rollup_periods WHERE Period = 60 GROUP BY Start")
    traffic.add(1, 0.01, before=timedelta(hours=2))
    list(fold.fold(client, _KEEP))
    after = client.query_rows("SELECT Start, max(Version) AS v FROM rollup_periods WHERE Period = 60 GROUP BY Start")
    versions = {row["Start"]: row["v"] for row in before}
    anew = [row["Start"] for row in after if row["Start"] in versions and row["v"] != versions[row["Start"]]]
    assert 1 <= len(anew) <= 2  # its call or stage may have begun in the next minute
    _require_one_answer(client, _window(end))


_TOLD = ("overview", "stage_summary", "retrieval_over_time", "traces by total")
"""Questions whose answer by route or by model depends on other rows of the traces."""


def test_what_other_rows_of_a_trace_tell_counts_when_it_comes(client: Client, end: datetime) -> None:
    """Roots stored last, calls of a second model, and calls that go, in other minutes and on both sides of a midnight.

    Both days are over, so that one of them is looked at only for what the other one has.
    """
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    traffic, window = Traffic(client, 47, midnight + timedelta(hours=2)), _window(midnight + timedelta(hours=2))
    narrowed = {
        replace(window, route="/v1/chat"): (*_TOLD, "spend_by model", "embedding_spend"),
        replace(window, model="gpt-4o"): _TOLD,
    }

    def require_news() -> None:
        assert _fold(client) > 1, "nothing but the minute that is over since"
        for each, names in narrowed.items():
            assert set(names) <= is_rolled(client, each)
            _require_one_answer(client, each, names)

    rows, near = traffic.make(60, 4), traffic.make(20, 0.2, before=timedelta(hours=2))  # near: just before midnight
    rows = {table: of_table + near[table] for table, of_table in rows.items()}
    for table, minutes in (("stages", 3), ("retrievals", 14), ("llm_calls", 9), ("embeddings", 20)):
        rows[table] = [[row[0] + timedelta(minutes=minutes), *row[1:]] for row in rows[table]]
    requests = rows.pop("requests")
    traffic.insert(rows)
    _fold(client)
    traffic.insert({"requests": requests})
    require_news()
    midnight_s = int(midnight.timestamp())
    late = [traffic.call(request, "openai", "gpt-4o", timedelta(minutes=16)) for request in requests[-20:]]
    traffic.insert({"llm_calls": late})  # in the second day, of requests of the first one
    require_news()
    client.command("DELETE FROM llm_calls WHERE SpanId = 'late' AND cityHash64(TraceId) % 2 = 0")
    client.command(f"DELETE FROM requests WHERE Timestamp < {midnight_s} AND cityHash64(TraceId) % 3 = 0")
    require_news()
    assert _fold(client) <= 1


def test_a_score_counts_for_its_request(client: Client, end: datetime) -> None:
    """Given after days, twice, or before its request came; each day of requests is looked at once for it."""
    traffic = Traffic(client, 37, end)
    rows = traffic.add(100, 26)
    late = rows["requests"][:20]
    window = _window(end, 26)
    _fold(client)
    traffic.score(late)
    assert _fold(client) > 0
    _require_one_answer(client, window, ("score_summary", "score_list"))
    assert _fold(client) <= 1  # a minute that is over since
    client.command("DELETE FROM requests WHERE cityHash64(TraceId) % 9 = 0")
    _fold(client)
    _require_one_answer(client, window, ("score_summary", "score_list"))
    traffic.score(late)
    stops = _Stops(client, 5, is_done=False)
    with pytest.raises(StoreUnavailable):
        list(fold.fold(stops, _KEEP))
    stops.close()
    _fold(client)
    _require_one_answer(client, window, ("overview", "scores_over_time", "score_summary", "score_list"))


def test_raw_spans_that_are_gone_change_nothing(client: Client, end: datetime) -> None:
    """Retention drops them before typed rows: what was made of them stays, until other news make the day anew."""
    traffic = Traffic(client, 41, end)
    rows = traffic.add(100, 30)
    _fold(client)
    window = _window(end, 30)
    before = queries.ingest_over_time(client, window, bucket_s=3600)
    day = (end - timedelta(days=1, minutes=3)).date()  # it is over
    client.command(f"ALTER TABLE otel_traces DROP PARTITION '{day}'")
    assert _fold(client) <= 1
    whole = [row for row in before if datetime.fromtimestamp(row["bucket"], UTC).date() == day][1:]
    after = queries.ingest_over_time(client, window, bucket_s=3600)
    assert whole
    assert [row for row in after if row["bucket"] in {row["bucket"] for row in whole}] == whole
    traffic.score([request for request in rows["requests"] if request[0].date() == day])
    assert _fold(client) > 0
    _require_one_answer(client, window, ("overview", "score_summary"))


@pytest.mark.parametrize("hours", [50.0, 3.0])
def test_data_begins_where_rows_do(client: Client, end: datetime, hours: float) -> None:
    """Also where rollups know of an hour whose rows are gone."""
    Traffic(client, 43, end).add(60, hours)
    _fold(client)
    for asked in (hours, hours + 30, hours - 1):
        window = _window(end, asked)
        assert queries.data_since(client, window) == queries.data_since(RowsAlone(client), window)
    for table in ("requests", "llm_calls", "retrievals", "embeddings"):
        client.command(f"DELETE FROM {table} WHERE Timestamp < now64() - INTERVAL 2 HOUR")
    window = _window(end, hours + 30)
    assert queries.data_since(client, window) == queries.data_since(RowsAlone(client), window)


def test_what_is_not_exact_is_near(client: Client, end: datetime) -> None:
    """Percentiles, by their ranks among the rows, and of how many traces the calls are."""
    Traffic(client, 7, end).add(2000, _HOURS)
    _fold(client)
    _require_percentiles(client, _window(end))
    _require_traces(client, end)


def _require_percentiles(client: Client, window: Filters) -> None:
    """They are within the rank error."""
    (rows,) = client.query_rows(
        "SELECT groupArray(DurationMs) AS total, groupArrayIf(TtftMs, TtftDefinition = 'delivered') AS ttft "
        "FROM requests"
    )
    told = queries.overview(client, window)
    for value, name, level in (
        (told.total_p50_ms, "total", 0.5), (told.total_p95_ms, "total", 0.95),
        (told.ttft_p50_ms, "ttft", 0.5), (told.ttft_p95_ms, "ttft", 0.95),
    ):  # fmt: skip
        assert value is not None
        assert rank_error(value, rows[name], level) <= plan.RANK_ERROR
    by_stage = {
        row["stage"]: row["each"]
        for row in client.query_rows(
            "SELECT toString(Stage) AS stage, groupArray(DurationMs) AS each FROM stages GROUP BY Stage"
        )
    }
    for row in queries.stage_summary(client, window):
        for level in (50, 95, 99):
            assert rank_error(row[f"p{level}_ms"], by_stage[row["stage"]], level / 100) <= plan.RANK_ERROR
    names = ("collection", "operation", "index_version")
    searches = client.query_rows(
        "SELECT Collection AS collection, Operation AS operation, IndexVersion AS index_version, "
        "groupArray(DurationMs) AS ms, groupArray(TopScore) AS scores FROM retrievals GROUP BY ALL"
    )
    by_index = {tuple(row[name] for name in names): row for row in searches}
    for row in queries.retrieval_by_index(client, window):
        of_rows = by_index[tuple(row[name] for name in names)]
        assert rank_error(row["p50_ms"], of_rows["ms"], 0.5) <= plan.RANK_ERROR
        assert rank_error(row["p95_ms"], of_rows["ms"], 0.95) <= plan.RANK_ERROR
        assert rank_error(row["top_score_p50"], of_rows["scores"], 0.5) <= plan.RANK_ERROR


def _require_traces(client: Client, end: datetime) -> None:
    """Of traces whose calls lie in two minutes, hours or days one may count twice, and no other."""
    by_names: dict[SpendBy, str] = {"tenant": "toString(Tenant)", "model": "toString(RequestModel)"}
    asked: list[dict[str, Any]] = [{}, {"tenant": "acme"}, {"model": "gpt-4o"}]
    for narrowed, (by, name) in itertools.product(asked, by_names.items()):
        wanted = client.query_rows(
            f"SELECT {name} AS name, uniqExact(TraceId) AS traces, uniqExact(TraceId, toStartOfMinute(Timestamp)) AS n "
            "FROM llm_calls "
            "WHERE {tenant:String} IN ('', Tenant) AND {model:String} IN ('', RequestModel) GROUP BY name",
            {"tenant": "", "model": "", **narrowed},
        )
        window = _window(end, **narrowed)
        told = {row["name"]: row["requests"] for row in queries.spend_by(client, window, by)}
        assert told.keys() == {row["name"] for row in wanted}
        assert all(row["traces"] <= told[row["name"]] <= row["n"] for row in wanted)
        assert {"spend_by model", "spend_by tenant"} <= is_rolled(client, window)


def test_a_price_that_changes_prices_history_anew(client: Client, end: datetime) -> None:
    """In the middle of the window, by the time of day and above a number of tokens; an odd step reads rows."""
    Traffic(client, 9, end).add(400, _HOURS)
    _prices(client)
    _fold(client)
    window = _window(end)
    _require_one_answer(client, window)
    middle = (end - timedelta(hours=2)).replace(minute=17, second=0)
    _price(client, "openai/gpt-4o", middle, InputUsdPerMtok=100, OutputUsdPerMtok=200)
    _price(
        client, "local/llama", datetime(2020, 1, 1, tzinfo=UTC), InputUsdPerMtok=5, OutputUsdPerMtok=6,
        rates="[(-1, 59400, 1800, 1., NULL, NULL, NULL, NULL, 2., NULL, NULL, NULL)]",
    )  # fmt: skip
    _require_one_answer(client, window)
    assert "spend_over_time" in is_rolled(client, window)
    odd = "[(1234, 0, 86400, 9., NULL, NULL, NULL, NULL, 12., NULL, NULL, NULL)]"
    _price(client, "openai/gpt-4o", datetime(2020, 1, 1, tzinfo=UTC), rates=odd, InputUsdPerMtok=1, OutputUsdPerMtok=2)
    _require_one_answer(client, window)
    assert "spend_over_time" not in is_rolled(client, window)


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


@pytest.mark.parametrize("is_done", [False, True])
def test_a_fold_that_stops_anywhere_leaves_one_answer(client: Client, end: datetime, is_done: bool) -> None:
    """Before or behind each of its statements: what is read then is right, and the next fold completes it."""
    traffic = Traffic(client, 11, end)
    traffic.add(60, _HOURS)
    _fold(client)
    traffic.add(10, 1, before=timedelta(hours=2))
    for at in range(100):
        stops = _Stops(client, at, is_done=is_done)
        try:
            list(fold.fold(stops, _KEEP))
        except StoreUnavailable:
            pass
        else:
            break
        finally:
            stops.close()
        # What came late is in no rollup before the fold is over, and no rollup counts in part.
        counted = sum(row["requests"] for row in queries.latency_over_time(client, _window(end), bucket_s=1800))
        assert 60 <= counted <= 70
        if at % 3 == 0:  # a little news between, so that there is something to do
            client.command("DELETE FROM stages WHERE SpanId = 's0' AND TraceId = (SELECT min(TraceId) FROM stages)")
    else:
        pytest.fail("the fold did not end")
    _fold(client)
    _require_one_answer(client, _window(end))


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
    traffic.add(60, _HOURS)

    def meanwhile() -> None:
        traffic.add(30, _HOURS - 1, before=timedelta(minutes=30))
        _fold(client)

    first = _Meets(client, words, meanwhile)
    list(fold.fold(first, _KEEP))
    first.close()
    _require_one_answer(client, _window(end))
    _fold(client)
    _require_one_answer(client, _window(end))


def test_rollups_stay_when_their_rows_are_dropped(client: Client, end: datetime) -> None:
    """Retention drops whole days of a table: a fold leaves what was made of them."""
    Traffic(client, 17, end).add(200, 30)
    _fold(client)
    window = _window(end, 30)
    before = queries.latency_over_time(client, window, bucket_s=3600)
    day = (end - timedelta(days=1, minutes=3)).date()  # it is over
    client.command(f"ALTER TABLE requests DROP PARTITION '{day}'")
    _fold(client)
    _fold(client, anew=True)
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
    _fold(client)
    window = _window(end, 30)
    _make_older(client, 2, 7)
    of_all = {"ingest_over_time", "labels", "used_over_time"}
    assert is_rolled(client, _window(end, 30, tenant="acme")) == set(QUESTIONS) - of_all
    for narrowed in ({"tenant": "acme"}, {"model": "gpt-4o"}):
        _require_one_answer(client, _window(end, 30, **narrowed), ("overview",))
    spending = {name for name in QUESTIONS if name.startswith("spend")} | {"embedding_spend"}
    assert is_rolled(client, _window(end, 30, model="gpt-4o")) == spending
    _make_older(client, 0, 3)
    older = {"latency_over_time", "spend_over_time", "stage_summary", "filter_values"}
    assert is_rolled(client, window) == older
    _require_one_answer(client, window)
    day = (end - timedelta(days=1, minutes=3)).date()  # it is over
    client.command(f"ALTER TABLE requests DROP PARTITION '{day}'")
    _fold(client)
    rows = client.query_rows(
        "SELECT toDate(Start) AS day, argMax(RowsFormat, Version) AS format FROM rollup_periods GROUP BY Start, day"
    )
    assert {row["format"] for row in rows if row["day"] == day} == {0}
    assert {row["format"] for row in rows if row["day"] != day} == {FORMAT}


def test_a_dimension_of_too_many_values_reads_rows(
    client: Client, end: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tenants than a period keeps: questions of one tenant read rows, all others do not."""
    monkeypatch.setattr(fold, "MOST_ROWS", 3)
    traffic = Traffic(client, 19, end)
    requests = traffic.make(400, _HOURS)["requests"]
    traffic.insert({"requests": [[*row[:5], f"t-{number % 60}", *row[6:]] for number, row in enumerate(requests)]})
    _fold(client)
    _require_one_answer(client, _window(end, tenant="t-7"))
    assert plan.plan(client, _window(end, tenant="t-7"), [Reads.REQUESTS]) is None
    for window in (_window(end, route="/v1/chat"), _window(end, model="gpt-4o")):
        assert plan.plan(client, window, [Reads.REQUESTS]) is not None


def test_what_nobody_reads_is_removed_after_an_hour(
    client: Client, end: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of an interrupted fold and of periods that were made anew; the answer stays."""
    Traffic(client, 23, end).add(100, _HOURS)
    stops = _Stops(client, 3, is_done=False)
    with pytest.raises(StoreUnavailable):
        list(fold.fold(stops, _KEEP))
    stops.close()
    _fold(client)
    _fold(client, anew=True)
    monkeypatch.setattr(keeping, "COMMIT_WITHIN_S", -1)
    keeping.enforce(client, _KEEP)
    (row,) = client.query_rows("SELECT uniqExact(Version) AS n FROM rollup_requests WHERE Period = 86400")
    assert row["n"] <= 1
    (row,) = client.query_rows(
        "SELECT count() AS n FROM rollup_requests WHERE (Period, Start, Version) NOT IN "
        "(SELECT Period, Start, max(Version) FROM rollup_periods GROUP BY Period, Start)"
    )
    assert row["n"] == 0
    _require_one_answer(client, _window(end))
    keeping.drop(client)
    assert keeping.status(client) == []
    _require_one_answer(client, _window(end))
