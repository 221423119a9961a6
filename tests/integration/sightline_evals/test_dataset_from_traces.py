"""Cases out of a real store: traces and feedback sent by the library, kept by a collector, read back as a dataset."""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import queries_traffic
from role_process import Role, free_port

import sightline
from sightline_evals.cli import dataset
from sightline_evals.datasets import Sample, read_dataset
from sightline_evals.errors import UsageError
from sightline_store.client import Client

# The library leaves its kept connection to the collector to the garbage collector, which tells of it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

PASSAGES = [
    {"id": "a", "score": 0.9, "content": "os.path.join joins one or more path segments."},
    {"id": "b", "score": 0.2, "content": "Bananas are yellow fruit."},
]


class _Traffic(NamedTuple):
    """A store with answered questions; ids by question."""

    env: Mapping[str, str]
    trace_ids: Mapping[str, str]


def _answer(question: str, text: str, tenant: str, session: str) -> str:
    """Answer a question in a trace; its id."""
    with sightline.request("ask"):
        sightline.identify(tenant=tenant, session=session)
        with sightline.retrieval("Documents"):
            sightline.annotate({"gen_ai.retrieval.query.text": question})
            sightline.record_documents(PASSAGES)
        with sightline.llm("gpt-4o-mini", provider="openai"):
            sightline.annotate({"sightline.model.note": "a test"})
            sightline.record_usage(input_tokens=100, output_tokens=20)
            sightline.record_messages(output=[{"role": "assistant", "parts": [{"type": "text", "content": text}]}])
        return sightline.request_ids()[0]


