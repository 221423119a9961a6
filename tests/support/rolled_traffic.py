"""Rows of typed tables for tests of rollups, and the questions asked of rollups and of rows side by side."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_store.client import Client
from sightline_store.questions import changes, flags, queries, request_lists
from sightline_store.questions.asking import Filters, Row
from sightline_store.questions.estimates import Estimate
from sightline_store.questions.queries import SpendBy
from sightline_store.rollups import fold, plan
from sightline_store.rollups.plan import Reads
from sightline_store.rollups.tables import Sets
from sightline_store.settings import RetentionSettings

TENANTS = ("", "acme", "globex", "initech")
ROUTES = ("/v1/chat", "/v1/search")
MODELS = (("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("local", "llama"), ("nobody", "unknown-model"))
STAGES = ("search", "model", "guard")
SCORES = ("groundedness", "faithfulness", "retrieval_hit_at_5", "drift.of_a_run")

_COLUMNS = {
    "requests": "Timestamp TraceId SpanId ServiceName Route Tenant StatusCode HttpStatus ErrorType DurationMs TtftMs "
    "TtftDefinition RequestRank StoredAt",
    "llm_calls": "Timestamp TraceId SpanId Tenant Provider RequestModel ResponseModel ServiceTier InputTokens "
    "OutputTokens CacheReadTokens CacheWriteTokens CacheWrite1hTokens ReasoningTokens InputAudioTokens "
    "OutputAudioTokens ToldCostUsd DurationMs StatusCode StoredAt",
    "stages": "Timestamp TraceId SpanId Tenant Stage DurationMs StatusCode Flagged StoredAt",
    "retrievals": "Timestamp TraceId SpanId Tenant System Collection Operation IndexVersion Returned TopScore "
    "DurationMs StatusCode StoredAt",
    "embeddings": "Timestamp TraceId SpanId Tenant Provider RequestModel ResponseModel InputTokens ToldCostUsd "
    "DurationMs StatusCode StoredAt",
    "scores": "Timestamp TraceId SpanId Name Value Explanation Judge JudgeVersion Note StoredAt",
    "otel_traces": "Timestamp TraceId SpanId ParentSpanId ServiceName ResourceAttributes",
}


class Traffic:
    """Traces made by chance, as rows of typed tables; the same seed makes the same ones."""

    def __init__(self, client: Client, seed: int, end: datetime) -> None:
        self._client, self._chance, self._end, self._traces = client, random.Random(seed), end, 0
        self._stored_us = 0

    def add(self, traces: int, hours: float, *, before: timedelta = timedelta(0)) -> dict[str, list[list[Any]]]:
        """Insert traces of the last hours before `end - before`; returns their rows by table."""
        rows = self.make(traces, hours, before=before)
        self.insert(rows)
        return rows

    def make(self, traces: int, hours: float, *, before: timedelta = timedelta(0)) -> dict[str, list[list[Any]]]:
        """The rows of such traces by table, which are nowhere yet."""
        rows: dict[str, list[list[Any]]] = {table: [] for table in _COLUMNS}
        self._stored_us += 1
        stored = datetime.now(UTC) + timedelta(microseconds=self._stored_us)
        for _ in range(traces):
            at = self._end - before - timedelta(seconds=self._chance.uniform(0, 3600 * hours))
            for table, row in self._trace(at):
                rows[table].append([*row, stored])
        return rows

    def insert(self, rows: dict[str, list[list[Any]]]) -> None:
        """Insert rows as they are."""
        for table, of_table in rows.items():
            columns = _COLUMNS[table].split()
            self._client.insert_rows(table, columns, [row[: len(columns)] for row in of_table])

    def call(self, request: list[Any], provider: str, model: str, after: timedelta) -> list[Any]:
        """A call of a model in the trace of a request, some time behind it."""
        told = self._call(True)[2:]
        at, trace, tenant, stored = request[0] + after, request[1], request[5], datetime.now(UTC)
        return [at, trace, "late", tenant, provider, model, *told, 1.0, "", stored]

    def again(self, rows: dict[str, list[list[Any]]]) -> None:
        """Insert the spans once more, as a second exporter does."""
        stored = datetime.now(UTC) + timedelta(seconds=1)
        self.insert({table: [[*row[:-1], stored] for row in of_table] for table, of_table in rows.items()})

    def score(self, requests: Iterable[list[Any]]) -> None:
        """Judge the answers to some requests now."""
        now = datetime.now(UTC)
        self.insert({"scores": [[*row, now] for request in requests for row in self._scores(request[1], now)]})

    def _scores(self, trace: str, at: datetime) -> list[list[Any]]:
        chance = self._chance
        return [
            [at, trace, "r", name, chance.choice((None, 0.0, 1.0, chance.random())), f"{chance.random():.3f}",
             chance.choice(("lexical", "ragas")), chance.choice(("", "2")), chance.choice(("", "a note"))]
            for name in chance.sample(SCORES, chance.randint(1, 3))
        ]  # fmt: skip

    def _trace(self, at: datetime) -> Sequence[tuple[str, list[Any]]]:
        chance, self._traces = self._chance, self._traces + 1
        trace, tenant, failed = f"{self._traces:032x}", chance.choice(TENANTS), chance.random() < 0.1
        ms = chance.lognormvariate(6, 0.7)
        definition = "" if failed else chance.choice(("delivered", "delivered", "first_chunk"))
        status = "Error" if failed else "Unset"
        made: list[tuple[str, list[Any]]] = [
            ("requests", [at, trace, "r", "api", chance.choice(ROUTES), tenant, status, 500 if failed else 200, "",
                          ms, ms / 3 if definition else None, definition, 5]),
        ]  # fmt: skip
        for number in range(chance.randint(0, 3)):
            call_at = at + timedelta(milliseconds=ms * number / 4)
            made.append(("llm_calls", [call_at, trace, f"c{number}", tenant, *self._call(failed), ms / 4, status]))
        for number, stage in enumerate(chance.sample(STAGES, chance.randint(1, 3))):
            stage_at = at + timedelta(milliseconds=number)
            row = [stage_at, trace, f"s{number}", tenant, stage, ms * chance.random(), status, chance.random() < 0.2]
            made.append(("stages", row))
        version = {"service.version": "1" if at < self._end - timedelta(hours=2) else "2"}
        made.append(("otel_traces", [at, trace, "r", "elsewhere", "api", version]))
        if chance.random() < 0.5:
            judged_at = at + timedelta(minutes=chance.choice((1, 1, 90)))
            made += [("scores", row) for row in self._scores(trace, judged_at)]
        if chance.random() < 0.5:
            provider, model = chance.choice(MODELS)
            told = 0.02 if provider == "nobody" else None
            tokens = chance.choice((None, 0, 700, 40_000))
            made.append(("embeddings", [at, trace, "e", tenant, provider, model, model, tokens, told, ms / 9, status]))
        for number in range(chance.randint(0, 2)):
            search_at = at + timedelta(milliseconds=ms * number)
            made.append(("retrievals", [search_at, trace, f"f{number}", tenant, *self._search(), ms / 9, status]))
        return made

    def _search(self) -> list[Any]:
        chance = self._chance
        returned = chance.choice((None, 0, 5, 5, 5))
        return [
            "weaviate", chance.choice(("Documents", "Tickets")), chance.choice(("hybrid", "bm25")),
            chance.choice(("", "2026-01")), returned, chance.random() if returned else None,
        ]  # fmt: skip

    def _call(self, failed: bool) -> list[Any]:
        chance = self._chance
        provider, model = chance.choice(MODELS)
        told = chance.choice((None, None, 0.01))
        if failed:
            return [provider, model, "", "", *[None] * 8, told]
        scale = chance.choice((1, 1, 1, 100))  # some above the step of 200,000
        tokens = chance.randint(0, 4000) * scale
        output = chance.choice((0, chance.randint(1, 900)))
        read, write = chance.randint(0, tokens // 2), chance.randint(0, tokens // 2)
        audio = chance.choice((None, tokens // 10))
        return [
            provider, model, model, chance.choice(("", "batch")), tokens, output, read, chance.choice((None, write)),
            chance.choice((None, write // 2)), chance.choice((None, output // 2)), audio,
            chance.choice((None, output // 3)), told,
        ]  # fmt: skip


Answer = Callable[[Client, Filters], Any]


def _by_names(rows: list[Row]) -> list[Row]:
    """Rows of a question in an order that does not depend on numbers which are equal."""
    names = ("name", "collection", "operation", "index_version")
    return sorted(rows, key=lambda row: [row.get(name, "") for name in names])


def _spent(by: SpendBy) -> Answer:
    """The question `spend_by`, by name, with its lists in order and without the traces, which are not exact."""
    return lambda client, filters: [
        {**row, "priced_as": sorted(row["priced_as"]), "requests": None}
        for row in _by_names(queries.spend_by(client, filters, by))
    ]


def _listed(**how: Any) -> Answer:
    """A page of the question `traces`, with the models of each in order."""
    return lambda client, filters: [
        {**row, "models": sorted(row["models"])} for row in request_lists.traces(client, filters, **how)
    ]


def _scored(rows: list[Row]) -> list[Row]:
    """Rows of scores with their lists in order, and without the estimate, which is computed of the others."""
    lists = ("judges", "notes")
    return [
        {key: sorted(value) if key in lists else value for key, value in row.items() if key != "estimate"}
        for row in rows
    ]


_SORTS: tuple[request_lists.Sort, ...] = ("time", "ttft", "total")


def _used(client: Client, filters: Filters) -> list[Row]:
    """What was in use; how often a service's version is read depends on the periods."""
    rows = changes.used_over_time(client, filters.start, filters.end, bucket_s=3600)
    return [{**row, "uses": 0, "first_ms": 0} if row["kind"] == "service" else row for row in rows]


