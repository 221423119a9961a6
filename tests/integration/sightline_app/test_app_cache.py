"""The semantic cache through the app's HTTP interface, with a real Redis behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from chat_app import Model, Shelf, events
from redis_place import RedisPlace
from role_process import Role, free_port
from two_models import ModeModel

from sightline import semconv
from sightline.testing import Spans
from sightline_app.index import Manifest
from sightline_app.limits import attributes
from sightline_app.settings import (
    CacheSettings,
    GuardrailSettings,
    LimitSettings,
    RouteSettings,
    StateSettings,
)
from sightline_app.stages import cache

ASKED = "How do I join paths? [words=6] [cite]"
Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(redis_place: RedisPlace, serve: Start) -> Start:
    """Serve the app in this process, with a cache; returns its address."""

    def start(state: StateSettings | None = None, shelf: Shelf | None = None, **app: Any) -> str:
        return serve(shelf, **{"state": state or redis_place.settings(), "cache": CacheSettings(on=True), **app})

    return start


def ask(url: str, question: str = ASKED, tenant: str = "acme", **body: Any) -> list[tuple[str, Any]]:
    """Ask; the events of the answer."""
    headers = {"x-tenant-id": tenant}
    return events(httpx.post(f"{url}/v1/chat", json={"question": question, **body}, headers=headers, timeout=60).text)


def said(told: list[tuple[str, Any]]) -> str:
    """The text of an answer."""
    return "".join(data["text"] for name, data in told if name == "token")


def request_span(spans: Spans, told: list[tuple[str, Any]]) -> dict[str, Any]:
    """Attributes of the request that an answer is of; its span may end after the response."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for span in spans:
            known = dict(span.attributes or {})
            if (
                known.get(semconv.STAGE) == "request"
                and format(span.context.trace_id, "032x") == told[0][1]["trace_id"]
            ):
                return known
        time.sleep(0.01)
    raise AssertionError("no request span")


def decisions(spans: Spans) -> list[tuple[str, str]]:
    """Look-ups and keepings since the last call: each with its decision, and the reason behind a colon."""
    found = []
    for span in spans:
        told: dict[str, Any] = dict(span.attributes or {})
        if cache.DECISION in told and span.name.startswith("cache."):
            reason = f": {told[cache.REASON]}" if cache.REASON in told else ""
            found.append((span.name.removeprefix("cache."), f"{told[cache.DECISION]}{reason}"))
    spans.clear()
    return found


def test_same_question_is_answered_from_the_cache(start: Start, model: Model, spans: Spans) -> None:
    """The same words and sources in pieces, with no model asked, nothing used, and what was saved on the spans."""
    url = start()
    first = ask(url)
    assert decisions(spans) == [("look_up", "miss"), ("keep", "kept")]
    second = ask(url, f"  {ASKED.upper().replace('[WORDS=6] [CITE]', '[words=6] [cite]')} ")
    told = spans.attributes("cache.look_up")
    request = request_span(spans, second)
    assert said(second) == said(first) == "alpha bravo charlie delta echo [1] "
    assert [data for name, data in second if name == "sources"] == [data for name, data in first if name == "sources"]
    assert [name for name, _ in second] == ["meta", "sources", *["token"] * 6, "done"]
    assert second[-1][1]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert second[-1][1]["finish_reason"] == "stop"
    assert len(model.prompts) == 1
    assert (told[cache.DECISION], told[cache.STORE]) == ("hit", "redis")
    assert (told[cache.SAVED_INPUT_TOKENS], told[cache.SAVED_OUTPUT_TOKENS]) == (40, 10)
    assert told[cache.SIMILARITY] >= told[cache.THRESHOLD]
    assert told[cache.AGE] >= 0
    assert told[cache.SAVED_SECONDS] >= 0
    assert told[cache.TRACE] == first[0][1]["trace_id"]
    assert (request[cache.DECISION], request[cache.SAVED_INPUT_TOKENS]) == ("hit", 40)
    assert not [s for s in spans if (s.attributes or {}).get(semconv.STAGE) in {"search", "model", "prompt"}]
    assert [s.name for s in spans].count("cache.keep") == 0


def test_cache_that_is_off_makes_no_span(start: Start, model: Model, spans: Spans) -> None:
    """Off is the default."""
    url = start(cache=CacheSettings())
    ask(url)
    ask(url)
    assert len(model.prompts) == 2
    assert decisions(spans) == []


