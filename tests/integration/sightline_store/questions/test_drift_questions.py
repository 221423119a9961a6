"""The questions that compare two windows, asked of a real store."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_store.client import Client
from sightline_store.questions import drift, queries
from sightline_store.questions.queries import Filters

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOWS = drift.Windows(
    reference_from=END - timedelta(hours=4),
    reference_to=END - timedelta(hours=2),
    current_from=END - timedelta(hours=1),
    current_to=END,
)
THEN, NOW = END - timedelta(hours=3), END - timedelta(minutes=30)
VERSION = "cs1:sightline:32:384"
FIELDS: dict[str, Any] = {
    "collection": "Docs",
    "operation": "hybrid",
    "embedding": "m",
    "embedding_version": "1",
    "sketch_version": VERSION,
}
DOCS = drift.Comparison(**FIELDS)
REFUSALS = r"^\W*i don.t know"
HOSTILE = "'); DROP TABLE retrievals; -- {tenant:String} \\' \x00 ☃"


def _sketch(first: float, rng: random.Random, size: int = 32) -> str:
    numbers = [first + rng.gauss(0, 1), *(rng.gauss(0, 1) for _ in range(size - 1))]
    length = sum(number * number for number in numbers) ** 0.5
    return base64.b64encode(bytes(round(number * 127 / length) & 255 for number in numbers)).decode()


class Store:
    """A store and short ways to fill it; each row has an id of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._next = 0

    def trace(self) -> str:
        """A new trace id."""
        self._next += 1
        return f"{self._next * 0x9E3779B97F4A7C15 % 2**64:016x}{self._next:016x}"

    def put(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows."""
        payload = "\n".join(json.dumps(row) for row in rows).encode()
        self.client.insert_raw(table, payload, "JSONEachRow", {"date_time_input_format": "best_effort"})

    def search(self, moment: datetime, **others: Any) -> dict[str, Any]:
        """A row of `retrievals`."""
        return {
            "Timestamp": moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "TraceId": self.trace(),
            "SpanId": "b",
            "Collection": "Docs",
            "Operation": "hybrid",
            "Embedding": "m",
            "EmbeddingVersion": "1",
            "IndexVersion": "v1",
            "QuerySketchVersion": VERSION,
            **others,
        }


@pytest.fixture
def store(emptied: Callable[..., Client]) -> Store:
    """An empty store."""
    return Store(emptied())


def _plan(*comparisons: drift.Comparison, **others: Any) -> drift.Plan:
    return drift.Plan(windows=WINDOWS, comparisons=comparisons or (DOCS,), **others)


def test_an_empty_store_answers_every_question(store: Store) -> None:
    """No rows, or one of zeros; nothing raises."""
    client, plan = store.client, _plan()
    assert drift.size(client, WINDOWS)["current_searches"] == 0
    assert drift.keys(client, WINDOWS) == []
    for question in (drift.searches, drift.query_sketches, drift.documents, drift.moved_documents):
        assert question(client, plan) == []
    assert drift.answers(client, WINDOWS, refusals=REFUSALS) == []
    assert drift.evaluations(client, WINDOWS) == []
    assert drift.canaries(client, WINDOWS) == []
    assert drift.ingestion(client, WINDOWS) == []
    assert drift.changes(client, WINDOWS) == []
    assert drift.texts(client, [], END, END) == {}
    assert drift.texts(client, ["ab"], THEN, END) == {}
    assert drift.results(client, THEN, END) == []
    assert drift.pin(client, "x") is None
    assert drift.canary_searches(client, "r", THEN) == 0


def test_distributions_are_those_of_the_values(store: Store) -> None:
    """Means, spread, Kolmogorov-Smirnov and Wasserstein by hand; failed and infinite scores are in none."""
    before, after = [0.1, 0.2, 0.2, 0.4], [0.2, 0.4, 0.6]
    rows = [store.search(THEN, TopScore=x) for x in before] + [store.search(NOW, TopScore=x) for x in after]
    rows += [store.search(NOW, TopScore=9.0, StatusCode="Error"), store.search(NOW, IsEmpty=True)]
    store.put("retrievals", rows)
    store.client.command(
        "INSERT INTO retrievals SELECT * REPLACE (nan AS TopScore) FROM retrievals WHERE TopScore = 0.6"
    )
    found = {row["signal"]: row for row in drift.searches(store.client, _plan())}
    top = found["top_score"]
    assert (top["reference_n"], top["current_n"]) == (4, 3)
    assert top["reference_mean"] == pytest.approx(0.225)
    assert top["current_mean"] == pytest.approx(0.4)
    assert top["reference_sd"] == pytest.approx(0.10897, abs=1e-4)
    assert top["ks"] == pytest.approx(0.75 - 1 / 3)
    # Between 0.1 and 0.2 a quarter is ahead, between 0.2 and 0.4 five twelfths, then a third.
    assert top["wasserstein"] == pytest.approx(0.1 * 0.25 + 0.2 * 5 / 12 + 0.2 / 3)
    assert not top["is_share"]
    assert found["empty"]["is_share"]
    assert found["failed"]["current_mean"] == pytest.approx(1 / found["failed"]["current_n"])
    assert "stale" not in found


def test_comparisons_keep_collections_tenants_versions_and_windows_apart(store: Store) -> None:
    """Each row counts where it belongs, and nothing between the windows counts."""
    for moment, count in ((THEN, 3), (NOW, 2), (END - timedelta(minutes=90), 7), (END, 5)):
        store.put("retrievals", [store.search(moment, TopScore=0.5, Tenant="acme") for _ in range(count)])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, IndexVersion="v2", Tenant="it's \\ me")])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, Collection="Docs_v2", IndexVersion="v2")])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, Collection="Other")])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, EmbeddingVersion="2")])
    plan = _plan(
        DOCS,
        drift.Comparison(**FIELDS, tenant="acme"),
        drift.Comparison(**FIELDS, tenant="it's \\ me"),
        drift.Comparison(**FIELDS, current_index="v2"),
        drift.Comparison(**FIELDS, current_index="v1", reference_index="v1"),
        drift.Comparison(**{**FIELDS, "collection": "Other"}),
    )
    rows = drift.searches(store.client, plan)
    sizes = {row["comparison"]: (row["reference_n"], row["current_n"]) for row in rows if row["signal"] == "top_score"}
    assert sizes == {1: (3, 4), 2: (3, 2), 3: (0, 1), 4: (3, 2), 5: (3, 2), 6: (0, 1)}


def _embedded(search: dict[str, Any], version: str) -> dict[str, Any]:
    """A row of `embeddings` in the trace of a search."""
    return {**{name: search[name] for name in ("Timestamp", "TraceId")}, "Embedding": "m", "EmbeddingVersion": version}


def test_keys_tell_windows_versions_and_queries_embedded_unlike_their_index(store: Store) -> None:
    """The name of a collection goes without the version of its index."""
    right, wrong = store.search(NOW, Collection="Docs_v1"), store.search(NOW)
    store.put("retrievals", [store.search(THEN), right, wrong])
    store.put("embeddings", [_embedded(right, "1"), _embedded(wrong, "2")])
    found = {bool(row["is_current"]): row for row in drift.keys(store.client, WINDOWS)}
    assert found[True]["collection"] == "Docs"
    assert (found[True]["searches"], found[True]["unlike"], found[True]["unlike_embedding"]) == (2, 1, "m 2")
    assert (found[False]["searches"], found[False]["unlike"]) == (1, 0)


def test_a_trace_that_embeds_by_two_models_is_unlike_neither_of_their_indexes(store: Store) -> None:
    """Two collections with models of their own are searched in one request."""
    one = store.search(NOW)
    other = {**one, "SpanId": "c", "Collection": "Other", "Embedding": "n"}
    store.put("retrievals", [one, other])
    store.put("embeddings", [{**_embedded(one, "1"), "SpanId": name, "Embedding": name} for name in ("m", "n")])
    found = {row["collection"]: row["unlike"] for row in drift.keys(store.client, WINDOWS)}
    assert found == {"Docs": 0, "Other": 0}


def test_canaries_and_later_turns_of_a_session_are_no_traffic(store: Store) -> None:
    """A session counts once in each window; whoever has no session counts with every search."""
    rows = [store.search(moment, TopScore=0.5, Tenant="a") for moment in (THEN, NOW) for _ in range(6)]
    store.put("retrievals", rows)
    requests = [
        {"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "Tenant": "a", "SessionId": "s" if i % 6 < 4 else ""}
        for i, row in enumerate(rows)
    ]
    store.put("requests", requests)
    marked = {"Timestamp": rows[-1]["Timestamp"], "TraceId": rows[-1]["TraceId"], "Name": "drift.canary", "Value": 1}
    store.put("scores", [marked])
    (top,) = (row for row in drift.searches(store.client, _plan()) if row["signal"] == "top_score")
    assert (top["reference_n"], top["current_n"]) == (3, 2)


def test_classifier_sees_a_shift_and_none_where_there_is_none(store: Store) -> None:
    """Sketches of another version, damaged and empty ones are in no window."""
    rng = random.Random(4)
    for tenant, shift in (("same", 0.0), ("moved", 1.5)):
        store.put("retrievals", [store.search(THEN, QuerySketch=_sketch(0, rng), Tenant=tenant) for _ in range(300)])
        store.put("retrievals", [store.search(NOW, QuerySketch=_sketch(shift, rng), Tenant=tenant) for _ in range(300)])
    damaged = ["", "!!!", "AAAA", _sketch(0, rng)[:-4], _sketch(0, rng, 64)]
    store.put("retrievals", [store.search(NOW, QuerySketch=text, Tenant="moved") for text in damaged])
    other = {"QuerySketchVersion": "cs1:sightline:64:384", "Tenant": "moved"}
    store.put("retrievals", [store.search(NOW, QuerySketch=_sketch(3, rng, 64), **other) for _ in range(50)])
    plan = _plan(drift.Comparison(**FIELDS, tenant="same"), drift.Comparison(**FIELDS, tenant="moved"))
    found = drift.query_sketches(store.client, plan)
    assert [(row["comparison"], row["half"]) for row in found] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert all(abs(row["auc"] - 0.5) < 0.12 for row in found[:2])
    assert all(row["auc"] > 0.75 for row in found[2:])
    assert all(row["centroid_shift"] > 0.15 for row in found[2:])
    assert sum(row["current_n"] for row in found[2:]) == 300


def test_documents_that_vanish_are_beyond_what_chance_moves(store: Store) -> None:
    """A tenth of the documents gone from one window; the same documents in the other tenant's."""
    rng = random.Random(5)
    for tenant, gone in (("same", 0), ("cut", 20)):
        for moment, first in ((THEN, 0), (NOW, gone)):
            rows = [
                store.search(moment, Tenant=tenant, DocumentIds=[f"d{rng.randrange(first, 200)}" for _ in range(5)])
                for _ in range(400)
            ]
            store.put("retrievals", rows)
    store.put(
        "retrievals",
        [store.search(NOW, Tenant="cut", DocumentIds=[]), store.search(NOW, Tenant="cut", DocumentIds=[""])],
    )
    plan = _plan(drift.Comparison(**FIELDS, tenant="same"), drift.Comparison(**FIELDS, tenant="cut"))
    same, cut = drift.documents(store.client, plan)
    assert len(cut["chi_square"]) == len(cut["moved"]) == 129
    assert (same["reference_n"], same["current_n"]) == (400, 400)
    assert cut["chi_square"][0] > max(cut["chi_square"][1:])
    assert min(same["chi_square"][1:]) < same["chi_square"][0] < max(same["chi_square"][1:]) * 1.2
    assert cut["only_reference"] == 20
    moved = drift.moved_documents(store.client, _plan(drift.Comparison(**FIELDS, tenant="cut")), limit=5)
    assert len(moved) == 5
    assert all(row["current_share"] != row["reference_share"] for row in moved)


def test_topics_divide_the_searches_of_their_sketch_version(store: Store) -> None:
    """The nearest centre decides; what has no sketch, or one of another version, is of no topic."""
    near, far = (base64.b64encode(bytes([first, *[0] * 31])).decode() for first in (127, 129))
    rows = [
        store.search(moment, TopScore=0.5, QuerySketch=text) for moment in (THEN, NOW) for text in (near, near, far)
    ]
    rows += [
        store.search(NOW, TopScore=0.5),
        store.search(NOW, TopScore=0.5, QuerySketch=near, QuerySketchVersion="cs1:x:32:384"),
    ]
    store.put("retrievals", rows)
    centres = drift.Topics(version=VERSION, centres=[[1.0, *[0.0] * 31], [-1.0, *[0.0] * 31]])
    plan = _plan(*(drift.Comparison(**FIELDS, topic=topic) for topic in (0, 1, 2)), topics=centres)
    rows = drift.searches(store.client, plan)
    sizes = {row["comparison"]: (row["reference_n"], row["current_n"]) for row in rows if row["signal"] == "top_score"}
    assert sizes == {1: (3, 5), 2: (2, 2), 3: (1, 1)}


def test_a_stride_reads_one_trace_in_so_many(store: Store) -> None:
    """The same traces in every question."""
    store.put("retrievals", [store.search(moment, TopScore=0.5) for moment in (THEN, NOW) for _ in range(300)])
    (top,) = (row for row in drift.searches(store.client, _plan(stride=3)) if row["signal"] == "top_score")
    assert 60 < top["reference_n"] < 140
    assert (
        sum(row["searches"] for row in drift.keys(store.client, WINDOWS, stride=3))
        == top["reference_n"] + top["current_n"]
    )


def test_of_a_session_one_of_the_traces_that_are_read_counts(store: Store) -> None:
    """Not the first of all of them, which a stride may leave out."""
    turns = [store.search(moment, TopScore=0.5) for moment in (THEN, NOW) for _ in range(30)]
    store.put("retrievals", turns)
    store.put(
        "requests", [{"SessionId": "one", **{key: row[key] for key in ("Timestamp", "TraceId")}} for row in turns]
    )
    (top,) = (row for row in drift.searches(store.client, _plan(stride=3)) if row["signal"] == "top_score")
    assert (top["reference_n"], top["current_n"]) == (1, 1)


def _call(store: Store, moment: datetime, system: str, answer: str, **attributes: str) -> dict[str, Any]:
    return {
        "Timestamp": moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "TraceId": store.trace(),
        "SpanId": "c" * 16,
        "ServiceName": "rag",
        "SpanName": "chat m",
        "SpanKind": "Client",
        "Duration": 10**9,
        "StatusCode": "Ok",
        "SpanAttributes": {
            "sightline.stage": "model",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.usage.output_tokens": str(len(answer)),
            "gen_ai.response.finish_reasons": '["stop"]',
            "gen_ai.input.messages": json.dumps(
                [{"role": "system", "content": system}, {"role": "user", "content": "x"}]
            ),
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
            ),
            **attributes,
        },
    }


