"""The chat page in a real browser, served by the app over a real stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from browser import Browser
from cutting_proxy import CuttingProxy

from sightline import semconv
from sightline.testing import Spans
from sightline_app import chat_page
from sightline_app.settings import AppSettings, LimitSettings, StateSettings

QUESTION = "How do I join a path?"


@pytest.fixture(name="url")
def _url(model: chat_app.Model, spans: Spans, tmp_path: Path) -> Iterator[str]:
    del spans  # the app records into them
    served = chat_app.serve(_settings(model, tmp_path))
    yield served.url
    served.stop()


def _settings(model: chat_app.Model, folder: Path, **changes: Any) -> AppSettings:
    state = StateSettings(mode="process")
    return AppSettings(data_dir=folder, model_base_url=model.url, top_k=2, candidates=3, state=state, **changes)


def _ask(browser: Browser, question: str) -> None:
    script = "const box = document.getElementById('question'); box.value = arguments[0]; box.form.requestSubmit();"
    browser.driver.execute_script(script, question)


def test_a_reader_asks_opens_a_passage_and_judges_the_answer(
    browser: Browser, url: str, spans: Spans, model: chat_app.Model
) -> None:
    """Words stream in, a citation opens its passage, the link leads to the trace, the thumb becomes its score."""
    browser.driver.get(url)
    _ask(browser, f"{QUESTION} [cite]")
    assert "alpha bravo" in browser.text("total ")
    assert "first word" in browser.text("40 + 10 tokens")
    browser.click(".citation")
    assert "Join pathname components." in browser.text("[1] os.path.join()")
    browser.click(".up")
    browser.text("Thank you")
    (score,) = spans.scores
    trace = browser.until("return document.querySelector('a.trace').href", "the link to the trace")
    assert trace == f"http://127.0.0.1:8501/trace?trace={score['trace_id']:032x}"
    assert score["trace_id"] == spans.single(stage="workflow").context.trace_id
    assert (score[semconv.GEN_AI_EVALUATION_SCORE_VALUE], score[semconv.EVALUATION_SOURCE]) == (1.0, "human")
    _ask(browser, "And on Windows?")
    browser.until("return document.querySelectorAll('footer:not([hidden])').length === 2", "a second answer")
    assert [message["content"] for message in model.prompts[-1]][1:3] == [
        f"{QUESTION} [cite]",
        "alpha bravo charlie [1] ",
    ]
    assert browser.errors() == []


def test_html_in_an_answer_or_a_question_stays_text(browser: Browser, url: str) -> None:
    """No element is made of it, and no script runs."""
    browser.driver.get(url)
    _ask(browser, "<img src=x onerror=window.broken=1> [echo]")
    assert "<img src=x onerror=window.broken=1>" in browser.text("total ")
    assert browser.driver.execute_script("return document.images.length + (window.broken ?? 0)") == 0


def test_stop_ends_the_answer_at_the_model_too(browser: Browser, url: str, spans: Spans) -> None:
    """The page keeps what came; the model's span ends as cancelled."""
    browser.driver.get(url)
    _ask(browser, f"{QUESTION} [words=400] [pause=0.05]")
    browser.text("charlie")
    browser.click("#stop")
    browser.text("Stopped.")
    deadline = time.monotonic() + 10
    while not any((span.attributes or {}).get(semconv.STAGE) == "model" for span in spans):
        assert time.monotonic() < deadline, "the model's span did not end"
        time.sleep(0.05)
    assert spans.attributes(stage="model")[semconv.STREAM_OUTCOME] == "cancelled"


def test_a_lost_connection_is_not_seen(browser: Browser, url: str, spans: Spans) -> None:
    """The page reads the stream on where it was cut: each word is there once."""
    proxy = CuttingProxy(url)
    try:
        browser.driver.get(proxy.url)
        _ask(browser, f"{QUESTION} [words=60] [pause=0.05]")
        browser.text("hotel")
        proxy.cut()
        browser.text("total ")
    finally:
        proxy.stop()
    shown = browser.driver.execute_script("return document.querySelector('.answer').textContent").split()
    assert shown == [chat_app.WORDS[number % len(chat_app.WORDS)] for number in range(60)]
    assert spans.single(name="stream.resume")


def test_a_broken_stream_and_a_refusal_are_said(
    browser: Browser, url: str, model: chat_app.Model, tmp_path: Path
) -> None:
    """With what the server said, and when to come back."""
    browser.driver.get(url)
    _ask(browser, f"{QUESTION} [break]")
    assert "broke off" in browser.text("broke off")
    limited = chat_app.serve(_settings(model, tmp_path, limits=LimitSettings(requests_per_minute=1)))
    browser.driver.get(limited.url)
    _ask(browser, QUESTION)
    browser.text("total ")
    _ask(browser, QUESTION)
    browser.text("try again in ")
    limited.stop()


def test_a_reader_adds_a_document_and_deletes_it(browser: Browser, url: str, tmp_path: Path) -> None:
    """The page says how many passages it has, or why it was refused; it is listed again after a reload."""
    (tmp_path / "travel.md").write_text("# Travel\nBy train, please.\n\n# <b>Flights</b>\nNobody flies.\n")
    (tmp_path / "empty.md").write_text(" ")
    browser.driver.get(url)
    files = browser.driver.find_element("id", "files")
    files.send_keys(f"{tmp_path / 'travel.md'}\n{tmp_path / 'empty.md'}")
    told = browser.text("2 passages")
    assert "2 documents" in told
    assert "travel.md" in told
    browser.text("empty.md is empty")
    browser.click("#documents li:has(.failed) .delete")
    browser.until("return document.querySelectorAll('#documents li').length === 1", "one document")
    browser.driver.refresh()
    browser.text("1 document")
    browser.click("#documents summary")
    assert "2 passages" in browser.text("travel.md")
    browser.click(".delete")
    browser.until("return document.getElementById('documents').hidden", "no documents")
    assert httpx.get(f"{url}/v1/documents").json() == {"documents": []}
    assert [error for error in browser.errors() if "422" not in error] == []


def test_the_page_is_served_with_a_policy_that_forbids_foreign_code(url: str) -> None:
    """Its files are not traced, and none may be framed or run inline."""
    for path in chat_page.PATHS:
        answer = httpx.get(f"{url}{path}")
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "change",
    [{"trace_id": "a"}, {"span_id": None}, {"trace_id": "0" * 32}, {"helpful": "yes"}, {"comment": 3}],
)
def test_feedback_that_cannot_be_is_refused(url: str, spans: Spans, change: dict[str, Any]) -> None:
    """With a sentence, and nothing is recorded."""
    body = {"trace_id": "a" * 32, "span_id": "b" * 16, "helpful": False} | change
    answer = httpx.post(f"{url}/v1/feedback", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_feedback")
    assert spans.scores == []


def test_feedback_holds_comment_user_and_session(url: str, spans: Spans) -> None:
    """As the library's scores have them."""
    body = {"trace_id": "a" * 32, "span_id": "b" * 16, "helpful": False, "comment": "not in the passages"}
    headers = {"x-session-id": "s1", "x-user-id": "u1", "x-tenant-id": "acme"}
    assert httpx.post(f"{url}/v1/feedback", json=body, headers=headers).status_code == 204
    (score,) = spans.scores
    assert score["span_id"] == int("b" * 16, 16)
    expected = ("not in the passages", "u1", "s1", "acme")
    keys = (semconv.GEN_AI_EVALUATION_EXPLANATION, semconv.USER_ID, semconv.SESSION_ID, semconv.TENANT_ID)
    assert tuple(score[key] for key in keys) == expected
