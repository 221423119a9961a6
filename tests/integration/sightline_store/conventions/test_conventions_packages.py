"""Spans of the OpenAI, LangChain and LlamaIndex instrumentations of two families, made by the real packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.conventions import report
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_SCRIPT = Path(__file__).parents[3] / "support" / "foreign_spans.py"
_CALL = "Provider, RequestModel, ResponseModel, InputTokens, OutputTokens, CacheReadTokens, Streaming, FinishReason"


@pytest.fixture(scope="module")
def foreign(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A store with the spans of both families in it; the family is the name of the service."""
    client = Client(StoreSettings(url=store_url, database="foreign"))
    migrate.apply(client)
    folder = tmp_path_factory.mktemp("foreign")
    made = subprocess.run([sys.executable, str(_SCRIPT), str(folder)], stderr=subprocess.PIPE, timeout=120, check=False)
    assert made.returncode == 0, made.stderr.decode()[-2000:]
    for family in ("openinference", "openllmetry"):
        data = record.encode((folder / family).read_bytes())
        ingest.insert_segment(client, Signal.TRACES, data, family)
    yield client
    client.close()


def _foreign_rows(client: Client, select: str) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {"openinference": [], "openllmetry": []}
    for row in client.query_rows(select):
        rows[row.pop("ServiceName")].append(row)
    return rows


def test_real_packages_tell_the_same_calls(foreign: Client) -> None:
    """OpenAI and LangChain, plain and streamed, by OpenInference and OpenLLMetry: the same rows, each call once."""
    rows = _foreign_rows(
        foreign,
        f"SELECT ServiceName, {_CALL} FROM llm_calls WHERE Provider = 'openai' ORDER BY Streaming, Timestamp",
    )
    plain = {
        "Provider": "openai",
        "RequestModel": "gpt-4o-mini",
        "ResponseModel": "gpt-4o-mini-2024-07-18",
        "InputTokens": 1200,
        "OutputTokens": 300,
        "CacheReadTokens": 1024,
        "Streaming": False,
        "FinishReason": "stop",
    }
    told = {family: [row for row in found if row["Streaming"] is not None] for family, found in rows.items()}
    assert told["openinference"][0] == told["openllmetry"][0] == plain
    assert {**plain, "Streaming": True} in told["openinference"]
    assert {**plain, "Streaming": True} in told["openllmetry"]
    # Two of the OpenAI client and two of LangChain, which OpenInference tells twice, once for each of the two.
    assert {family: len(found) for family, found in rows.items()} == {"openinference": 4, "openllmetry": 4}
    for found in rows.values():
        assert {(row["InputTokens"], row["OutputTokens"], row["CacheReadTokens"]) for row in found} == {
            (1200, 300, 1024)
        }


def test_real_packages_tell_the_same_llama_index_calls(foreign: Client) -> None:
    """LlamaIndex asks its model once a question: the spans around that call are not counted."""
    rows = _foreign_rows(
        foreign,
        "SELECT ServiceName, ResponseModel, InputTokens, OutputTokens FROM llm_calls "
        "WHERE ResponseModel = 'llama3' OR RequestModel = 'llama3' ORDER BY Timestamp",
    )
    call = {"ResponseModel": "llama3", "InputTokens": 1200, "OutputTokens": 300}
    assert rows["openinference"] == rows["openllmetry"] == [call, call]


def test_real_packages_streams_have_a_first_token(foreign: Client) -> None:
    """The server waits 150 ms before the first chunk: both families time that, whatever they call it."""
    rows = _foreign_rows(
        foreign,
        "SELECT ServiceName, TtftMs, TtftDefinition FROM llm_calls WHERE Provider = 'openai' AND TtftMs IS NOT NULL",
    )
    for found in rows.values():
        assert {row["TtftDefinition"] for row in found} == {"first_chunk"}
        assert all(150 <= row["TtftMs"] < 30_000 for row in found)


def test_real_packages_tell_the_same_searches_and_embeddings(foreign: Client) -> None:
    """Two LlamaIndex searches with scores, one of LangChain, each once with its ids; OpenAI's embedding with tokens."""
    rows = _foreign_rows(
        foreign,
        "SELECT ServiceName, Returned, length(DocumentIds) AS ids, arrayAll(id -> id != '', DocumentIds) AS named, "
        "countEqual(arrayMap(s -> s IS NOT NULL, Scores), 1) AS scored FROM retrievals ORDER BY Timestamp",
    )
    langchain = {"Returned": 2, "ids": 2, "named": 1, "scored": 0}
    llama = {**langchain, "scored": 2}
    assert rows["openinference"] == rows["openllmetry"] == [langchain, llama, llama]
    embedded = _foreign_rows(
        foreign,
        "SELECT ServiceName, RequestModel, InputTokens FROM embeddings WHERE InputTokens IS NOT NULL",
    )
    assert embedded["openinference"] == embedded["openllmetry"]
    assert embedded["openllmetry"] == [{"RequestModel": "text-embedding-3-small", "InputTokens": 7}]


def test_real_packages_keys_are_understood(foreign: Client) -> None:
    """Of what OpenInference and OpenLLMetry write, nothing that looks meant for us is unknown."""
    stored = report.report(foreign, since_s=86_400)
    assert {part.convention for part in stored.conventions} >= {"openinference", "openllmetry"}
    assert [unknown.key for unknown in stored.unknown] == []
