"""Server-sent events of the app: numbers, heartbeats, streams that are lost and read on, streams that are cancelled."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from chat_app import numbered_events
from lost_streams import ACME, ENDLESS, LONG, address, all_words, ended, is_gapless, lose, resume, take, words

from sightline import semconv
from sightline.testing import Spans
from sightline_app.api import live_stream
from sightline_app.limits import attributes
from sightline_app.limits.api_keys import SERVICE, KeyRing
from sightline_app.settings import ApiSettings, LimitSettings

Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(serve: Start) -> Start:
    """Serve the app in this process; returns its address."""

    def start(limits: dict[str, Any] | None = None, **changes: Any) -> str:
        return serve(limits=LimitSettings(**(limits or {})), api=ApiSettings(**changes))

    return start


def test_lost_stream_goes_on_with_each_event_once(start: Start, spans: Spans) -> None:
    """What came before and after is the whole answer; it is charged once; the trace says that the client came back."""
    url = start({"tokens_per_day": 1_000_000}, resume_s=60)
    before = lose(url, LONG, 5)
    after = numbered_events(resume(url, before).text)
    assert is_gapless(before + after)
    assert words(before + after) == all_words(40)
    assert after[-1][1] == "done"
    assert after[-1][2]["conversation"]["kept"] is True
    request = ended(spans, "request")
    assert request[live_stream.RESUMED] == 1
    assert request[semconv.OUTPUT].strip() == all_words(40).strip()
    assert request[attributes.LIMIT_CHARGED_TOKENS] == 50
    assert request[semconv.BUDGET_USED] == (50,)
    assert live_stream.CANCELLED_BY not in request
    resumed = spans.single(name="stream.resume")
    assert (resumed.attributes or {})[live_stream.RESUMED_AFTER] == before[-1][0]
    assert format(resumed.context.trace_id, "032x") == before[0][2]["trace_id"]
    assert {span.context.trace_id for span in spans} == {resumed.context.trace_id}


def test_stream_is_resumed_again_and_again(start: Start, spans: Spans) -> None:
    """Three connections share the events among them, none twice."""
    url = start(resume_s=60)
    told = lose(url, LONG, 3)
    headers = {**ACME, "last-event-id": str(told[-1][0])}
    with httpx.stream("GET", f"{url}{address(told)}", headers=headers, timeout=30) as answer:
        told += take(answer, 3)
    told += numbered_events(resume(url, told).text)
    assert is_gapless(told)
    assert words(told) == all_words(40)
    assert ended(spans, "request")[live_stream.RESUMED] == 2


def test_new_connection_takes_the_place_of_one_that_may_be_dead(start: Start) -> None:
    """The server has not noticed that the first one is gone: the second gets every event that it lacks."""
    url = start(resume_s=60)
    with httpx.stream("POST", f"{url}/v1/chat", json={"question": LONG}, headers=ACME, timeout=30) as dead:
        before = take(dead, 3)
        after = numbered_events(resume(url, before).text)
    assert words(before + after) == all_words(40)


def test_answer_that_ended_meanwhile_is_read_to_its_end(start: Start, spans: Spans) -> None:
    """Its events are kept; who has them all is told that there are no more, as browsers understand it."""
    url = start(resume_s=60)
    before = lose(url, "Tell me [words=6]", 1)
    assert ended(spans, "request")[semconv.RESPONSE_CONTENT_EVENTS] >= 1
    after = numbered_events(resume(url, before).text)
    assert words(before + after) == all_words(6)
    assert resume(url, before + after).status_code == 204
    from_the_beginning = httpx.get(f"{url}{address(before)}", headers=ACME, timeout=30)
    assert numbered_events(from_the_beginning.text) == before + after


def test_only_who_asked_may_read_or_cancel_a_stream(start: Start, tmp_path: Path) -> None:
    """Another tenant, session or key finds nothing, and the answer does not hear of it."""
    ring = KeyRing(tmp_path / "keys")
    mine, other = ring.create("one", "acme", role=SERVICE), ring.create("two", "acme", role=SERVICE)
    url = start({"keys_file": tmp_path / "keys"}, resume_s=60)
    headers = {**ACME, "x-api-key": mine}
    before = lose(url, LONG, 3, headers)
    strangers = [{"x-tenant-id": "globex"}, {"x-session-id": "s2"}, {"x-session-id": ""}, {"x-api-key": other}]
    for change in strangers:
        found = resume(url, before, headers, **change)
        assert (found.status_code, found.json()["error"]["type"]) == (404, "stream_unknown"), change
        assert httpx.delete(f"{url}{address(before)}", headers=headers | change).status_code == 404
    assert resume(url, before, headers, **{"x-api-key": "sla_no"}).status_code == 401
    unknown = httpx.get(f"{url}/v1/chat/streams/none", headers=headers)
    assert unknown.status_code == 404
    assert words(before + numbered_events(resume(url, before, headers).text)) == all_words(40)


def test_events_that_the_buffer_lost_are_not_skipped_silently(start: Start, spans: Spans) -> None:
    """The client is told which ones are gone; what is still kept can be had."""
    url = start(resume_s=60, buffer_bytes=1024)
    before = lose(url, "Tell me [words=300]", 1)
    ended(spans, "request")
    gone = resume(url, before[:2])
    assert (gone.status_code, gone.json()["error"]["type"]) == (410, "events_gone")
    rest = numbered_events(resume(url, before, **{"last-event-id": "290"}).text)
    assert [number for number, _, _ in rest] == list(range(291, rest[-1][0] + 1))
    assert rest[-1][1] == "done"


@pytest.mark.parametrize(
    ("last", "status", "kind"),
    [
        ("99999", 409, "event_unknown"),
        ("x", 400, "invalid_event_id"),
        ("-1", 400, "invalid_event_id"),
        ("1" * 400, 400, "invalid_event_id"),
        ("²", 400, "invalid_event_id"),
    ],
)
def test_number_that_no_event_has_is_refused(start: Start, last: str, status: int, kind: str) -> None:
    """With its reason; the answer does not hear of it."""
    url = start(resume_s=60)
    before = lose(url, LONG, 3)
    headers = [(name.encode(), value.encode()) for name, value in ACME.items()]
    refused = httpx.get(f"{url}{address(before)}", headers=[*headers, (b"last-event-id", last.encode())])
    assert (refused.status_code, refused.json()["error"]["type"]) == (status, kind)
    assert words(before + numbered_events(resume(url, before).text)) == all_words(40)


def test_answer_is_cancelled_when_its_client_does_not_come_back(start: Start, spans: Spans) -> None:
    """The model is cancelled, what was said is charged, and the stream is gone."""
    url = start({"tokens_per_day": 1_000_000}, resume_s=0.2)
    before = lose(url, ENDLESS, 3)
    request = ended(spans, "request")
    assert request[live_stream.CANCELLED_BY] == "client_gone"
    assert request[semconv.RESPONSE_OUTCOME] == "client_gone"
    assert 0 < request[attributes.LIMIT_CHARGED_TOKENS] < request[attributes.LIMIT_RESERVED_TOKENS]
    assert spans.attributes(stage="model")[semconv.STREAM_OUTCOME] == "cancelled"
    deadline = time.monotonic() + 30
    while resume(url, before).status_code != 404:
        assert time.monotonic() < deadline, "the stream is still there"
        time.sleep(0.05)


def test_client_that_comes_back_in_time_keeps_the_answer_running(start: Start, spans: Spans) -> None:
    """The time without a client counts anew after each loss, not from the first one on."""
    url = start(resume_s=30)
    told = lose(url, ENDLESS, 2)
    for _ in range(3):
        headers = {**ACME, "last-event-id": str(told[-1][0])}
        with httpx.stream("GET", f"{url}{address(told)}", headers=headers, timeout=30) as answer:
            told += take(answer, 2)
    assert is_gapless(told)
    assert httpx.delete(f"{url}{address(told)}", headers=ACME).status_code == 204
    request = ended(spans, "request")
    assert (request[live_stream.RESUMED], request[live_stream.CANCELLED_BY]) == (3, "asked")


def test_answer_that_is_cancelled_ends_with_an_event_that_says_so(start: Start, spans: Spans) -> None:
    """The connection that reads gets it; the model's span ends as cancelled."""
    url = start()
    text = ""
    with httpx.stream("POST", f"{url}/v1/chat", json={"question": ENDLESS}, headers=ACME, timeout=30) as answer:
        for piece in answer.iter_text():
            if not text.count("event: token\n") and piece.count("event: token\n"):
                at = address(numbered_events(text + piece))
                assert httpx.delete(f"{url}{at}", headers=ACME).status_code == 204
                assert httpx.delete(f"{url}{at}", headers=ACME).status_code == 204
            text += piece
    told = numbered_events(text)
    assert told[-1][1:] == ("error", live_stream.CANCELLED)
    assert ended(spans, "model")[semconv.STREAM_OUTCOME] == "cancelled"
    assert ended(spans, "request")[live_stream.CANCELLED_BY] == "asked"