def test_hit_charges_nothing(start: Start, spans: Spans) -> None:
    """A budget pays for what was used."""
    url = start(limits=LimitSettings(tokens_per_day=1_000_000))
    ask(url)
    told = request_span(spans, ask(url))
    assert told[attributes.LIMIT_CHARGED_TOKENS] == 0


def test_nothing_is_given_to_another_tenant_filter_or_question(start: Start, model: Model, spans: Spans) -> None:
    """Each difference is a miss, one by one, and afterwards each has an answer of its own."""
    url = start()
    others: list[dict[str, Any]] = [
        {},
        {"tenant": "globex"},
        {"since": "2020-01-01"},
        {"question": "How do I join 3 paths? [words=6] [cite]"},
        {"question": "How do I not join paths? [words=6] [cite]"},
    ]
    for each in others:
        ask(url, **each)
    assert len(model.prompts) == len(others)
    assert decisions(spans) == [("look_up", "miss"), ("keep", "kept")] * len(others)
    for each in others:
        ask(url, **each)
    assert decisions(spans) == [("look_up", "hit")] * len(others)


@pytest.mark.parametrize(
    "change", [{"chat_model": "other"}, {"temperature": 0.9}, {"top_k": 1}, {"max_output_tokens": 7}], ids=str
)
def test_other_model_or_prompt_has_other_answers(start: Start, spans: Spans, change: dict[str, Any]) -> None:
    """An app with other settings on the same Redis does not get what the first one made."""
    ask(start())
    spans.clear()
    ask(start(**change))
    assert decisions(spans) == [("look_up", "miss"), ("keep", "kept")]


def test_new_index_has_no_answers_of_the_old_one(start: Start, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an ingest the version is another, and so are the answers."""
    ask(start())
    spans.clear()
    plain = Manifest
    monkeypatch.setattr(chat_app, "Manifest", lambda version, *rest: plain("v2", *rest))
    ask(start())
    assert decisions(spans) == [("look_up", "miss"), ("keep", "kept")]


@pytest.mark.parametrize(
    ("question", "body", "expected"),
    [
        ("And then?", {"history": [{"role": "user", "content": "What?"}]}, [("look_up", "skipped: history")]),
        ("How " + "very " * 200, {}, [("look_up", "skipped: long_question")]),
        ("\U0001f600\u0301" * 1500, {}, [("look_up", "skipped: long_question")]),
        ("Who is jane@example.com?", {}, [("look_up", "skipped: personal_data")]),
        ("Join [words=8] [break]", {}, [("look_up", "miss")]),
        ("My card is 4111 1111 1111 1111, is it valid?", {}, []),
        ("Join [words=0]", {}, [("look_up", "miss"), ("keep", "skipped: empty")]),
    ],
)
def test_what_must_not_be_kept_is_not(
    start: Start, redis_place: RedisPlace, spans: Spans, question: str, body: dict[str, Any], expected: list[Any]
) -> None:
    """Follow-ups, long and personal questions, refused, broken and empty answers; the span says why."""
    url = start()
    ask(url, question, **body)
    assert decisions(spans) == expected
    with redis_place.client() as client:
        assert client.keys("sightline:answers:*") == []


def test_answer_that_was_guarded_is_not_kept(start: Start, spans: Spans) -> None:
    """Something was replaced in it, so it is not what the model said."""
    shelf = Shelf({"os.path.join": "Join paths; ask jane@example.com."})
    url = start(shelf=shelf, guardrails=GuardrailSettings(answer_permits="nothing"))
    assert "[email]" in said(ask(url, "Join [echo] [words=1]"))
    assert decisions(spans) == [("look_up", "miss"), ("keep", "skipped: guarded")]


def test_answer_of_the_wrong_model_or_cut_at_its_bound_is_not_kept(start: Start, spans: Spans) -> None:
    """A fallback's answer is second best, and a cut one is none."""
    small, large = ModeModel("small"), ModeModel("large")
    try:
        large.mode = "refuse"
        routing = RouteSettings(large_model="m", large_base_url=large.url, rule="large")
        ask(start(model_base_url=small.url, route=routing))
        assert decisions(spans) == [("look_up", "miss"), ("keep", "skipped: fallback")]
        small.mode = "cut"
        ask(start(model_base_url=small.url))
        assert decisions(spans) == [("look_up", "miss"), ("keep", "skipped: finish_reason length")]
    finally:
        small.served.stop()
        large.served.stop()


def test_readers_verdict_removes_a_wrong_answer(start: Start, model: Model, spans: Spans) -> None:
    """A reader who got it from the cache may judge it too; a good verdict and another tenant's change nothing."""
    url = start()
    ask(url)
    meta = ask(url)[0][1]
    assert decisions(spans)[-1] == ("look_up", "hit")
    ids = {"trace_id": meta["trace_id"], "span_id": meta["span_id"]}
    for tenant, helpful, expected in (("acme", True, "hit"), ("globex", False, "hit"), ("acme", False, "miss")):
        judged = httpx.post(f"{url}/v1/feedback", json={**ids, "helpful": helpful}, headers={"x-tenant-id": tenant})
        assert judged.status_code == 204
        ask(url)
        assert ("look_up", expected) in decisions(spans)
    assert len(model.prompts) == 2


def test_equal_questions_at_once_leave_one_answer(start: Start, redis_place: RedisPlace, model: Model) -> None:
    """Each is answered; whoever ends last keeps the answer for all."""
    url = start()
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: said(ask(url)), range(8)))
    assert set(told) == {"alpha bravo charlie delta echo [1] "}
    asked = len(model.prompts)
    assert said(ask(url)) == told[0]
    assert len(model.prompts) == asked
    with redis_place.client() as client:
        assert [client.hlen(key) for key in client.keys("*:answers")] == [1]


