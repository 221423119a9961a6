"""Sessions and limits through the app's HTTP interface, with a real Redis behind it."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from chat_app import Model, events
from redis_place import RedisPlace
from role_process import Role, free_port

from sightline import semconv
from sightline.testing import Spans
from sightline_app.conversation import sessions
from sightline_app.limits import attributes
from sightline_app.limits.api_keys import SERVICE, KeyRing
from sightline_app.settings import ApiSettings, AppSettings, LimitSettings, StateSettings

ACME = {"x-tenant-id": "acme", "x-session-id": "s1"}


Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(redis_place: RedisPlace, serve: Start) -> Start:
    """Serve the app in this process; returns its address."""

    def start(state: StateSettings | None = None, **limits: Any) -> str:
        return serve(
            passage_chars=1000,
            max_output_tokens=400,
            state=state or redis_place.settings(),
            limits=LimitSettings(**limits),
            api=ApiSettings(resume_s=0),  # an answer ends with its client
        )

    return start


def ask(url: str, question: str, headers: dict[str, str] = ACME, **body: Any) -> httpx.Response:
    """Ask without a stream."""
    asked = json.dumps({"question": question, "stream": False, **body})
    return httpx.post(f"{url}/v1/chat", content=asked, headers=headers, timeout=20)


def contents(model: Model) -> list[str]:
    """The history in the newest prompt."""
    return [message["content"] for message in model.prompts[-1][1:-1]]


def request_span(spans: Spans) -> dict[str, Any]:
    """Attributes of the newest request; its span may end after the response."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = [dict(s.attributes or {}) for s in spans if (s.attributes or {}).get(semconv.STAGE) == "request"]
        if found:
            spans.clear()
            return found[-1]
        time.sleep(0.01)
    raise AssertionError("no request span")


def test_stored_turns_are_the_history_of_the_next_question(start: Start, model: Model, spans: Spans) -> None:
    """The client sends a session id and nothing else; the prompt holds what was said; spans say where it is kept."""
    url = start()
    first = ask(url, "What is os.path.join?").json()
    assert first["conversation"] == {"session": "s1", "turn": 1, "memory": "redis", "kept": True}
    request_span(spans)
    second = ask(url, "What is json.loads?", history=[{"role": "user", "content": "something else"}])
    assert second.json()["conversation"]["turn"] == 2
    assert second.headers["x-conversation-memory"] == "redis"
    assert contents(model) == ["What is os.path.join?", "alpha bravo charlie delta "]
    told = request_span(spans)
    assert told[sessions.MEMORY] == "redis"
    assert told[sessions.TURN] == 2
    assert told[sessions.HISTORY] == "stored"


def test_session_id_of_the_body_is_as_good_as_the_header(start: Start, model: Model) -> None:
    """Either names the session; two different ones are refused, and so is an id that cannot be one."""
    url = start()
    ask(url, "What is os.path.join?", {"x-tenant-id": "acme"}, session_id="s1")
    ask(url, "What is json.loads?")
    assert contents(model)[0] == "What is os.path.join?"
    refused = ask(url, "What?", session_id="s2")
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_session")
    for hostile in ("a\r\nset-cookie: x", "\ud800", "x" * 201, 5, {"a": 1}):
        assert ask(url, "What?", {}, session_id=hostile).status_code == 400


def test_session_of_another_tenant_is_another_session(start: Start, model: Model) -> None:
    """Equal session ids never meet; a tenant's conversation is forgotten by that tenant alone."""
    url = start()
    ask(url, "What is the secret of acme?")
    globex = {"x-tenant-id": "globex", "x-session-id": "s1"}
    ask(url, "What is json.loads?", globex)
    assert contents(model) == []
    assert httpx.delete(f"{url}/v1/conversation", headers=globex).status_code == 204
    assert ask(url, "And now?").json()["conversation"]["turn"] == 2
    assert httpx.delete(f"{url}/v1/conversation", headers=ACME).status_code == 204
    assert ask(url, "And now?").json()["conversation"]["turn"] == 1
    assert httpx.delete(f"{url}/v1/conversation", headers={"x-tenant-id": "acme"}).status_code == 400


