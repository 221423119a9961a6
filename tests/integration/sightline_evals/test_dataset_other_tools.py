"""Datasets in the hands of other tools: RAGAS and Hugging Face read what is exported, a model writes cases."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sightline_evals.cli import dataset
from sightline_evals.datasets import Sample, fingerprint, read_dataset, write_dataset

CASES = [
    Sample("a", "Q?", "A.", ("one", "two"), reference="R.", reference_contexts=("one",), metadata={"k": [1]}),
    Sample("b", "R?", "", (), reference="R.", must_pass=True, weight=2.0, ttft_ms=12.5, input_tokens=7),
]


def _ran(*argv: object, env: dict[str, str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    dataset.add_parser(parser.add_subparsers(required=True))
    return dataset.run(parser.parse_args(["dataset", *map(str, argv)]), env or {})


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A dataset."""
    path = tmp_path / "cases.jsonl"
    write_dataset(path, CASES)
    return path


def test_ragas_reads_the_export_both_ways(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an evaluation dataset, and as a dataset of its local backend; what RAGAS writes reads the same here."""
    monkeypatch.setenv("RAGAS_DO_NOT_TRACK", "true")
    from ragas import Dataset, EvaluationDataset

    folder = cases.parent / "out"
    assert _ran("export", cases, folder, "--format", "ragas") == 0
    file = folder / "datasets" / "cases.jsonl"
    samples: Any = EvaluationDataset.from_jsonl(file).samples
    assert [sample.user_input for sample in samples] == ["Q?", "R?"]
    assert (samples[0].response, samples[0].retrieved_contexts) == ("A.", ["one", "two"])
    assert (samples[0].reference, samples[0].reference_contexts) == ("R.", ["one"])
    assert samples[1].response is None
    loaded = Dataset.load("cases", backend="local/jsonl", root_dir=str(folder))
    assert [row["id"] for row in loaded] == ["a", "b"]

    again = cases.parent / "again.jsonl"
    EvaluationDataset.from_jsonl(file).to_jsonl(again)
    read = read_dataset(again)
    assert [(sample.question, sample.answer, sample.contexts) for sample in read] == [
        (sample.question, sample.answer, sample.contexts) for sample in CASES
    ]
    table = cases.parent / "again.csv"
    EvaluationDataset.from_jsonl(file).to_csv(table)
    assert [sample.contexts for sample in read_dataset(table)] == [("one", "two"), ()]


def test_hugging_face_loads_the_export(cases: Path) -> None:
    """A type for each column, None for what is absent, metadata as JSON; its Parquet reads the same here."""
    import datasets

    folder = cases.parent / "out"
    assert _ran("export", cases, folder, "--format", "huggingface") == 0
    loaded = datasets.load_from_disk(str(folder))
    assert loaded["question"][:] == ["Q?", "R?"]
    assert loaded["contexts"][:] == [["one", "two"], []]
    assert loaded["ttft_ms"][:] == [None, 12.5]
    assert json.loads(loaded[0]["metadata"]) == {"k": [1]}
    loaded.to_parquet(str(cases.parent / "again.parquet"))
    assert read_dataset(cases.parent / "again.parquet") == CASES


class _Handler(BaseHTTPRequestHandler):
    """A model that writes a question about the last word of each passage."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body["model"] == "locked":
            self._send(401, {"error": {"message": "wrong key"}})
            return
        word = body["messages"][-1]["content"].split()[-1]
        text = json.dumps({"question": f"What is {word}?", "answer": f"It is {word}."})
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": f"```json\n{text}\n```"},
        }
        usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60}
        self._send(
            200,
            {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage},
        )

    def _send(self, status: int, body: dict[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)


@pytest.fixture
def endpoint() -> Iterator[dict[str, str]]:
    """The settings of a running model."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield {
        "SIGHTLINE_JUDGE_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}/v1",
        "SIGHTLINE_JUDGE_MODEL": "m",
        "SIGHTLINE_JUDGE_API_KEY": "k",
        "SIGHTLINE_JUDGE_RETRIES": "0",
    }
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_writes_cases_and_goes_on_where_it_stopped(
    endpoint: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bounded by the limit; the passages that have their case are not paid again."""
    passages, output = tmp_path / "passages.jsonl", tmp_path / "made.jsonl"
    passages.write_text(
        "\n".join(json.dumps({"text": f"{'A passage that is long enough. ' * 4} word{number}"}) for number in range(8)),
        encoding="utf-8",
    )
    assert _ran("synthesize", passages, "--output", output, "--limit", 3, env=endpoint) == 0
    assert "3 cases added" in capsys.readouterr().out
    made = read_dataset(output)
    assert len(made) == 3
    for case in made:
        word = case.reference_contexts[0].split()[-1]
        assert (case.question, case.reference) == (f"What is {word}?", f"It is {word}.")
        assert case.metadata["synthetic"] is True
        assert case.metadata["model"] == "m"
    assert _ran("synthesize", passages, "--output", output, "--limit", 5, env=endpoint) == 0
    out = capsys.readouterr().out
    assert "2 cases added" in out
    assert "2 calls, 100 input and 20 output tokens" in out
    assert read_dataset(output)[:3] == made
    assert fingerprint(read_dataset(output)) != fingerprint(made)


def test_a_model_that_refuses_is_an_infrastructure_failure(
    endpoint: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, and without a file of no cases."""
    passages, output = tmp_path / "passages.txt", tmp_path / "made.jsonl"
    passages.write_text("A passage that is long enough. " * 10, encoding="utf-8")
    env = {**endpoint, "SIGHTLINE_JUDGE_MODEL": "locked"}
    assert _ran("synthesize", passages, "--output", output, env=env) == 3
    assert "1 passage failed (1 x JudgeRefused)" in capsys.readouterr().out
    assert not output.exists()