def test_without_redis_answers_go_on_and_the_cache_comes_back(
    start: Start, redis_place: RedisPlace, model: Model, spans: Spans
) -> None:
    """After kill -9 each answer is the model's and the span says why; after the return the cache serves again."""
    url = start()
    ask(url)
    redis_place.kill()
    spans.clear()
    assert said(ask(url)) == "alpha bravo charlie delta echo [1] "
    assert len(model.prompts) == 2
    (name, why), *more = decisions(spans)
    assert (name, more) == ("look_up", [])
    assert why.startswith("away: Redis at")
    redis_place.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ask(url)
        if ("look_up", "hit") in decisions(spans):
            return
    raise AssertionError("the cache did not come back")


def test_redis_that_hangs_holds_no_answer_up_for_longer_than_its_timeout(
    start: Start, redis_place: RedisPlace, model: Model, spans: Spans
) -> None:
    """It takes commands and answers none: the answer is the model's."""
    url = start(redis_place.settings(timeout_s=0.3, connect_timeout_s=0.3))
    ask(url)
    decisions(spans)
    with redis_place.paused():
        assert said(ask(url)) == "alpha bravo charlie delta echo [1] "
    assert len(model.prompts) == 2
    assert decisions(spans)[0][1].startswith("away: Redis at")


def test_full_redis_answers_and_keeps_nothing(start: Start, redis_place: RedisPlace, spans: Spans) -> None:
    """The span says that there is no room."""
    url = start()
    with redis_place.client() as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
        try:
            assert said(ask(url)) == "alpha bravo charlie delta echo [1] "
        finally:
            client.config_set("maxmemory", before)
    assert decisions(spans) == [("look_up", "miss"), ("keep", "skipped: store_full")]


def test_process_keeps_answers_where_there_is_no_redis(
    start: Start, model: Model, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, in the log, and on each span."""
    url = start(StateSettings(mode="process"))
    ask(url)
    spans.clear()
    ask(url)
    assert spans.attributes("cache.look_up")[cache.STORE] == "process"
    assert len(model.prompts) == 1
    assert len([r for r in caplog.records if "cached answers are kept in this process alone" in r.getMessage()]) == 1


def test_two_processes_share_the_cache(
    start: Start, model: Model, redis_place: RedisPlace, tmp_path: Path, spans: Spans
) -> None:
    """What one process of the app keeps, another one gives."""
    ask(start())
    spans.clear()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "REDIS_URL": redis_place.url,
        "OPENAI_BASE_URL": model.url,
        "SIGHTLINE_APP_DATA_DIR": str(tmp_path),
        "SIGHTLINE_APP_TOP_K": "2",
        "SIGHTLINE_APP_CANDIDATES": "3",
        "SIGHTLINE_APP_CACHE": "true",
    }
    other = Role(["python", chat_app.__file__, str(port)], env, f"{url}/readyz", tmp_path / "other.log")
    try:
        other.start()
        told = ask(url)
    finally:
        other.stop()
    assert said(told) == "alpha bravo charlie delta echo [1] "
    assert told[-1][1]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert len(model.prompts) == 1
