"""LangChain beside the app: its chain over the same index, traced into the same columns; its model in the pipeline."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_app import Served
from collector_role import start_collector
from role_process import StartRole

from sightline_app.api import open_pipeline
from sightline_app.index import ingest
from sightline_app.langchain_generator import LangChainGenerator
from sightline_app.model_server.extractive_api import MODEL
from sightline_app.model_server.extractive_api import create_app as create_model
from sightline_app.pipeline import Question, Token
from sightline_app.settings import AppSettings, ModelSettings
from sightline_demo_corpus.standard_library import StandardLibrary
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

pytest.importorskip("langchain", reason="NO LANGCHAIN: langchain is not installed")
pytest.importorskip("langchain_openai", reason="NO LANGCHAIN: langchain-openai is not installed")

EXAMPLE = Path(__file__).parents[3] / "examples" / "langchain_chain.py"
ASKED = "How do I copy a whole folder?"


@pytest.fixture(scope="module", name="model_url")
def _model_url() -> Iterator[str]:
    model = Served(create_model(ModelSettings(tokens_per_s=0)))
    yield f"{model.url}/v1"
    model.stop()


@pytest.fixture(scope="module", name="settings")
def _settings(store_url: str, model_url: str, tmp_path_factory: pytest.TempPathFactory) -> AppSettings:
    settings = AppSettings(
        data_dir=tmp_path_factory.mktemp("app"),
        store_url=store_url,
        retrieval="clickhouse",
        collection="LangChain",
        embedding="lexical",
        lexical_dimensions=32,
        local_model="extractive",
        model_base_url=model_url,
    )
    ingest(settings, StandardLibrary(("shutil", "copy")))
    return settings


def row(client: Client, table: str, columns: str) -> dict[str, Any]:
    """The one row of the chain's trace in a table, once its request is there."""
    where = "TraceId = (SELECT any(TraceId) FROM requests WHERE ServiceName = 'langchain-chain')"
    deadline = time.monotonic() + 60
    while True:
        rows = client.query_rows(f"SELECT {columns} FROM {table} WHERE {where}")
        if rows or time.monotonic() > deadline:
            assert len(rows) == 1, f"{len(rows)} rows in {table}"
            return rows[0]
        time.sleep(0.1)


def test_chain_of_the_example_lands_in_the_same_columns(
    settings: AppSettings, store_url: str, roles: StartRole, tmp_path: Path
) -> None:
    """Request, retrieval with its documents, and model call with its tokens: what the pages read."""
    collector = start_collector(roles, tmp_path, store_url)
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OPENAI_BASE_URL": settings.model_base_url,
        "SIGHTLINE_APP_DATA_DIR": str(settings.data_dir),
        "SIGHTLINE_APP_COLLECTION": settings.collection,
        "SIGHTLINE_EMBEDDING": settings.embedding,
        "SIGHTLINE_MODEL": settings.local_model,
        "SIGHTLINE_STORE_URL": store_url,
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), ASKED], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "copy" in done.stdout
    client = Client(StoreSettings(url=store_url))
    request = row(client, "requests", "Name, Outcome, StatusCode, DurationMs")
    assert request["Name"] == "answer"
    assert request["DurationMs"] > 0
    call = row(client, "llm_calls", "RequestModel, Convention, FinishReason, InputTokens, OutputTokens")
    assert (call["RequestModel"], call["Convention"]) == (MODEL, "openinference")
    assert call["InputTokens"] > 100
    assert call["OutputTokens"] > 5
    assert call["FinishReason"] == "stop"
    found = row(client, "retrievals", "Convention, Returned, DocumentIds")
    assert (found["Convention"], found["Returned"]) == ("openinference", 5)
    assert len(found["DocumentIds"]) == 5
    client.close()


def test_chat_model_of_langchain_answers_in_the_pipeline(settings: AppSettings) -> None:
    """By one setting; the answer is the same that the OpenAI client gets from the same server."""

    async def answer(chosen: AppSettings) -> tuple[str, str]:
        pipeline = open_pipeline(chosen)
        try:
            events = [event async for event in pipeline.answer(Question(ASKED))]
        finally:
            await pipeline.close()
        said = "".join(event.text for event in events if isinstance(event, Token))
        return said, type(pipeline.generator).__name__

    theirs, by = asyncio.run(answer(replace(settings, langchain_provider="openai")))
    ours, _ = asyncio.run(answer(settings))
    assert by == LangChainGenerator.__name__
    assert theirs == ours
    assert len(theirs) > 40
