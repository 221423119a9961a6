"""Every example is run as its docstring says, at the same time, and leaves the spans that it is there for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from chat_app import Model
from client_peers import Quiet, serving
from library_fixtures import Collector
from redis_place import RedisPlace
from role_process import free_port

from sightline import semconv
from sightline_app.state.redis_server import find_server

EXAMPLES = Path(__file__).parents[3] / "examples"
QUESTION = "Where is Paris?"
_BIN = Path(sys.executable).parent
_MOST_LINES = 40

Spans = list[Any]
T = TypeVar("T")


class _Ollama(Quiet):
    """Answers every chat alike."""

    def reply(self, body: bytes) -> None:
        del body
        message = {"role": "assistant", "content": "In France."}
        told = {"model": "m", "message": message, "done": True, "prompt_eval_count": 5, "eval_count": 7}
        self.answer(json.dumps({"created_at": "2026-01-01T00:00:00Z", "done_reason": "stop", **told}).encode())


class Runs:
    """All examples, started together; their outputs and the spans of each service."""

    def __init__(self, stack: ExitStack, folder: Path, redis_binary: Path | None) -> None:
        self._collector = Collector()
        stack.callback(self._collector.close)
        model = Model()
        stack.callback(model.served.stop)
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_"))},
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._collector.url,
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "k",
            "OPENAI_MODEL": "m",
            "OLLAMA_HOST": stack.enter_context(serving(_Ollama)),
            "OLLAMA_MODEL": "m",
        }
        self._stack = stack
        self._log = (folder / "log").open("w")
        stack.callback(self._log.close)
        self.outputs: dict[str, str] = {}
        running = {
            "plain-script": self._start(sys.executable, "plain_script.py", QUESTION),
            "llamaindex-rag": self._start(sys.executable, "llamaindex_rag.py", QUESTION),
            "notebook": self._start(sys.executable, "-c", _CELLS, "notebook.ipynb"),
        }
        port = free_port()
        web = self._start(str(_BIN / "uvicorn"), "fastapi_openai:app", "--port", str(port))
        if redis_binary is not None:
            redis = RedisPlace(folder / "redis", redis_binary)
            stack.callback(redis.stop)
            self._env["CELERY_BROKER_URL"] = redis.url
            worker = self._start(str(_BIN / "celery"), "-A", "celery_worker", "worker", "--pool", "solo")
            running["celery-client"] = self._start(sys.executable, "celery_worker.py", "Paris is a town")
        for name, each in running.items():
            self.outputs[name], _ = each.communicate(timeout=300)
            assert each.returncode == 0, Path(self._log.name).read_text()
        self.outputs["fastapi-openai"] = self._until(lambda: self._ask(port))
        self._until(lambda: self._has_route("fastapi-openai"))  # its span ends after the answer
        for each in [web, *([worker] if redis_binary is not None else [])]:
            each.terminate()
            each.wait(60)

    def _start(self, *command: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command, cwd=EXAMPLES, env=self._env, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._stack.enter_context(child)
        self._stack.callback(child.kill)
        return child

    @staticmethod
    def _ask(port: int) -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/ask", params={"question": QUESTION}, timeout=30).text
        except httpx.ConnectError:
            return ""

    def _has_route(self, service: str) -> bool:
        return any("http.route" in attributes(span) for span in self.spans(service))

    @staticmethod
    def _until(ask: Callable[[], T]) -> T:
        deadline = time.monotonic() + 120
        while not (found := ask()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    def spans(self, service: str) -> Spans:
        """Spans of a service."""
        found = defaultdict(list)
        for request in self._collector.traces:
            for resource in request.resource_spans:
                names = {each.key: each.value.string_value for each in resource.resource.attributes}
                found[names["service.name"]] += [span for scope in resource.scope_spans for span in scope.spans]
        return found[service]

    def scores(self) -> list[dict[str, str]]:
        """Attributes of all scores."""
        return [
            {each.key: each.value.string_value for each in record.attributes}
            for request in self._collector.logs
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


_CELLS = """
import json, sys
names = {}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), sys.argv[1], "exec"), names)
print(names["answer"])
"""
"""Runs a notebook cell by cell, as its kernel would."""


@pytest.fixture(scope="module", name="runs")
def _runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    pytest.importorskip("llama_index.llms.ollama")
    with ExitStack() as stack:
        yield Runs(stack, tmp_path_factory.mktemp("examples"), find_server())


def attributes(span: Any) -> dict[str, Any]:
    """A span's attributes, by name."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def stages(spans: Spans) -> dict[str, dict[str, Any]]:
    """Attributes of the spans by stage; the last of each."""
    return {told[semconv.STAGE]: told for told in map(attributes, spans) if semconv.STAGE in told}


def is_one_trace(spans: Spans) -> bool:
    """Whether all belong together."""
    return len({span.trace_id for span in spans}) == 1


def test_plain_script(runs: Runs) -> None:
    """Search, model and first token of one request."""
    spans = runs.spans("plain-script")
    assert is_one_trace(spans)
    found = stages(spans)
    assert set(found) == {semconv.STAGE_REQUEST, semconv.STAGE_SEARCH, semconv.STAGE_MODEL}
    assert found[semconv.STAGE_MODEL][semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert runs.outputs["plain-script"].startswith("alpha bravo")


def test_fastapi_with_the_openai_sdk(runs: Runs) -> None:
    """The call of the model stands below the request, which has the time to its first token at the edge."""
    spans = runs.spans("fastapi-openai")
    told = [attributes(span) for span in spans]
    assert any(each.get("http.route") == "/ask" for each in told)
    assert any(semconv.RESPONSE_TIME_TO_FIRST_TOKEN in each for each in told)
    assert any("llm.model_name" in each or semconv.GEN_AI_REQUEST_MODEL in each for each in told)
    assert is_one_trace(spans)
    assert runs.outputs["fastapi-openai"].startswith("alpha bravo")


def test_llamaindex(runs: Runs) -> None:
    """Retriever and model of LlamaIndex below the request."""
    spans = runs.spans("llamaindex-rag")
    kinds = {attributes(span).get("openinference.span.kind") for span in spans}
    assert {"RETRIEVER", "LLM"} <= kinds
    assert is_one_trace(spans)
    assert runs.outputs["llamaindex-rag"] == "In France.\n"


def test_notebook(runs: Runs) -> None:
    """Cell by cell; the score of its last cell is one of its trace."""
    spans = runs.spans("notebook")
    assert is_one_trace(spans)
    assert semconv.STAGE_REQUEST in stages(spans)
    assert runs.outputs["notebook"].startswith("alpha bravo")
    assert [each[semconv.GEN_AI_EVALUATION_NAME] for each in runs.scores()] == ["helpful"]


def test_celery(runs: Runs) -> None:
    """The worker's span is in the client's trace."""
    if "celery-client" not in runs.outputs:
        pytest.skip("NO REDIS: no redis-server or valkey-server on PATH; run `make redis`")
    client, worker = runs.spans("celery-client"), runs.spans("celery-worker")
    assert runs.outputs["celery-client"] == "4 words\n"
    assert semconv.STAGE_REQUEST in stages(client)
    assert semconv.STAGE_WORKFLOW in stages(worker)
    assert is_one_trace(client + worker)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: str(file.name))
def test_example_is_short(file: Path) -> None:
    """What is shown fits on a screen; the chain of the whole application is longer."""
    lines = file.read_text().splitlines()
    assert len(lines) <= (_MOST_LINES if file.name != "langchain_chain.py" else 60)