def test_refused_question_is_not_kept(start: Start, redis_place: RedisPlace) -> None:
    """What the guard refuses may hold what must not lie about: nothing of it is in Redis."""
    url = start()
    told = ask(url, "My card is 4111 1111 1111 1111, is it valid?").json()
    assert told["finish_reason"] == "content_filter"
    assert told["conversation"]["kept"] is False
    with redis_place.client() as client:
        for key in client.keys("sightline:conversation:*"):
            assert not [name for name in client.hgetall(key) if name[0] == "t"]


def test_answer_that_the_client_left_is_kept_as_partial_and_charged(
    start: Start, model: Model, redis_place: RedisPlace, spans: Spans
) -> None:
    """What was said until then is in the history, marked; its tokens are charged by estimate, not the reservation."""
    url = start(tokens_per_day=1_000_000)
    body = {"question": "Tell me [words=60] [pause=0.05]"}
    with httpx.stream("POST", f"{url}/v1/chat", json=body, headers=ACME, timeout=20) as answer:
        for line in answer.iter_lines():
            if "charlie" in line:
                break
    told = request_span(spans)
    assert told[semconv.RESPONSE_OUTCOME] == "client_gone"
    assert 100 < told[attributes.LIMIT_CHARGED_TOKENS] < told[attributes.LIMIT_RESERVED_TOKENS] / 2
    assert told[semconv.BUDGET_USED] == (told[attributes.LIMIT_CHARGED_TOKENS],)
    ask(url, "What is json.loads?")
    assert contents(model)[1].endswith("[this answer was cut off here]")
    assert contents(model)[1].startswith("alpha bravo charlie")
    with redis_place.client() as client:
        assert [client.zcard(key) for key in client.keys("*held*")] == []


def test_answer_that_the_model_broke_off_is_kept_as_failed_and_charged(start: Start, spans: Spans) -> None:
    """The stream ends with an error, the turn with what was said, the reservation with an estimate."""
    url = start(tokens_per_day=1_000_000)
    answer = httpx.post(f"{url}/v1/chat", json={"question": "Tell me [words=8] [break]"}, headers=ACME, timeout=20)
    name, data = events(answer.text)[-1]
    assert (name, data["type"]) == ("error", "model_unavailable")
    assert data["conversation"]["kept"] is True
    told = request_span(spans)
    assert 0 < told[attributes.LIMIT_CHARGED_TOKENS] < told[attributes.LIMIT_RESERVED_TOKENS]


def test_fifty_questions_of_one_session_at_once_are_fifty_turns(start: Start) -> None:
    """Concurrent requests lose nothing: 50 numbers, all kept."""
    url = start()
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda n: ask(url, f"Question {n}?").json()["conversation"], range(50)))
    assert sorted(each["turn"] for each in told) == list(range(1, 51))
    assert all(each["kept"] for each in told)


