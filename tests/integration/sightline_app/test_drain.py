"""The app as a process that is asked to stop while answers run, and what autoscalers read of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from chat_app import Model, numbered_events
from lost_streams import ACME, all_words, words
from prometheus_client.parser import text_string_to_metric_families
from role_process import Role, free_port

from sightline_app.settings import LimitSettings

_SLOW = "Tell me [words=8] [pause=0.3]"


@pytest.fixture(name="app")
def _app(model: Model, tmp_path: Path) -> Iterator[tuple[Role, str]]:
    """The app as a process, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "OPENAI_BASE_URL": model.url,
        "SIGHTLINE_APP_STATE": "process",
        "SIGHTLINE_APP_DATA_DIR": str(tmp_path / "app"),
        "SIGHTLINE_APP_DRAIN_S": "60",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    role = Role(["python", str(Path(chat_app.__file__)), str(port)], env, f"{url}/readyz", tmp_path / "app.log")
    role.start()
    yield role, url
    role.stop()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.02)


def test_answer_that_runs_is_told_to_its_end(app: tuple[Role, str]) -> None:
    """Load balancers are told at once, a new question is refused, the stream has all its words, the exit is clean."""
    role, url = app
    assert role.process is not None
    body = {"question": _SLOW}
    with httpx.stream("POST", f"{url}/v1/chat", json=body, headers=ACME, timeout=60) as answer:
        pieces = answer.iter_text()
        text = next(pieces)
        role.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{url}/readyz", timeout=30).status_code == 503)
        assert httpx.get(f"{url}/readyz", timeout=30).json()["parts"]["process"]["detail"] == "it is stopping"
        refused = httpx.post(f"{url}/v1/chat", json={"question": "And this?"}, headers=ACME, timeout=30)
        assert (refused.status_code, refused.json()["error"]["type"]) == (503, "stopping")
        assert refused.headers["retry-after"]
        text += "".join(pieces)
    events = numbered_events(text)
    assert words(events) == all_words(8)
    assert events[-1][1] == "done"
    assert role.process.wait(60) == 0


def metrics(url: str) -> dict[str, float]:
    """Samples without labels."""
    page = httpx.get(f"{url}/metrics", timeout=30)
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(page.text)
    return {each.name: each.value for family in families for each in family.samples if not each.labels}


def test_work_in_progress_is_shown(serve: Callable[..., Any]) -> None:
    """One answer is open while it streams and waits for the model until its first token; charges are counted."""
    url = serve(limits=LimitSettings(tokens_per_day=1_000_000))
    assert metrics(url)["sightline_app_answers_open"] == 0
    body = {"question": "Tell me [words=4000] [pause=0.02]"}
    with httpx.stream("POST", f"{url}/v1/chat", json=body, headers=ACME, timeout=60) as answer:
        pieces = answer.iter_text()
        while "event: token" not in next(pieces):
            pass
        shown = metrics(url)
        assert (shown["sightline_app_answers_open"], shown["sightline_app_answers_waiting"]) == (1, 0)
    with httpx.stream("POST", f"{url}/v1/chat", json={"question": "Tell me [pause=60]"}, headers=ACME) as answer:
        next(answer.iter_text())
        until(lambda: metrics(url)["sightline_app_answers_waiting"] == 1)
    whole = {"question": "Tell me [words=2]", "stream": False}
    assert httpx.post(f"{url}/v1/chat", json=whole, headers=ACME, timeout=30).status_code == 200
    assert metrics(url)["sightline_app_budget_tokens_total"] >= 50
    page = httpx.get(f"{url}/metrics", timeout=30).text
    assert 'sightline_app_budget_used{sightline_budget_name="tokens_per_day"}' in page
    assert "acme" not in page
