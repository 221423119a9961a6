"""Every recipe of the library's README runs."""

import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

README = pathlib.Path(__file__).parents[4] / "instrumentation" / "README.md"
RECIPES = dict(
    re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", README.read_text(encoding="utf-8"), re.M | re.S)
)
CHECKS = {
    "Plain Python": """
assert tracing.stats().emitted == 3, tracing.stats()
""",
    "FastAPI, streaming": """
from fastapi.testclient import TestClient
with TestClient(app) as client:
    reply = client.post("/v1/chat", params={"question": "why"})
assert reply.text.count("event: token") == 2, reply.text
""",
    "OpenAI": """
from types import SimpleNamespace as N
from sightline.testing import captured
class Completions:
    def create(self, **_):
        delta = lambda text: N(choices=[N(delta=N(content=text), finish_reason=None)], usage=None, model="m", id="i")
        yield from (delta(""), delta("a"))
with captured() as spans:
    list(complete(N(chat=N(completions=Completions())), [{"role": "user", "content": "why"}]))
found = spans.attributes("chat gpt-4o-mini")
assert found["sightline.stream.chunks"] == 2 and found["sightline.output"] == "a", found
""",
    "LangChain": """
assert "langchain" in sightline.instrument(only=["langchain"]).on
""",
    "Celery": """
app.conf.task_always_eager = True
start()
assert index.delay("hello").get() == 5
""",
    "In your tests": """
from sightline.testing import captured
with captured() as spans:
    test_pipeline_searches_after_it_embeds(spans)
""",
}
ELSEWHERE = {"Weaviate"}
"""With a real server: tests/integration/test_weaviate_instrumentation.py."""
SPANS = {
    "Plain Python": {"ask", "retrieval Documents", "chat gpt-4o-mini"},
    "FastAPI, streaming": {"POST /v1/chat", "chat gpt-4o-mini"},
    "LangChain": {"ask", "RunnableSequence", "ChatPromptTemplate", "FakeListChatModel"},
    "Celery": {"run/tasks.index", "invoke_workflow index document", "embeddings text-embedding-3-small"},
}


def test_every_recipe_is_known() -> None:
    """A new recipe needs a check here."""
    assert set(RECIPES) == set(CHECKS) | ELSEWHERE


@pytest.mark.parametrize("title", CHECKS)
def test_recipe_runs(title: str, collector: Any) -> None:
    """The recipe runs unchanged, with warnings as errors, and has the described result."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RECIPES[title] + CHECKS[title]],
        env=env | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if title == "Plain Python":
        assert done.stdout.startswith("Paris.\nTrue Stats(emitted=3, exported=3, dropped=0, queued=0)")
    assert {span.name for span in collector.spans()} == SPANS.get(title, set())


MIGRATION = README.parents[1] / "docs" / "migration.md"
PROGRAMS = [
    each
    for each in re.findall(r"```python\n(.*?)```", MIGRATION.read_text(encoding="utf-8"), re.S)
    if "langfuse" not in each
]


@pytest.mark.parametrize(("program", "printed"), list(zip(PROGRAMS, ["Paris.\n", "2\n"], strict=True)))
def test_program_of_the_migration_notes_runs(program: str, printed: str, collector: Any) -> None:
    """The migrated program runs unchanged, with warnings as errors."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=env | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