def test_question_is_answered_while_redis_is_away(
    start: Start, redis_place: RedisPlace, model: Model, spans: Spans
) -> None:
    """After kill -9: no 500, no wait; answer, header and spans say that memory is away; its return needs no restart."""
    url = start(tokens_per_day=1_000_000)
    ask(url, "What is os.path.join?")
    redis_place.kill()
    sent = [{"role": "user", "content": "sent along"}, {"role": "assistant", "content": "yes"}]
    request_span(spans)
    started = time.monotonic()
    answer = httpx.post(f"{url}/v1/chat", json={"question": "And?", "history": sent}, headers=ACME, timeout=20)
    assert time.monotonic() - started < 5
    assert answer.status_code == 200
    assert answer.headers["x-conversation-memory"] == "away"
    told = events(answer.text)
    assert told[0][1]["conversation"] == {"session": "s1", "turn": None, "memory": "away"}
    assert told[-1][1]["conversation"]["kept"] is False
    assert contents(model) == ["sent along", "yes"]
    recorded = request_span(spans)
    assert recorded[sessions.MEMORY] == "away"
    assert (recorded[attributes.LIMIT_DECISION], recorded[attributes.LIMIT_REASON]) == ("unchecked", "state_away")
    ready = httpx.get(f"{url}/readyz")
    assert ready.status_code == 200
    assert ready.json()["degraded"]
    assert ready.json()["parts"]["conversations"] == {"ready": False, "needed": False, "detail": "Redis is away"}
    redis_place.start()
    deadline = time.monotonic() + 20
    while "; 0 charges wait" not in httpx.get(f"{url}/readyz").json()["parts"]["limits"]["detail"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ask(url, "What is json.loads?").json()["conversation"] == {
        "session": "s1",
        "turn": 2,
        "memory": "redis",
        "kept": True,
    }
    assert contents(model)[0] == "What is os.path.join?"
    assert httpx.get(f"{url}/readyz").json()["degraded"] is False
    recorded = request_span(spans)
    assert recorded[semconv.BUDGET_USED] == (150,)  # the unchecked answer was charged, too


def test_closed_limits_answer_503_while_redis_is_away(start: Start, redis_place: RedisPlace) -> None:
    """Nobody is admitted unchecked, /readyz takes the app out of rotation, and both end with Redis's return."""
    url = start(tokens_per_day=1_000_000, when_away="closed")
    redis_place.kill()
    refused = ask(url, "What?")
    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "limits_unavailable")
    assert refused.headers["retry-after"]
    assert httpx.get(f"{url}/readyz").status_code == 503
    redis_place.start()
    time.sleep(0.2)  # longer than the pause after a failure
    assert ask(url, "What?").status_code == 200
    assert httpx.get(f"{url}/readyz").status_code == 200


def test_budget_that_is_used_up_is_a_429_with_its_reason(start: Start, spans: Spans, tmp_path: Path) -> None:
    """Header fields, body and spans say which limit, of whom, how much is used and when it is there again."""
    token = KeyRing(tmp_path / "keys").create("web", "acme", tokens_per_day=1700, user_tokens_per_month=100_000)
    url = start(keys_file=tmp_path / "keys")
    key = {"authorization": f"Bearer {token}", "x-user-id": "u1"}
    assert ask(url, "What?", {"x-session-id": "s1"}).status_code == 401
    first = ask(url, "What is os.path.join?", key)
    assert first.status_code == 200
    assert first.headers["ratelimit-policy"].startswith('"tokens_per_day";q=1700;qu="tokens";w=86400')
    told = request_span(spans)
    assert told[semconv.BUDGET_NAME] == ("tokens_per_day", "user_tokens_per_month")
    assert told[semconv.BUDGET_OWNER] == (f"key {token.split('_')[1]}", "user acme/u1")
    assert told[semconv.BUDGET_LIMIT] == (1700, 100_000)
    assert told[semconv.BUDGET_USED] == (50, 50)
    assert told[attributes.LIMIT_CHARGED_TOKENS] == 50
    refused = next(answer for _ in range(20) if (answer := ask(url, "What?", key)).status_code != 200)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) <= 86_400
    assert refused.json()["error"]["type"] == "tokens_per_day"
    too_large = ask(url, "x" * 3000, key)
    assert (too_large.status_code, too_large.json()["error"]["type"]) == (413, "tokens_per_day_too_small")
    told = request_span(spans)
    assert (told[attributes.LIMIT_DECISION], told[attributes.LIMIT_REASON]) == ("refused", "tokens_per_day")
    assert told[attributes.API_KEY_ID] == token.split("_")[1]


def test_rate_limit_counts_both_processes_of_an_app(start: Start) -> None:
    """Two apps on one Redis share the minute: of six requests two pass, the others are told when to come back."""
    urls = [start(requests_per_minute=2), start(requests_per_minute=2)]
    started = time.monotonic()
    answers = [ask(urls[n % 2], "What?", {"x-tenant-id": "acme"}) for n in range(6)]
    passed = [answer.status_code for answer in answers].count(200)
    assert 2 <= passed <= 2 + (time.monotonic() - started) // 30
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert '"requests_per_minute";r=0' in refused.headers["ratelimit"]
    assert ask(urls[0], "What?", {"x-tenant-id": "globex"}).status_code == 200


