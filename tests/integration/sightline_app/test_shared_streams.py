"""Streams that begin at one process of the app and are read on at another one, through a real Redis."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from chat_app import Model, numbered_events
from lost_streams import ACME, ENDLESS, LONG, address, all_words, ended, is_gapless, lose, resume, take, words
from redis_place import RedisPlace
from role_process import Role, free_port

from sightline import semconv
from sightline.testing import Spans
from sightline_app.api import live_stream, shared_streams
from sightline_app.limits import attributes
from sightline_app.settings import ApiSettings, LimitSettings

Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(redis_place: RedisPlace, serve: Start) -> Start:
    """Serve an app with streams of its own in this process; all share one Redis. Returns its address."""

    def start(**changes: Any) -> str:
        api = ApiSettings(**{"resume_s": 60, **changes})
        return serve(state=redis_place.settings(), limits=LimitSettings(tokens_per_day=1_000_000), api=api)

    return start


@pytest.fixture(name="other")
def _other(redis_place: RedisPlace, model: Model, tmp_path: Path) -> Iterator[tuple[Role, str]]:
    """An app as a process of its own, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "OPENAI_BASE_URL": model.url,
        "REDIS_URL": redis_place.url,
        "SIGHTLINE_APP_DATA_DIR": str(tmp_path / "other"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    role = Role(["python", str(Path(chat_app.__file__)), str(port)], env, f"{url}/readyz", tmp_path / "other.log")
    role.start()
    yield role, url
    role.stop()


def test_stream_is_read_on_at_another_process(start: Start, spans: Spans) -> None:
    """Each event once, charged once; the trace says that the client came back. All of it can be had again, too."""
    one, two = start(), start()
    before = lose(one, LONG, 5)
    after = numbered_events(resume(two, before).text)
    assert is_gapless(before + after)
    assert words(before + after) == all_words(40)
    assert after[-1][1] == "done"
    assert after[-1][2]["conversation"]["kept"] is True
    request = ended(spans, "request")
    assert (request[live_stream.RESUMED], request[attributes.LIMIT_CHARGED_TOKENS]) == (1, 50)
    assert (spans.single(name="stream.resume").attributes or {})[live_stream.RESUMED_AFTER] == before[-1][0]
    from_the_beginning = httpx.get(f"{two}{address(before)}", headers=ACME, timeout=30)
    assert numbered_events(from_the_beginning.text) == before + after
    assert resume(two, before + after).status_code == 204


def test_client_changes_between_processes(start: Start, spans: Spans) -> None:
    """There, back and there again: the newest connection has its place, at whichever process it is."""
    one, two = start(), start()
    told = lose(one, ENDLESS, 2)
    for url in (two, one, two):
        headers = {**ACME, "last-event-id": str(told[-1][0])}
        with httpx.stream("GET", f"{url}{address(told)}", headers=headers, timeout=30) as answer:
            told += take(answer, 2)
    assert is_gapless(told)
    assert httpx.delete(f"{two}{address(told)}", headers=ACME).status_code == 204
    told += numbered_events(resume(two, told).text)
    assert told[-1][1:] == ("error", live_stream.CANCELLED)
    assert is_gapless(told)
    assert ended(spans, "model")[semconv.STREAM_OUTCOME] == "cancelled"
    assert ended(spans, "request")[live_stream.CANCELLED_BY] == "asked"


def test_only_who_asked_may_read_or_cancel_it_anywhere(start: Start) -> None:
    """Another tenant or session finds nothing at another process either, nor does a number that no event has."""
    one, two = start(), start()
    before = lose(one, LONG, 3)
    for change in ({"x-tenant-id": "globex"}, {"x-session-id": "s2"}):
        found = resume(two, before, ACME, **change)
        assert (found.status_code, found.json()["error"]["type"]) == (404, "stream_unknown"), change
        assert httpx.delete(f"{two}{address(before)}", headers=ACME | change).status_code == 404
    later = resume(two, before, ACME, **{"last-event-id": "99999"})
    assert (later.status_code, later.json()["error"]["type"]) == (409, "event_unknown")
    assert httpx.get(f"{two}/v1/chat/streams/none", headers=ACME).status_code == 404
    assert words(before + numbered_events(resume(two, before).text)) == all_words(40)


def test_events_that_the_buffer_lost_are_said_anywhere(start: Start, spans: Spans) -> None:
    """Redis keeps no more than the process that answers."""
    one, two = start(buffer_bytes=1024), start()
    before = lose(one, "Tell me [words=300]", 1)
    ended(spans, "request")
    deadline = time.monotonic() + 30
    while (gone := resume(two, before[:2])).status_code != 410:
        assert time.monotonic() < deadline, gone.text
        time.sleep(0.02)
    assert gone.json()["error"]["type"] == "events_gone"
    rest = numbered_events(resume(two, before, ACME, **{"last-event-id": "290"}).text)
    assert [number for number, _, _ in rest] == list(range(291, rest[-1][0] + 1))
    assert rest[-1][1] == "done"


def test_answer_ends_when_its_client_leaves_another_process(
    start: Start, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that answers notices the silence, as it notices a connection that closes."""
    monkeypatch.setattr(shared_streams, "_READER_GONE_MS", 1000)
    one, two = start(resume_s=4), start(resume_s=4)
    told = lose(one, ENDLESS, 2)
    headers = {**ACME, "last-event-id": str(told[-1][0])}
    with httpx.stream("GET", f"{two}{address(told)}", headers=headers, timeout=30) as answer:
        assert is_gapless(told + take(answer, 40))
    request = ended(spans, "request")
    assert (request[live_stream.CANCELLED_BY], request[live_stream.RESUMED]) == ("client_gone", 1)


def test_stream_goes_on_without_redis_for_its_own_client(start: Start, redis_place: RedisPlace) -> None:
    """Another process says 503 meanwhile, and not that there is no such stream."""
    one, two = start(), start()
    with httpx.stream("POST", f"{one}/v1/chat", json={"question": LONG}, headers=ACME, timeout=30) as answer:
        pieces = answer.iter_text()
        text = next(pieces)
        redis_place.kill()
        text += "".join(pieces)
    told = numbered_events(text)
    assert words(told) == all_words(40)
    away = resume(two, told)
    assert (away.status_code, away.json()["error"]["type"]) == (503, "streams_unavailable")
    assert int(away.headers["retry-after"]) > 0


def test_death_of_the_process_that_answers_is_told(
    start: Start, other: tuple[Role, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that reads on elsewhere gets what was published, and then an event that says what happened."""
    monkeypatch.setattr(shared_streams, "_LOST_MS", 1000)
    (process, url), here = other, start()
    told = lose(url, ENDLESS, 3)
    headers = {**ACME, "last-event-id": str(told[-1][0])}
    text = ""
    with httpx.stream("GET", f"{here}{address(told)}", headers=headers, timeout=30) as answer:
        for piece in answer.iter_text():
            if not text:
                process.kill()
            text += piece
    told += numbered_events(text)
    assert is_gapless(told)
    assert told[-1][1:] == ("error", shared_streams.LOST)