def test_answers_are_read_by_model_and_prompt(store: Store) -> None:
    """Lengths, refusals, citations and ends; a text that was not captured is unknown, not empty."""
    rows = [_call(store, THEN, "old", "It does [1].") for _ in range(3)] + [_call(store, THEN, "old", "I don't know.")]
    rows += [_call(store, NOW, "new", HOSTILE), _call(store, NOW, "new", "Ünï [12]")]
    rows += [
        _call(
            store,
            NOW,
            "new",
            "",
            **{"gen_ai.output.messages": "not json", "gen_ai.response.finish_reasons": '["length"]'},
        )
    ]
    store.put("otel_traces", rows)
    found = {
        (tuple(row["comparison"]), row["signal"]): row
        for row in drift.answers(store.client, WINDOWS, refusals=REFUSALS)
    }
    whole = ("rag", "*", "*", "*")
    assert found[whole, "refusal"]["reference_mean"] == pytest.approx(0.25)
    assert found[whole, "citation"]["reference_mean"] == pytest.approx(0.75)
    length = found[whole, "answer_length"]
    assert (length["reference_n"], length["current_n"]) == (4, 2)
    assert length["current_mean"] == pytest.approx((len(HOSTILE) + 8) / 2)
    assert found[whole, "unusual_end"]["current_mean"] == pytest.approx(1 / 3)
    assert found[whole, "output_tokens"]["current_n"] == 3
    prompts = {key[2] for key, _ in found} - {"*", ""}
    assert len(prompts) == 2
    assert all(len(prompt) == 8 for prompt in prompts)
    assert ("rag", "m", "*", "*") in {key for key, _ in found}