def test_service_key_asks_for_several_tenants(start: Start, tmp_path: Path) -> None:
    """Its tenants' sessions stay apart, and a member's key reaches its own tenant only."""
    ring = KeyRing(tmp_path / "keys")
    service, member = ring.create("gateway", "own", role=SERVICE), ring.create("web", "acme")
    url = start(keys_file=tmp_path / "keys")
    for tenant in ("acme", "globex"):
        headers = {"x-api-key": service, "x-session-id": "s", "x-tenant-id": tenant}
        assert ask(url, "What?", headers).json()["conversation"]["turn"] == 1
    assert ask(url, "What?", {"x-api-key": member, "x-session-id": "s"}).json()["conversation"]["turn"] == 2
    assert ask(url, "What?", {"x-api-key": member, "x-tenant-id": "globex"}).status_code == 403


def test_app_without_redis_keeps_sessions_itself_and_says_so(
    start: Start, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    """Loud at the start, in every answer and in /readyz; sessions and limits work within the one process."""
    with caplog.at_level(logging.ERROR, "sightline.app.state"):
        url = start(StateSettings(local_port=free_port()), tokens_per_day=4000)
    assert "NO REDIS" in caplog.text
    assert ask(url, "What is os.path.join?").json()["conversation"]["memory"] == "process"
    assert ask(url, "And?").headers["x-conversation-memory"] == "process"
    assert contents(model)[0] == "What is os.path.join?"
    ready = httpx.get(f"{url}/readyz").json()
    assert ready["ready"]
    assert ready["degraded"]
    assert "this process only" in ready["parts"]["conversations"]["detail"]


def test_readiness_names_the_model_that_is_away(model: Model, redis_place: RedisPlace, tmp_path: Path) -> None:
    """503, and the part says which setting to look at; addresses are for the log alone."""
    del model
    settings = AppSettings(data_dir=tmp_path, model_base_url="http://127.0.0.1:9/v1", state=redis_place.settings())
    served = chat_app.serve(settings)
    try:
        told = httpx.get(f"{served.url}/readyz")
    finally:
        served.stop()
    assert told.status_code == 503
    assert "OPENAI_BASE_URL" in told.json()["parts"]["model"]["detail"]
    assert "127.0.0.1" not in told.text
    assert told.json()["parts"]["retrieval"]["ready"]


def test_two_processes_share_a_session_and_one_may_be_killed(
    start: Start, model: Model, redis_place: RedisPlace, tmp_path: Path
) -> None:
    """Turns alternate between this process and another one, which is killed in the middle of an answer.

    This one goes on at once with the next number, what was acknowledged is there, the dead one's reservation expires.
    """
    port = free_port()
    other_url, script = f"http://127.0.0.1:{port}", str(Path(chat_app.__file__))
    env = {
        "OPENAI_BASE_URL": model.url,
        "REDIS_URL": redis_place.url,
        "SIGHTLINE_APP_DATA_DIR": str(tmp_path),
        "SIGHTLINE_APP_TOKENS_PER_DAY": "100000",
        "SIGHTLINE_APP_REQUEST_TIMEOUT_S": "60",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    other = Role(["python", script, str(port)], env, f"{other_url}/readyz", tmp_path / "other.log")
    url = start(tokens_per_day=100_000)
    try:
        other.start()
        for number in range(4):
            told = ask((url, other_url)[number % 2], f"Question {number}?").json()["conversation"]
            assert (told["turn"], told["kept"]) == (number + 1, True)
        body = {"question": "Tell me [words=800] [pause=0.05]"}
        with httpx.stream("POST", f"{other_url}/v1/chat", json=body, headers=ACME, timeout=20) as answer:
            next(line for line in answer.iter_lines() if "charlie" in line)
            other.kill()
    finally:
        other.stop()
    told = ask(url, "And now?").json()["conversation"]
    assert (told["turn"], told["kept"]) == (6, True)
    assert contents(model)[-2] == "Question 3?"
    with redis_place.client() as client:
        held = [hold for key in client.keys("*held*") for hold in client.zrange(key, 0, -1, withscores=True)]
        seconds, _ = client.time()  # type: ignore[misc]
        spent = next(client.hgetall(key) for key in client.keys("*spent*"))
    assert len(held) == 1
    assert 0 < held[0][1] / 1000 - seconds <= 121
    assert int(spent["day_spent"]) == 5 * 50
