"""`sightline-app tune` on a real Weaviate and Milvus Lite, and its result as the Retrieval page asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import queries_traffic

from sightline.testing import Spans
from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import unit
from sightline_app.errors import InvalidSetting
from sightline_app.settings import AppSettings, VectorIndexSettings
from sightline_app.tuning import charts, layouts, telling
from sightline_app.tuning.report import Report
from sightline_app.tuning.running import Plan, tune
from sightline_app.tuning.workload import Workload
from sightline_app.vector_stores.opening import open_store
from sightline_app.weaviate_install import find
from sightline_store.client import Client
from sightline_store.questions import tuning

# weaviate-client and grpc leave sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def quiet(title: str) -> Callable[[int, int], None]:
    """Steps that nobody watches."""
    del title
    return lambda done, total: None


@pytest.fixture(scope="module", name="workload")
def _workload() -> Workload:
    """Six hundred passages and twenty questions near some of them."""
    random = np.random.default_rng(3)
    vectors = unit(random.normal(size=(600, 16)))
    passages = [
        Passage(f"00000000-0000-4000-8000-{row:012d}", "", "", [], "m", "2026-01-01") for row in range(len(vectors))
    ]
    return Workload(passages, vectors, unit(vectors[:20] + 0.2 * random.normal(size=(20, 16))), "random 1")


@pytest.fixture(name="binary")
def _binary() -> Path:
    """The Weaviate server; skipped, with the reason, where there is none."""
    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        pytest.skip(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    return binary


def run(folder: Path, workload: Workload, store: str, only: str) -> Report:
    """Tune on one store, without the comparison of tenants."""
    settings = AppSettings(data_dir=folder, search_timeout_s=30)
    return tune(settings, Plan((store,), recall=0.9, rounds=2, tenants=0, only=only), workload, folder, quiet)


def test_weaviates_indexes_are_built_compressed_and_measured(
    binary: Path, workload: Workload, spans: Spans, tmp_path: Path
) -> None:
    """PQ learns from what is there and is in force; each index is a span, its searches are none."""
    del binary
    report = run(tmp_path, workload, "weaviate", "pq")
    (found,) = report.found
    assert report.skipped == {}
    assert 0.5 < found.recall <= 1
    assert 0 < found.times.p50_ms <= found.times.p95_ms
    assert found.built.lag_s > 0
    assert found.built.memory_bytes is None or found.built.memory_bytes >= 0
    (span,) = spans
    attributes = span.attributes or {}
    assert span.name == "tune.variant"
    assert attributes["db.system.name"] == "weaviate"
    assert attributes["sightline_app.tune.recall"] == pytest.approx(found.recall, abs=1e-4)


def test_milvus_clusters_are_measured_and_the_page_shows_the_run(
    workload: Workload, spans: Spans, database: Callable[[str], Client], store_url: str, tmp_path: Path
) -> None:
    """More clusters looked into find more; what is sent comes back as it was measured, the recommended one first."""
    report = run(tmp_path, workload, "milvus", "ivf")
    assert report.skipped == {}
    by_name = {each.variant.name: each for each in report.found}
    few, many = (by_name[f"milvus ivf nlist=128 nprobe={probes}"] for probes in (4, 64))
    assert few.recall < many.recall
    assert many.recall > 0.9
    assert few.built is many.built
    assert few.built.memory_bytes
    advice = report.recommendation
    assert advice.chosen is not None
    telling.send(report)
    rows = [
        {
            "Timestamp": NOW.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "ServiceName": telling.SERVICE_NAME,
            "LogAttributes": {key: str(value) for key, value in score.items() if not key.endswith("_id")},
            "EventName": "gen_ai.evaluation.result",
        }
        for score in spans.scores
    ]
    client = database("tuning")
    queries_traffic.insert(store_url, "otel_logs", rows, "tuning")
    assert tuning.index_tuning(client, NOW - timedelta(days=2), NOW - timedelta(days=1)) == []
    shown = tuning.index_tuning(client, NOW - timedelta(days=1), NOW + timedelta(seconds=1))
    assert len(shown) == len(report.found)
    first = shown[0]
    assert (first["name"], first["state"], first["run_id"]) == (advice.chosen.variant.name, "chosen", report.run)
    assert first["settings"] == advice.chosen.variant.settings()
    assert first["recall"] == pytest.approx(advice.chosen.recall, abs=1e-4)
    assert first["memory_bytes"] == advice.chosen.built.memory_bytes
    assert (first["recall_at"], first["target"], first["passages"]) == (10, 0.9, 600)
    assert {row["state"] for row in shown} <= {"chosen", "tied", "fits", "below_target"}
    picture, page = charts.files(report, tmp_path / "charts")
    text = page.read_text(encoding="utf-8")
    assert advice.chosen.variant.name in text
    assert 'src="http' not in text
    assert "cdn.jsdelivr" not in text
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_tenants_are_measured_in_one_collection_and_apart(binary: Path, workload: Workload, tmp_path: Path) -> None:
    """Each question finds the nearest of its own tenant's passages, either way."""
    settings = AppSettings(data_dir=tmp_path, search_timeout_s=30)
    found = layouts.compare(settings, binary, tmp_path, workload, 3, 10, 1, quiet)
    assert [each.name for each in found] == [layouts.FILTERED, layouts.SEPARATE]
    assert all(each.recall > 0.95 for each in found)
    assert {each.tenants for each in found} == {3}


def test_index_that_milvus_does_not_have_is_refused() -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidSetting, match="SIGHTLINE_APP_INDEX_QUANTIZER"):
        open_store(AppSettings(vector_index=VectorIndexSettings(kind="hnsw", quantizer="rq8")), "milvus")