def test_scores_are_compared_by_judge_and_model(store: Store) -> None:
    """The newest score of a judge counts; scores of drift itself and failed ones are in none."""
    requests = [
        {"Timestamp": moment.strftime("%Y-%m-%d %H:%M:%S.%f"), "TraceId": store.trace(), "ServiceName": "rag"}
        for moment in (THEN, THEN, NOW, NOW)
    ]
    store.put("requests", requests)

    def score(row: dict[str, Any], value: float | None, **others: Any) -> dict[str, Any]:
        return {"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "Name": "faithfulness", "Value": value,
                "Judge": "j", "JudgeVersion": "1", **others}  # fmt: skip

    late = (NOW + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S.%f")
    store.put(
        "scores", [score(requests[0], 0.5), score(requests[1], 1.0), score(requests[2], 0.1), score(requests[3], None)]
    )
    store.put("scores", [score(requests[2], 0.7, Timestamp=late), score(requests[2], 0.2, Judge="k")])
    store.put("scores", [score(requests[2], 3.0, Name="drift.verdict"), {**score(requests[2], 9.0), "TraceId": ""}])
    found = {tuple(row["comparison"]): row for row in drift.evaluations(store.client, WINDOWS)}
    row = found["j", "1", "*"]
    assert (row["signal"], row["reference_n"], row["current_n"]) == ("faithfulness", 2, 1)
    assert (row["reference_mean"], row["current_mean"]) == (pytest.approx(0.75), pytest.approx(0.7))
    assert {key[0] for key in found} == {"j", "k"}


def _ask(store: Store, moment: datetime, canary: str, documents: list[str], **others: Any) -> None:
    row = store.search(moment, DocumentIds=documents)
    store.put("retrievals", [row])
    told = json.dumps({"question": HOSTILE, "expected": ["a", "z"]})
    store.put("scores", [{"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "Name": "drift.canary", "Value": 1,
                          "Label": canary, "Note": "set", "RunId": "r1", "Explanation": told, **others}])  # fmt: skip


def test_ingestion_lags_from_its_first_span_to_its_last(store: Store) -> None:
    """Queue and work count, a failed one has no lag, and of those that wait for each other one is read."""

    def ingestion(moment: datetime, lag_s: float, status: str = "Ok") -> list[dict[str, Any]]:
        trace = store.trace()
        spans = [
            ("guard", "scan", 0.0, 5.0, "Ok"),
            ("ingest", "parse", 0.2, 10.0, "Ok"),
            ("ingest", "insert", lag_s - 1, 1000.0, status),
            ("embed", "embed", lag_s + 50, 1.0, "Ok"),
        ]
        return [
            {
                "Timestamp": (moment + timedelta(seconds=after)).strftime("%Y-%m-%d %H:%M:%S.%f"),
                "TraceId": trace,
                "ServiceName": "app",
                "Stage": stage,
                "Name": name,
                "DurationMs": ms,
                "StatusCode": code,
            }
            for stage, name, after, ms, code in spans
        ]

    rows = [row for minute in range(3) for row in ingestion(THEN + timedelta(minutes=minute), 2.0)]
    rows += ingestion(NOW, 8.0) + ingestion(NOW + timedelta(minutes=1), 9.0, "Error")
    rows += [row for second in range(5) for row in ingestion(NOW + timedelta(minutes=2, seconds=second), 8.0)]
    rows += [{**row, "Stage": "search"} for row in ingestion(NOW, 5.0)]
    store.put("stages", rows)
    found = {row["signal"]: row for row in drift.ingestion(store.client, WINDOWS)}
    lag, failed = found["lag"], found["failed"]
    assert (lag["comparison"], lag["reference_n"], lag["current_n"]) == ("app", 3, 2)
    assert lag["reference_mean"] == pytest.approx(2.0, abs=1e-5)
    assert lag["current_mean"] == pytest.approx(8.0, abs=1e-5)
    assert (failed["reference_n"], failed["current_n"], failed["is_share"]) == (3, 3, 1)
    assert failed["current_mean"] == pytest.approx(1 / 3)


def test_canaries_compare_their_newest_answer_with_those_before(store: Store) -> None:
    """Overlaps with and among the answers before, and recall; what was asked once is not compared."""
    _ask(store, THEN, "c1", ["a", "b", "c"])
    _ask(store, THEN + timedelta(minutes=1), "c1", ["a", "b", "d"])
    _ask(store, NOW - timedelta(minutes=9), "c1", ["x"])
    _ask(store, NOW, "c1", ["a", "q", "r", "too deep"])
    _ask(store, NOW, "c2", ["a"])
    _ask(store, THEN, "c3", ["a"])
    _ask(store, NOW, "c3", [], Value=0)
    (row,) = drift.canaries(store.client, WINDOWS, depth=3)
    assert (row["canaries"], row["canary"], row["text"]) == ("set", "c1", HOSTILE)
    assert row["current_documents"] == ["a", "q", "r"]
    assert row["overlaps"] == [pytest.approx(1 / 3)] * 2
    assert row["overlaps_before"] == [pytest.approx(2 / 3)]
    assert row["recall"] == pytest.approx(0.5)
    assert row["recalls_before"] == [0.5, 0.5]
    assert drift.canary_searches(store.client, "r1", THEN - timedelta(hours=1)) == 6


def test_changes_are_first_appearances_behind_something_else(store: Store) -> None:
    """What the oldest rows had is no change; the one before is told."""
    store.put(
        "retrievals", [store.search(THEN), store.search(NOW, IndexVersion="v2"), store.search(NOW, Collection="New")]
    )
    early, late = _call(store, THEN, "s", "a"), _call(store, NOW, "s", "b", **{"gen_ai.request.model": "m2"})
    for row, version in ((early, "1.0"), (late, "1.1")):
        row["ResourceAttributes"] = {"service.version": version}
    store.put("otel_traces", [early, late])
    requests = [
        {"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "ServiceName": "rag", "Name": "chat m"}
        for row in (early, late)
    ]
    store.put("requests", requests)
    found = {(row["kind"], row["subject"], row["was"], row["value"]) for row in drift.changes(store.client, WINDOWS)}
    assert found == {
        ("index", "Docs", "v1", "v2"),
        ("model", "rag", "m", "m2"),
        ("service version", "rag", "1.0", "1.1"),
    }


def test_sketches_and_texts_of_typical_questions(store: Store) -> None:
    """At most so many a window, the same ones each time; texts as they were captured."""
    rng = random.Random(6)
    rows = [store.search(moment, QuerySketch=_sketch(0, rng)) for moment in (THEN, NOW) for _ in range(20)]
    store.put("retrievals", rows)
    given: dict[str, Any] = {"sketch_version": VERSION, "embedding": "m", "embedding_version": "1"}
    found = drift.sketches(store.client, WINDOWS, **given, limit=7)
    assert sorted(bool(row["is_current"]) for row in found) == [False] * 7 + [True] * 7
    assert all(len(row["vector"]) == 32 and -128 <= min(row["vector"]) < 0 < max(row["vector"]) <= 127 for row in found)
    assert found == drift.sketches(store.client, WINDOWS, **given, limit=7)
    trace = found[0]["trace_id"]
    span = {"Timestamp": NOW.strftime("%Y-%m-%d %H:%M:%S"), "TraceId": trace, "SpanId": "d" * 16, "ServiceName": "rag",
            "SpanAttributes": {"gen_ai.retrieval.query.text": HOSTILE}}  # fmt: skip
    store.put("otel_traces", [span])
    assert drift.texts(store.client, [trace, HOSTILE], THEN, END) == {trace: HOSTILE}


def test_what_drift_writes_is_no_score_of_an_answer(store: Store) -> None:
    """The mark of a canary stands on a trace, beside what a judge says of its answer; pages show the latter."""
    trace, moment = store.trace(), NOW.strftime("%Y-%m-%d %H:%M:%S")
    store.put("requests", [{"Timestamp": moment, "TraceId": trace, "ServiceName": "rag", "Name": "ask"}])
    scores = [("groundedness", "lexical"), ("drift.canary", "sightline-drift")]
    store.put(
        "scores",
        [{"Timestamp": moment, "TraceId": trace, "Name": name, "Value": 1, "Judge": judge} for name, judge in scores],
    )
    window = Filters(start=THEN, end=END)
    assert [row["name"] for row in queries.score_summary(store.client, window)] == ["groundedness"]
    assert queries.labels(store.client, window)["judges"] == ["lexical"]


def test_results_and_pins_come_back_as_they_were_sent(store: Store) -> None:
    """The newest pin of a name; canaries and pins are no results."""
    told = {
        "low": -0.2,
        "high": 0.1,
        "p": None,
        "key": "collection Docs",
        "reference_n": 9,
        "current_n": 8,
        "from_ms": 1,
        "to_ms": 2,
    }
    moment = NOW.strftime("%Y-%m-%d %H:%M:%S")
    base = {"Timestamp": moment, "RunId": "r1"}
    pins = [(THEN, 5), (NOW, 6)]
    rows: list[dict[str, Any]] = [
        {**base, "Name": "drift.retrieval.top_score", "Label": "quiet", "Value": -0.1, "Explanation": json.dumps(told)},
        {**base, "Name": "drift.verdict", "Label": "no drift", "Value": 0, "Explanation": "broken {"},
        {**base, "Name": "drift.canary"},
        *(
            {**base, "Timestamp": at.strftime("%Y-%m-%d %H:%M:%S"), "Name": "drift.pin", "Label": HOSTILE,
             "Explanation": json.dumps({"from_ms": first, "to_ms": 9})}
            for at, first in pins
        ),
    ]  # fmt: skip
    store.put("scores", rows)
    found = {row["signal"]: row for row in drift.results(store.client, THEN, END)}
    assert set(found) == {"retrieval.top_score", "verdict"}
    top = found["retrieval.top_score"]
    assert (top["effect"], top["low"], top["p"], top["key"], top["to_ms"]) == (-0.1, -0.2, None, "collection Docs", 2)
    assert drift.pin(store.client, HOSTILE) == {"from_ms": 6, "to_ms": 9}