def _wait_for(client: Client, counts: Mapping[str, int]) -> None:
    deadline = time.monotonic() + 30
    for table, rows in counts.items():
        while len(client.query_rows(f"SELECT 1 FROM {table}")) < rows:
            assert time.monotonic() < deadline, f"{table} has fewer than {rows} rows"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def traffic(emptied: Callable[..., Client], tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Traffic]:
    """Four answers, one without content, with scores and feedback on some."""
    client = emptied()
    store = client.settings
    queries_traffic.insert(store.url, "model_prices", queries_traffic.price_rows(), store.database)
    port, folder = free_port(), tmp_path_factory.mktemp("collector")
    env = {
        "SIGHTLINE_STORE_URL": store.url,
        "SIGHTLINE_STORE_DATABASE": store.database,
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": "0",
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    collector = Role(["sightline-collector", "serve"], env, f"http://127.0.0.1:{port}/healthz", folder / "log")
    try:
        collector.start()
        tracing = sightline.configure(service_name="rag", capture="full", env=env)
        trace_ids = {
            question: _answer(question, f"Answer to {question}", tenant, session)
            for question, tenant, session in (
                ("How do I join paths?", "red", "s1"),
                ("How do I split paths?", "red", "s1"),
                ("How do I walk a tree?", "blue", "s2"),
            )
        }
        assert tracing.force_flush(30)
        _wait_for(client, {"requests": 3, "llm_calls": 3, "retrievals": 3})
        for question, value in zip(trace_ids, (0.9, 0.2, 0.4), strict=True):
            sightline.score("faithfulness", value, trace_id=trace_ids[question], judge="test", source="code")
        sightline.feedback(False, comment="It is os.path.split.", request_id=trace_ids["How do I split paths?"])
        sightline.feedback(True, request_id=trace_ids["How do I join paths?"])
        walk = trace_ids["How do I walk a tree?"]
        sightline.feedback(label="thumbs_down", request_id=walk)
        for name, value, text in (
            ("review.correction", None, "Use os.walk."),
            ("review", 0.0, "names another function"),
        ):
            sightline.score(name, value, explanation=text, trace_id=walk, judge="Ann", source="human")
        assert tracing.force_flush(30)
        tracing.shutdown()
        tracing = sightline.configure(service_name="silent", capture="none", env=env)
        trace_ids["silent"] = _answer("What is secret?", "This.", "red", "s3")
        assert tracing.force_flush(30)
        tracing.shutdown()
        _wait_for(client, {"requests": 4, "scores": 8, "llm_calls": 4})
        yield _Traffic(env, trace_ids)
    finally:
        gc.collect()
        collector.stop()


def _added(traffic: _Traffic, path: Path, *wishes: str) -> list[Sample]:
    parser = argparse.ArgumentParser()
    dataset.add_parser(parser.add_subparsers(required=True))
    assert dataset.run(parser.parse_args(["dataset", "add", str(path), *wishes]), traffic.env) == 0
    return read_dataset(path) if path.exists() else []


def test_a_trace_becomes_a_case_with_all_that_is_known_of_it(traffic: _Traffic, tmp_path: Path) -> None:
    """Content, ids, tenant, session, times, tokens and cost, the newest scores, and what people said."""
    trace_id = traffic.trace_ids["How do I split paths?"]
    (case,) = _added(traffic, tmp_path / "cases.jsonl", "--trace", trace_id.upper(), trace_id, "--must-pass")
    assert (case.id, case.trace_id) == (trace_id, trace_id)
    assert (case.question, case.answer) == ("How do I split paths?", "Answer to How do I split paths?")
    assert case.contexts == tuple(passage["content"] for passage in PASSAGES)
    assert (case.tenant, case.conversation, case.model, case.must_pass) == ("red", "s1", "gpt-4o-mini", True)
    assert len(case.span_id) == 16
    assert case.duration_ms is not None
    assert (case.input_tokens, case.output_tokens) == (100, 20)
    assert case.cost_usd is not None
    assert case.cost_usd > 0
    assert (case.reference, case.note) == ("", "a test")
    assert case.metadata == {
        "scores": {"faithfulness": 0.2},
        "feedback": [{"name": "feedback", "value": 0, "label": "thumbs_down", "comment": "It is os.path.split."}],
    }


def test_low_scores_become_cases_the_lowest_first(
    traffic: _Traffic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of a tenant alone where one is named; what is in the dataset already is left out."""
    path = tmp_path / "cases.jsonl"
    wishes = ("--since", "1h", "--below", "faithfulness=0.5")
    assert [case.tenant for case in _added(traffic, path, *wishes, "--tenant", "blue")] == ["blue"]
    both = _added(traffic, path, *wishes)
    assert [case.question for case in both] == ["How do I walk a tree?", "How do I split paths?"]
    assert "1 case added" in capsys.readouterr().out
    lowest = _added(traffic, tmp_path / "lowest.csv", *wishes, "--limit", "1")
    assert [case.question for case in lowest] == ["How do I split paths?"]
    assert _added(traffic, tmp_path / "none.jsonl", "--since", "1h", "--below", "faithfulness=0.1") == []


def test_feedback_makes_cases(traffic: _Traffic, tmp_path: Path) -> None:
    """Thumbs with a value, and those that are a word alone."""
    down = _added(traffic, tmp_path / "down.jsonl", "--since", "1h", "--feedback", "down")
    assert {case.question for case in down} == {"How do I split paths?", "How do I walk a tree?"}
    up = _added(traffic, tmp_path / "up.jsonl", "--since", "1h", "--feedback", "up")
    assert [case.question for case in up] == ["How do I join paths?"]
    other = _added(traffic, tmp_path / "no.jsonl", "--since", "1h", "--feedback", "up", "--feedback-name", "helpful")
    assert other == []


def test_a_reviewed_answer_becomes_a_case_with_its_correction_as_the_reference(
    traffic: _Traffic, tmp_path: Path
) -> None:
    """Only what people reviewed; of one tenant where it is named."""
    (case,) = _added(traffic, tmp_path / "reviewed.jsonl", "--since", "1h", "--reviewed")
    assert (case.question, case.reference) == ("How do I walk a tree?", "Use os.walk.")
    assert {"name": "review", "value": 0, "comment": "names another function"} in case.metadata["feedback"]
    assert _added(traffic, tmp_path / "none.jsonl", "--since", "1h", "--reviewed", "--tenant", "red") == []


def test_a_sample_of_the_traffic_leaves_out_what_was_not_captured(traffic: _Traffic, tmp_path: Path) -> None:
    """Traces without content cannot become cases."""
    cases = _added(traffic, tmp_path / "cases.parquet", "--since", "1h")
    assert {case.id for case in cases} == {
        trace_id for question, trace_id in traffic.trace_ids.items() if question != "silent"
    }


def test_named_traces_that_cannot_become_cases_are_told(traffic: _Traffic, tmp_path: Path) -> None:
    """And nothing is added, also not the others of the same command."""
    path = tmp_path / "cases.jsonl"
    good, silent = traffic.trace_ids["How do I join paths?"], traffic.trace_ids["silent"]
    with pytest.raises(UsageError, match=f"{silent} has no question or no answer: was content captured"):
        _added(traffic, path, "--trace", good, silent)
    with pytest.raises(UsageError, match=r"f{32} is not in the store"):
        _added(traffic, path, "--trace", "f" * 32)
    assert not path.exists()
