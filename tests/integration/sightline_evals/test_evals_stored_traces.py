"""From traces in a real store to scores in the same store: library, collector, embedded ClickHouse, RAGAS."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import sightline
from sightline_evals.__main__ import main
from sightline_store.client import Client

# The library leaves its kept connection to the collector to the garbage collector, which tells of it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

PASSAGES = [
    {"id": "a", "score": 0.9, "content": "os.path.join(path, *paths) joins one or more path segments."},
    {"id": "b", "score": 0.2, "content": "Bananas are yellow fruit."},
]
GOOD = "Use os.path.join, which joins one or more path segments."
BAD = "Napoleon invented an unrelated protocol in 1815."


def _answer(tenant: str, question: str, text: str) -> None:
    with sightline.request("ask"):
        sightline.identify(tenant=tenant)
        with sightline.retrieval("Documents"):
            sightline.annotate({"gen_ai.retrieval.query.text": question})
            sightline.record_documents(PASSAGES)
        with sightline.llm("extractive-v1", provider="local"):
            sightline.annotate({"sightline.model.note": "extractive, no LLM"})
            sightline.record_messages(output=[{"role": "assistant", "parts": [{"type": "text", "content": text}]}])


def _wait_for_rows(client: Client, sql: str, rows: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20
    while len(found := client.query_rows(sql)) < rows and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_stored_traces_are_scored_and_the_scores_come_back(
    collected: tuple[dict[str, str], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each trace gets its scores beside its request, with judge, run and note; a second run finds nothing to do."""
    env, client = collected
    tracing = sightline.configure(service_name="rag", capture="full", env=env)
    for number in range(6):
        _answer("small" if number == 5 else "big", f"How do I join paths {number}?", BAD if number == 5 else GOOD)
    assert tracing.force_flush(10)
    tracing.shutdown()
    for table in ("requests", "llm_calls", "retrievals"):  # each view writes its table when it has it
        assert len(_wait_for_rows(client, f"SELECT TraceId FROM {table}", 6)) == 6, table

    flags = ["run", "--since", "1h", "--json", "-", "--metrics", "faithfulness", "context_precision"]
    flags += ["--fail-under", "faithfulness=0.95"]
    assert main([*flags, "--limit", "2", "--run-id", "first"], env) == 1
    report = json.loads(capsys.readouterr().out)
    assert {one["tenant"] for one in report["cases"]} == {"big", "small"}
    assert (report["run"]["drawn_from"], report["run"]["sampling"]["strategy"]) == (6, "stratified")
    # Of the big tenant one of five was drawn, so the mean is that of all six.
    assert sorted(one["weight"] for one in report["cases"]) == [1, 5]
    assert report["metrics"]["faithfulness"]["mean"] == pytest.approx(5 / 6)
    assert all(one["duration_ms"] > 0 for one in report["cases"])
    assert report["run"]["sent"] == 4
    assert report["run"]["notes"] == ["extractive, no LLM"]

    assert len(_wait_for_rows(client, "SELECT Name FROM scores", 4)) == 4
    assert main([*flags, "--run-id", "second"], env) == 0
    cases = json.loads(capsys.readouterr().out)["cases"]
    assert len({one["trace_id"] for one in cases} | {one["trace_id"] for one in report["cases"]}) == 6

    rows = _wait_for_rows(client, "SELECT s.*, r.SpanId AS request FROM scores s JOIN requests r USING TraceId", 12)
    assert len(rows) == 12
    assert all(row["SpanId"] == row["request"] for row in rows)
    assert {row["Judge"] for row in rows} == {"ragas/offline lexical"}
    assert {row["JudgeVersion"] for row in rows} == {"lexical-2"}
    assert {row["Note"] for row in rows} == {"extractive, no LLM"}
    assert {row["RunId"] for row in rows} == {"first", "second"}
    assert sorted(row["Value"] for row in rows if row["Name"] == "faithfulness") == [0, 1, 1, 1, 1, 1]
    assert {row["Value"] for row in rows if row["Name"] == "context_precision" and row["Label"] == "precise"} == {1.0}

    assert main(["run", "--since", "1h"], env) == 3
    out = capsys.readouterr().out
    assert "0 samples" in out
    assert "no sample was found" in out
    assert main(["run", "--since", "1h", "--allow-empty"], env) == 0

    capsys.readouterr()
    worst = ["run", "--since", "1h", "--strategy", "low-score", "--limit", "2", "--no-send", "--json", "-"]
    assert main(worst, env) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cases"][0]["answer"] == BAD
    assert any("judged badly" in note for note in report["run"]["notes"])
    alike = ["run", "--since", "1h", "--strategy", "random", "--rescore", "--limit", "3", "--no-send", "--json", "-"]
    drawn = []
    for seed in ("1", "1", "2", "3"):
        assert main([*alike, "--seed", seed], env) == 0
        report = json.loads(capsys.readouterr().out)
        assert {one["weight"] for one in report["cases"]} == {2.0}
        drawn.append([one["case"] for one in report["cases"]])
    assert drawn[0] == drawn[1]
    assert len({tuple(each) for each in drawn}) > 1


def test_a_failed_judge_is_stored_as_unknown_and_tried_again(
    collected: tuple[dict[str, str], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    """NaN arrives as NULL with its reason, ends the run with 3, and the trace is still unscored afterwards."""
    env, client = collected
    tracing = sightline.configure(service_name="rag", capture="full", env=env)
    _answer("big", "How do I join paths?", GOOD)
    assert tracing.force_flush(10)
    tracing.shutdown()
    assert len(_wait_for_rows(client, "SELECT TraceId FROM requests", 1)) == 1

    away = {**env, "SIGHTLINE_JUDGE_MODEL": "m", "SIGHTLINE_JUDGE_BASE_URL": "http://127.0.0.1:9/v1"}
    assert main(["run", "--since", "1h"], {**away, "SIGHTLINE_JUDGE_RETRIES": "0"}) == 3
    assert "2 scores sent" in capsys.readouterr().out
    rows = _wait_for_rows(client, "SELECT * FROM scores", 2)
    assert [(row["Value"], row["ErrorType"], row["Judge"]) for row in rows] == [
        (None, "JudgeUnavailable", "ragas/m")
    ] * 2
    assert "no endpoint answers" in rows[0]["Explanation"]

    assert main(["run", "--since", "1h", "--no-send", "--json", "-"], env) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["metrics"]["faithfulness"]["mean"] == 1
    assert report["run"]["sent"] is None


def test_scores_that_the_collector_does_not_take_are_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is still written, and it says what to do."""
    from sightline_evals import emit

    monkeypatch.setattr(emit.Emitter.__init__, "__defaults__", ({}, 0.3))
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"question": "Q?", "answer": GOOD, "contexts": [GOOD]}), encoding="utf-8")
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert main(["run", "--dataset", str(path), "--metrics", "groundedness", "--send"], env) == 3
    out = capsys.readouterr().out
    assert "accepted 0 of 1 scores" in out
    assert "--resume" in out