def test_streams_are_not_resumed_where_that_is_off(start: Start, spans: Spans) -> None:
    """The answer ends with its client, and its address finds nothing."""
    url = start(resume_s=0)
    before = lose(url, ENDLESS, 3)
    assert ended(spans, "model")[semconv.STREAM_OUTCOME] == "cancelled"
    assert resume(url, before).status_code == 404


def test_silence_of_the_model_is_filled_with_comments(start: Start) -> None:
    """They are no events; without the setting there are none."""
    question = {"question": "Tell me [words=3] [pause=0.5]"}
    text = httpx.post(f"{start(heartbeat_s=0.05)}/v1/chat", json=question, timeout=30).text
    assert text.count(": the answer goes on\n\n") >= 3
    assert text.startswith("retry: 1000\nevent: meta\nid: 1\n")
    assert is_gapless(numbered_events(text))
    assert "goes on" not in httpx.post(f"{start(heartbeat_s=0)}/v1/chat", json=question, timeout=30).text


def test_client_that_reads_slowly_gets_every_event(start: Start) -> None:
    """The answer waits for it: a small buffer drops nothing that it has not had."""
    url = start(buffer_bytes=1024)
    place = urlsplit(url)
    body = f'{{"question": "{"x" * 3000} [words=200] [echo]"}}'.encode()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((place.hostname, place.port))
        slow.settimeout(30)
        fields = f"Host: {place.netloc}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        slow.sendall(f"POST /v1/chat HTTP/1.1\r\n{fields}\r\n".encode() + body)
        read = bytearray()
        while piece := slow.recv(2048):
            read += piece
    assert read.count(b"x" * 3000) >= 200
    assert [int(number) for number in re.findall(rb"\nid: (\d+)\n", read)] == list(range(1, read.count(b"\nid: ") + 1))
    assert b"event: done\n" in read


def test_readiness_is_asked_with_one_client(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe builds no HTTP client of its own."""
    url = start()
    made = []
    monkeypatch.setattr(httpx.AsyncClient, "__init__", lambda *_, **__: made.append(1))
    with httpx.Client() as client:
        assert [client.get(f"{url}/readyz").status_code for _ in range(3)] == [200, 200, 200]
    assert not made
