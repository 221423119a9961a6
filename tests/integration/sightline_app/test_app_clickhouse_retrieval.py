"""Ingest and hybrid search in ClickHouse, on a real embedded store, where there is no Weaviate."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from sightline_app.api import open_pipeline
from sightline_app.documents import DocumentFolder
from sightline_app.errors import InvalidSetting
from sightline_app.index import ingest
from sightline_app.pipeline import Question
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, MiniLMSettings
from sightline_demo_corpus.standard_library import StandardLibrary


@pytest.fixture(scope="module", name="settings")
def _settings(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> AppSettings:
    folder = tmp_path_factory.mktemp("app")
    settings = AppSettings(
        data_dir=folder, store_url=store_url, retrieval="clickhouse", embedding="lexical", lexical_dimensions=32
    )
    ingest(settings, StandardLibrary(("json", "shutil", "bisect", "random", "copy")))
    return settings


def find(settings: AppSettings, question: Question) -> list[Hit]:
    """Search as the app does."""

    async def search() -> list[Hit]:
        pipeline = open_pipeline(settings)
        try:
            return await pipeline.find(question)
        finally:
            await pipeline.close()

    return asyncio.run(search())


def names(hits: list[Hit]) -> set[str]:
    """All names that were found."""
    return {name for hit in hits for name in hit.names}


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_words_vectors_and_both_find_what_a_person_means(settings: AppSettings, alpha: float) -> None:
    """Each side alone, and both together, lead to the function; what the rerank stage needs is there."""
    hits = find(replace(settings, alpha=alpha), Question("copy a whole folder with everything in it"))
    assert "shutil.copytree" in names(hits)
    assert len(hits) == settings.top_k
    assert all(hit.kind != "text" and 0 <= hit.score <= 1 for hit in hits)


def test_second_ingest_does_nothing(settings: AppSettings) -> None:
    """The fingerprint decides."""
    source = StandardLibrary(("json", "shutil", "bisect", "random", "copy"))
    assert not ingest(settings, source)[1]


@pytest.mark.parametrize("text", ["???", "the of and", "qqqqq zzzzz", "' OR 1=1 --", "\\' it's {x:String}", "🙂" * 50])
def test_questions_without_known_words_are_no_error(settings: AppSettings, text: str) -> None:
    """Punctuation, stop words, unknown words and signs of SQL find nothing or little, and do not fail."""
    assert len(find(settings, Question(text))) <= settings.top_k


def test_tenants_and_dates_filter_both_sides(settings: AppSettings, tmp_path: Path) -> None:
    """Another tenant's passages are found neither by words nor by vectors, nor what is older than asked for."""
    (tmp_path / "plan.md").write_text("# Travel plan\nThe zebra excursion starts in Nairobi at nine.\n")
    ingest(settings, DocumentFolder(tmp_path, tenant="acme"), tenant="acme")
    asked = "When does the excursion in Nairobi start?"
    assert "plan.md" in names(find(settings, Question(asked, tenant="acme")))
    assert "plan.md" not in names(find(settings, Question(asked, tenant="globex")))
    later = datetime.datetime.now(tz=datetime.UTC).date() + datetime.timedelta(days=400)
    assert find(settings, Question("copy a folder", since=later)) == []


def test_default_embedding_is_the_model_and_another_precision_builds_anew(store_url: str, tmp_path: Path) -> None:
    """Without a setting, passages get vectors of all-MiniLM-L6-v2; an index of INT8 is not asked with FP32."""
    settings = AppSettings(data_dir=tmp_path, store_url=store_url, retrieval="clickhouse", collection="Precisions")
    source = StandardLibrary(("bisect",))
    manifest, built = ingest(settings, source)
    assert built
    assert (manifest.embedding, manifest.dimensions) == ("all-MiniLM-L6-v2", 384)
    assert "bisect.insort_right" in names(find(settings, Question("put a number where it belongs in a sorted list")))
    exact = replace(settings, minilm=MiniLMSettings(precision="fp32"))
    with pytest.raises(InvalidSetting, match="SIGHTLINE_EMBEDDING_PRECISION"):
        find(exact, Question("anything"))
    assert ingest(exact, source)[1]
    assert not ingest(exact, source)[1]
    assert len(list((tmp_path / "vectors").iterdir())) == 2