def _pages(client: Client, filters: Filters) -> list[Row]:
    """Pages of requests in every order, with how many there are on all pages."""
    return [
        row
        for sort in _SORTS
        for descending in (True, False)
        for only_errors in (False, True)
        for row in request_lists.found_requests(
            client, filters, sort=sort, descending=descending, only_errors=only_errors, limit=5, offset=2
        )
    ]


def _overview(client: Client, filters: Filters) -> Any:
    """The question `overview`, with the means of its estimates."""
    return {
        name: (value.n, round(value.mean or 0, 12)) if isinstance(value, Estimate) else value
        for name, value in vars(queries.overview(client, filters)).items()
    }


QUESTIONS: dict[str, tuple[Answer, frozenset[Reads]]] = {
    "overview": (_overview, frozenset({Reads.REQUESTS, Reads.CALLS, Reads.SCORES})),
    "latency_over_time": (lambda c, f: queries.latency_over_time(c, f, bucket_s=1800), frozenset({Reads.REQUESTS})),
    "spend_over_time": (lambda c, f: queries.spend_over_time(c, f, bucket_s=7200), frozenset({Reads.CALLS})),
    "stage_summary": (
        lambda c, f: sorted(queries.stage_summary(c, f), key=lambda r: r["stage"]),
        frozenset({Reads.STAGES}),
    ),
    "stage_stack": (queries.stage_stack, frozenset({Reads.REQUESTS})),
    "flagged_traces": (flags.flagged_traces, frozenset({Reads.STAGES})),
    "retrieval_over_time": (
        lambda c, f: queries.retrieval_over_time(c, f, bucket_s=1800),
        frozenset({Reads.RETRIEVALS}),
    ),
    "retrieval_by_index": (
        lambda c, f: _by_names(queries.retrieval_by_index(c, f)),
        frozenset({Reads.RETRIEVALS}),
    ),
    "spend_by model": (_spent("model"), frozenset({Reads.CALLERS})),
    "spend_by tenant": (_spent("tenant"), frozenset({Reads.CALLERS})),
    "traces by score": (_listed(sort="faithfulness", descending=False, limit=10), frozenset({Reads.SCORES})),
    "filter_values": (queries.filter_values, frozenset({Reads.REQUESTS, Reads.CALLS})),
    "scores_over_time": (
        lambda c, f: _scored(queries.scores_over_time(c, f, bucket_s=1800)),
        frozenset({Reads.SCORES}),
    ),
    "score_summary": (lambda c, f: _scored(queries.score_summary(c, f)), frozenset({Reads.SCORES})),
    "score_list": (lambda c, f: queries.score_list(c, f, "faithfulness", limit=10), frozenset({Reads.SCORES})),
    "embedding_spend": (
        lambda c, f: queries.embedding_spend(c, f, bucket_s=7200),
        frozenset({Reads.EMBEDDINGS}),
    ),
    "ingest_over_time": (lambda c, f: queries.ingest_over_time(c, f, bucket_s=1800), frozenset({Reads.SPANS})),
    "collected": (queries.collected, frozenset({Reads.SPANS})),
    "labels": (queries.labels, frozenset({Reads.LABELS, Reads.RETRIEVALS})),
    "used_over_time": (_used, frozenset({Reads.USES})),
    "found_requests": (_pages, frozenset({Reads.REQUESTS})),
}


