"""The panel of index tuning on the Retrieval page."""

from __future__ import annotations

from typing import Any

from asked_store import AskedStore, cells, shown, texts

FIGURES: dict[str, Any] = {
    "run_id": "r", "at_ms": 1_700_000_000_000, "is_layout": 0, "recall": 0.985, "state": "chosen", "store": "weaviate",
    "name": "weaviate hnsw ef=64", "recall_at": 10, "target": 0.95, "recall_low": 0.961, "recall_high": 0.995,
    "p50_ms": 2.5, "p95_ms": 4.5, "p95_least_ms": 4.25, "p95_most_ms": 6.5, "memory_bytes": 41_000_000, "build_s": 5.5,
    "lag_s": 0.25, "passages": 10_000, "questions": 200, "tenants": None, "embedding": "MiniLM int8",
    "settings": {"SIGHTLINE_APP_INDEX_EF": "64"},
}  # fmt: skip
LAYOUT = {**FIGURES, "is_layout": 1, "name": "multi-tenancy", "state": "", "tenants": 20, "memory_bytes": None}


def test_recommended_index_its_settings_and_every_figure_are_shown() -> None:
    """Also where the window holds no searches: a run is older than what the page shows."""
    slow = {**FIGURES, "state": "below_target", "name": "weaviate flat bq", "recall": 0.817}
    app = shown("retrieval", AskedStore({"index_tuning": [FIGURES, slow, LAYOUT]}))
    assert "<b>weaviate hnsw ef=64</b> for a recall@10 of 95 %" in texts(app)
    assert "20 of them" in texts(app)
    assert app.code[-1].value == "SIGHTLINE_APP_INDEX_EF=64"
    first, second = cells(app, "tuning_indexes")
    assert first == [
        "weaviate hnsw ef=64", "recommended", "0.985", "0.961 to 0.995", "2.50 ms", "4.50 ms (4.25 ms to 6.50 ms)",
        "41.0 MB", "5.50 s", "250 ms",
    ]  # fmt: skip
    assert second[:3] == ["weaviate flat bq", "below target", "0.817"]
    assert cells(app, "tuning_layouts")[0][0] == "multi-tenancy"


def test_target_that_none_reached_is_said() -> None:
    """Nothing is recommended then."""
    app = shown("retrieval", AskedStore({"index_tuning": [{**FIGURES, "state": "below_target"}]}))
    assert "None reaches" in texts(app)
    assert "SIGHTLINE_APP_INDEX_EF" not in {each.value.partition("=")[0] for each in app.code}


def test_without_a_run_the_command_is_named() -> None:
    """A month is looked back, whatever the window."""
    store = AskedStore()
    assert "sightline-app tune" in texts(shown("retrieval", store))
    (asked,) = store.params("index_tuning")
    assert asked["from"] < asked["to"]
