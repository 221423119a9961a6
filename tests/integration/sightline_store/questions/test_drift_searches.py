"""Searches of two windows compared, on a real store: scores, sketches, documents, versions and topics."""

from __future__ import annotations

import base64
import random
from datetime import timedelta
from typing import Any

import pytest
from drift_windows import DOCS, END, FIELDS, HOSTILE, NOW, THEN, VERSION, WINDOWS, ComparedStore, plan_of, sketch

from sightline_store.questions import drift


def test_distributions_are_those_of_the_values(store: ComparedStore) -> None:
    """Means, spread, Kolmogorov-Smirnov and Wasserstein by hand; failed and infinite scores are in none."""
    before, after = [0.1, 0.2, 0.2, 0.4], [0.2, 0.4, 0.6]
    rows = [store.search(THEN, TopScore=x) for x in before] + [store.search(NOW, TopScore=x) for x in after]
    rows += [store.search(NOW, TopScore=9.0, StatusCode="Error"), store.search(NOW, IsEmpty=True)]
    store.put("retrievals", rows)
    store.client.command(
        "INSERT INTO retrievals SELECT * REPLACE (nan AS TopScore) FROM retrievals WHERE TopScore = 0.6"
    )
    found = {row["signal"]: row for row in drift.searches(store.client, plan_of())}
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