class RowsAlone:
    """A client of a store without rollups."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def query_rows(self, sql: str, params: Any = None) -> list[Row]:
        """Ask; there is no rollup of any window."""
        if "FROM rollup_periods" in sql:
            return []
        return self._client.query_rows(sql, params)


FEW = ("overview", "stage_summary", "retrieval_over_time", "spend_by tenant")
"""Questions that read each table."""


def answers(client: Any, filters: Filters, names: Iterable[str] = FEW) -> dict[str, Any]:
    """What some questions answer."""
    return {name: QUESTIONS[name][0](client, filters) for name in names}


def is_rolled(client: Client, filters: Filters) -> set[str]:
    """The questions that are answered from rollups."""
    buckets = {
        "latency_over_time": 1800, "spend_over_time": 7200, "retrieval_over_time": 1800, "scores_over_time": 1800,
        "embedding_spend": 7200, "ingest_over_time": 1800, "used_over_time": 3600,
        "flagged_traces": 3600,
    }  # fmt: skip
    rows_by = {"spend_by tenant": Sets.TENANT}
    return {
        name
        for name, (_, reads) in QUESTIONS.items()
        if plan.plan(client, filters, reads, bucket_s=buckets.get(name, 0), rows_by=rows_by.get(name))
    }


def differences(of_rollups: Any, of_rows: Any, place: str = "") -> list[str]:
    """Where two answers differ: sums of money by more than rounding, anything else at all; percentiles are left out."""
    if isinstance(of_rows, dict):
        if of_rollups.keys() != of_rows.keys():
            return [f"{place}: {of_rollups.keys() ^ of_rows.keys()}"]
        return [
            text
            for key, value in of_rows.items()
            if not _is_percentile(key)
            for text in differences(of_rollups[key], value, f"{place}.{key}")
        ]
    if isinstance(of_rows, list):
        if len(of_rollups) != len(of_rows):
            return [f"{place}: {len(of_rollups)} and {len(of_rows)} rows"]
        pairs = zip(of_rollups, of_rows, strict=True)
        return [text for number, (a, b) in enumerate(pairs) for text in differences(a, b, f"{place}[{number}]")]
    if isinstance(of_rows, float) and isinstance(of_rollups, float):
        return [] if abs(of_rollups - of_rows) <= 1e-9 * abs(of_rows) else [f"{place}: {of_rollups} and {of_rows}"]
    return [] if of_rollups == of_rows else [f"{place}: {of_rollups} and {of_rows}"]


def rank_error(value: float, values: Sequence[float], level: float) -> float:
    """By how much the rank of a percentile is off, beyond the one value that exact methods choose differently."""
    below, up_to = (sum(test) / len(values) for test in ([v < value for v in values], [v <= value for v in values]))
    return max(0.0, below - level, level - up_to) - 1 / len(values)


def _is_percentile(name: Any) -> bool:
    return re.search(r"(^|_)p\d\d(_ms)?$", str(name)) is not None


KEEP = RetentionSettings()
HOURS = 4.0
"""Hours of traffic, where a test does not say how many."""


def fold_all(client: Client, **more: Any) -> int:
    """Make what is missing; how many minutes were made."""
    return sum(made.minutes for made in fold.fold(client, KEEP, **more))


def window_of(end: datetime, hours: float = HOURS, **narrowed: str) -> Filters:
    """The last hours of traffic that ends at a moment."""
    return Filters(start=end - timedelta(hours=hours), end=end + timedelta(seconds=1), **narrowed)


def require_one_answer(client: Client, filters: Filters, names: Iterable[str] = FEW) -> None:
    """Some questions are answered alike from rollups and from rows."""
    found = differences(answers(client, filters, names), answers(RowsAlone(client), filters, names))
    assert not found, found[:5]


def enter_price(client: Client, key: str, since: datetime, *, rates: str = "[]", **prices: float) -> None:
    """Enter what a model costs from a moment on, by the columns of model_prices."""
    columns, values = ", ".join(prices), ", ".join(map(str, prices.values()))
    client.command(
        f"INSERT INTO model_prices (PriceKey, ValidFrom, Rates, {columns}) "
        f"SELECT '{key}', toDateTime({int(since.timestamp())}, 'UTC'), {rates}, {values}"
    )


def enter_prices(client: Client) -> None:
    """Enter a price of every kind."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    above = "[(200000, 0, 86400, 9., 1., 2., 3., NULL, 12., NULL, NULL, NULL)]"
    enter_price(
        client, "openai/gpt-4o", since, rates=above, InputUsdPerMtok=2.5, OutputUsdPerMtok=10, CacheReadUsdPerMtok=1
    )
    enter_price(
        client, "openai/gpt-4o-mini", since,
        InputUsdPerMtok=1, OutputUsdPerMtok=2, InputAudioUsdPerMtok=7, OutputAudioUsdPerMtok=8, ReasoningUsdPerMtok=3,
        CacheWriteUsdPerMtok=2, CacheWrite1hUsdPerMtok=4, RequestUsd=0.001,
    )  # fmt: skip
    enter_price(client, "local/llama", since, InputUsdPerMtok=0, OutputUsdPerMtok=0, SecondUsd=0.01)