def test_comparisons_keep_collections_tenants_versions_and_windows_apart(store: ComparedStore) -> None:
    """Each row counts where it belongs, and nothing between the windows counts."""
    for moment, count in ((THEN, 3), (NOW, 2), (END - timedelta(minutes=90), 7), (END, 5)):
        store.put("retrievals", [store.search(moment, TopScore=0.5, Tenant="acme") for _ in range(count)])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, IndexVersion="v2", Tenant="it's \\ me")])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, Collection="Docs_v2", IndexVersion="v2")])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, Collection="Other")])
    store.put("retrievals", [store.search(NOW, TopScore=0.5, EmbeddingVersion="2")])
    plan = plan_of(
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


def test_keys_tell_windows_versions_and_queries_embedded_unlike_their_index(store: ComparedStore) -> None:
    """The name of a collection goes without the version of its index."""
    right, wrong = store.search(NOW, Collection="Docs_v1"), store.search(NOW)
    store.put("retrievals", [store.search(THEN), right, wrong])
    store.put("embeddings", [_embedded(right, "1"), _embedded(wrong, "2")])
    found = {bool(row["is_current"]): row for row in drift.keys(store.client, WINDOWS)}
    assert found[True]["collection"] == "Docs"
    assert (found[True]["searches"], found[True]["unlike"], found[True]["unlike_embedding"]) == (2, 1, "m 2")
    assert (found[False]["searches"], found[False]["unlike"]) == (1, 0)


def test_a_trace_that_embeds_by_two_models_is_unlike_neither_of_their_indexes(store: ComparedStore) -> None:
    """Two collections with models of their own are searched in one request."""
    one = store.search(NOW)
    other = {**one, "SpanId": "c", "Collection": "Other", "Embedding": "n"}
    store.put("retrievals", [one, other])
    store.put("embeddings", [{**_embedded(one, "1"), "SpanId": name, "Embedding": name} for name in ("m", "n")])
    found = {row["collection"]: row["unlike"] for row in drift.keys(store.client, WINDOWS)}
    assert found == {"Docs": 0, "Other": 0}


def test_canaries_and_later_turns_of_a_session_are_no_traffic(store: ComparedStore) -> None:
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
    (top,) = (row for row in drift.searches(store.client, plan_of()) if row["signal"] == "top_score")
    assert (top["reference_n"], top["current_n"]) == (3, 2)


def test_classifier_sees_a_shift_and_none_where_there_is_none(store: ComparedStore) -> None:
    """Sketches of another version, damaged and empty ones are in no window."""
    rng = random.Random(4)
    for tenant, shift in (("same", 0.0), ("moved", 1.5)):
        store.put("retrievals", [store.search(THEN, QuerySketch=sketch(0, rng), Tenant=tenant) for _ in range(300)])
        store.put("retrievals", [store.search(NOW, QuerySketch=sketch(shift, rng), Tenant=tenant) for _ in range(300)])
    damaged = ["", "!!!", "AAAA", sketch(0, rng)[:-4], sketch(0, rng, 64)]
    store.put("retrievals", [store.search(NOW, QuerySketch=text, Tenant="moved") for text in damaged])
    other = {"QuerySketchVersion": "cs1:sightline:64:384", "Tenant": "moved"}
    store.put("retrievals", [store.search(NOW, QuerySketch=sketch(3, rng, 64), **other) for _ in range(50)])
    plan = plan_of(drift.Comparison(**FIELDS, tenant="same"), drift.Comparison(**FIELDS, tenant="moved"))
    found = drift.query_sketches(store.client, plan)
    assert [(row["comparison"], row["half"]) for row in found] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert all(abs(row["auc"] - 0.5) < 0.12 for row in found[:2])
    assert all(row["auc"] > 0.75 for row in found[2:])
    assert all(row["centroid_shift"] > 0.15 for row in found[2:])
    assert sum(row["current_n"] for row in found[2:]) == 300


def test_documents_that_vanish_are_beyond_what_chance_moves(store: ComparedStore) -> None:
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
    plan = plan_of(drift.Comparison(**FIELDS, tenant="same"), drift.Comparison(**FIELDS, tenant="cut"))
    same, cut = drift.documents(store.client, plan)
    assert len(cut["chi_square"]) == len(cut["moved"]) == 129
    assert (same["reference_n"], same["current_n"]) == (400, 400)
    assert cut["chi_square"][0] > max(cut["chi_square"][1:])
    assert min(same["chi_square"][1:]) < same["chi_square"][0] < max(same["chi_square"][1:]) * 1.2
    assert cut["only_reference"] == 20
    moved = drift.moved_documents(store.client, plan_of(drift.Comparison(**FIELDS, tenant="cut")), limit=5)
    assert len(moved) == 5
    assert all(row["current_share"] != row["reference_share"] for row in moved)


def test_topics_divide_the_searches_of_their_sketch_version(store: ComparedStore) -> None:
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
    plan = plan_of(*(drift.Comparison(**FIELDS, topic=topic) for topic in (0, 1, 2)), topics=centres)
    rows = drift.searches(store.client, plan)
    sizes = {row["comparison"]: (row["reference_n"], row["current_n"]) for row in rows if row["signal"] == "top_score"}
    assert sizes == {1: (3, 5), 2: (2, 2), 3: (1, 1)}


def test_a_stride_reads_one_trace_in_so_many(store: ComparedStore) -> None:
    """The same traces in every question."""
    store.put("retrievals", [store.search(moment, TopScore=0.5) for moment in (THEN, NOW) for _ in range(300)])
    (top,) = (row for row in drift.searches(store.client, plan_of(stride=3)) if row["signal"] == "top_score")
    assert 60 < top["reference_n"] < 140
    assert (
        sum(row["searches"] for row in drift.keys(store.client, WINDOWS, stride=3))
        == top["reference_n"] + top["current_n"]
    )


def test_of_a_session_one_of_the_traces_that_are_read_counts(store: ComparedStore) -> None:
    """Not the first of all of them, which a stride may leave out."""
    turns = [store.search(moment, TopScore=0.5) for moment in (THEN, NOW) for _ in range(30)]
    store.put("retrievals", turns)
    store.put(
        "requests", [{"SessionId": "one", **{key: row[key] for key in ("Timestamp", "TraceId")}} for row in turns]
    )
    (top,) = (row for row in drift.searches(store.client, plan_of(stride=3)) if row["signal"] == "top_score")
    assert (top["reference_n"], top["current_n"]) == (1, 1)


def test_sketches_and_texts_of_typical_questions(store: ComparedStore) -> None:
    """At most so many a window, the same ones each time; texts as they were captured."""
    rng = random.Random(6)
    rows = [store.search(moment, QuerySketch=sketch(0, rng)) for moment in (THEN, NOW) for _ in range(20)]
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
