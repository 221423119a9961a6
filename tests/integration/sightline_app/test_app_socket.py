"""Questions over a WebSocket, with the events, limits, keys and sessions of those over HTTP."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_app import numbered_events
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sightline import semconv
from sightline.testing import Spans
from sightline_app.api import live_stream
from sightline_app.limits.api_keys import KeyRing
from sightline_app.settings import ApiSettings, LimitSettings

ACME = {"x-tenant-id": "acme", "x-session-id": "s1"}
ENDLESS = "Tell me [words=5000] [pause=0.02]"

Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(serve: Start) -> Start:
    """Serve the app in this process; returns the address of its socket."""

    def start(api: ApiSettings | None = None, **limits: Any) -> str:
        url = serve(max_body_bytes=10_000, limits=LimitSettings(**limits), api=api or ApiSettings())
        return f"{url.replace('http', 'ws', 1)}/v1/chat/ws"

    return start


def opened(url: str, **headers: str) -> ClientConnection:
    """A socket; underscores stand for hyphens."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(url, additional_headers=sent, open_timeout=30, close_timeout=5)


def send(socket: ClientConnection, **message: Any) -> None:
    """Send a message, a question unless it says something else."""
    socket.send(json.dumps({"type": "question", **message}))


def received(socket: ClientConnection) -> dict[str, Any]:
    """The next event."""
    found: dict[str, Any] = json.loads(socket.recv(timeout=30))
    return found


def until(socket: ClientConnection, *names: str) -> list[dict[str, Any]]:
    """The events up to the first of these names."""
    found = [received(socket)]
    while found[-1]["event"] not in names:
        found.append(received(socket))
    return found


def ask(socket: ClientConnection, question: str) -> list[dict[str, Any]]:
    """Ask, and return all events of the answer."""
    send(socket, question=question)
    return until(socket, "done", "error")


def closed(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the app closes a socket."""
    try:
        while True:
            socket.recv(timeout=30)
    except ConnectionClosed as exc:
        return (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else (0, "the connection broke off")


def ended(spans: Spans, stage: str, count: int = 1) -> list[Any]:
    """The spans of a stage, as soon as there are so many."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [span for span in spans if (span.attributes or {}).get(semconv.STAGE) == stage]
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{len(found)} of {count} spans of {stage} ended")


def test_questions_of_one_socket_are_answered_one_after_the_other(start: Start, spans: Spans) -> None:
    """With the events of a stream; each question is a trace of its own, and they share the conversation."""
    with opened(start(), **ACME) as socket:
        answers = [ask(socket, "What is os.path.join?"), ask(socket, "And json.loads?")]
    for number, told in enumerate(answers, start=1):
        assert [each["event"] for each in told[:3]] == ["meta", "sources", "token"]
        assert [each["id"] for each in told] == list(range(1, len(told) + 1))
        said = [each["data"]["text"] for each in told if each["event"] == "token"]
        assert "".join(said) == "alpha bravo charlie delta "
        assert told[-1]["data"]["conversation"] == {"session": "s1", "turn": number, "memory": "process", "kept": True}
    requests = ended(spans, "request", 2)
    assert [span.name for span in requests] == ["WEBSOCKET /v1/chat/ws"] * 2
    traces = [format(span.context.trace_id, "032x") for span in requests]
    assert traces == [told[0]["data"]["trace_id"] for told in answers]
    assert len(set(traces)) == 2
    for span in requests:
        assert span.attributes[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] > 0
        assert span.attributes[semconv.RESPONSE_OUTCOME] == "completed"
        assert (span.attributes[semconv.TENANT_ID], span.attributes[semconv.SESSION_ID]) == ("acme", "s1")
        assert span.attributes[semconv.OUTPUT].startswith("alpha bravo")
    assert len(ended(spans, "model", 2)) == 2


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("{", "invalid_json"),
        ("[1]", "invalid_json"),
        ("{}", "invalid_request"),
        ('{"type": "sing"}', "invalid_request"),
        ('{"type": "question"}', "empty_question"),
        ('{"type": "question", "question": "x", "since": 5}', "invalid_date"),
        ('{"type": "question", "question": "x", "session_id": "s2"}', "invalid_session"),
    ],
)
def test_message_that_cannot_be_used_is_said_and_the_socket_stays_open(start: Start, message: str, kind: str) -> None:
    """The next question is answered."""
    with opened(start(), **ACME) as socket:
        socket.send(message)
        told = received(socket)
        assert (told["event"], told["data"]["type"], told["data"]["status"]) == ("error", kind, 400)
        assert ask(socket, "What?")[-1]["event"] == "done"


def test_answer_is_cancelled_and_the_next_question_answered(start: Start, spans: Spans) -> None:
    """The model's span ends as cancelled; a cancel without an answer does nothing; one question runs at a time."""
    with opened(start()) as socket:
        send(socket, type="cancel")
        send(socket, question=ENDLESS)
        until(socket, "token")
        send(socket, question="What?")
        early = next(each for each in until(socket, "error") if each["event"] == "error")
        assert (early["data"]["type"], early["data"]["status"]) == ("question_running", 409)
        send(socket, type="cancel")
        assert until(socket, "error")[-1]["data"] == live_stream.CANCELLED
        assert ended(spans, "model")[0].attributes[semconv.STREAM_OUTCOME] == "cancelled"
        assert ask(socket, "What?")[-1]["event"] == "done"
    assert ended(spans, "request", 2)[0].attributes[live_stream.CANCELLED_BY] == "asked"


def test_cancel_right_behind_its_question_is_told(start: Start) -> None:
    """Both came before the question began to run."""
    with opened(start()) as socket:
        for message in ({"type": "question", "question": ENDLESS}, {"type": "cancel"}):
            socket.protocol.send_text(json.dumps(message).encode())
        socket.socket.sendall(b"".join(socket.protocol.data_to_send()))  # in one piece
        assert until(socket, "done", "error")[-1]["data"] == live_stream.CANCELLED
        assert ask(socket, "What?")[-1]["event"] == "done"


def test_limits_hold_for_each_question(start: Start) -> None:
    """A refused one is an event with the status and the seconds; the socket stays open."""
    with opened(start(requests_per_minute=1), **ACME) as socket:
        assert ask(socket, "What?")[-1]["event"] == "done"
        (refused,) = ask(socket, "What?")
    assert (refused["data"]["type"], refused["data"]["status"]) == ("requests_per_minute", 429)
    assert 1 <= refused["data"]["retry_after"] <= 60


def test_messages_that_are_too_large_or_binary_close_the_socket(start: Start) -> None:
    """With the codes of the protocol."""
    url = start()
    with opened(url) as socket:
        send(socket, question="x" * 20_000)
        assert closed(socket)[0] == 1009
    with opened(url) as socket:
        socket.send(b"\0\1")
        assert closed(socket)[0] == 1003


def test_socket_without_a_valid_key_is_closed(start: Start, tmp_path: Path) -> None:
    """The code says why; a key that is revoked ends the socket at its next question."""
    ring = KeyRing(tmp_path / "keys")
    key = ring.create("web", "acme")
    url = start(keys_file=tmp_path / "keys")
    with opened(url) as socket:
        assert closed(socket) == (4401, "api_key_missing")
    with opened(url, x_api_key="sla_x_y") as socket:
        assert closed(socket) == (4401, "api_key_invalid")
    with opened(url, x_api_key=key, x_tenant_id="globex") as socket:
        assert closed(socket) == (4403, "tenant_forbidden")
    with opened(url, x_api_key=key, x_tenant_id="x" * 300) as socket:
        assert closed(socket) == (4400, "invalid_tenant")
    with opened(url, x_api_key=key) as socket:
        assert ask(socket, "What?")[-1]["event"] == "done"
        ring.revoke(key.split("_")[1])
        with contextlib.suppress(ConnectionClosed):
            for _ in range(3000):
                assert ask(socket, "What?")[-1]["event"] == "done"
        assert closed(socket) == (4401, "api_key_invalid")


def test_page_of_another_origin_opens_no_socket(start: Start) -> None:
    """Unless the setting names it; the app's own pages may."""
    url = start(ApiSettings(allowed_origins=("https://www.example.org",)))
    own = url.replace("ws://", "http://").removesuffix("/v1/chat/ws")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as caught:
            connect(url, origin=origin)  # type: ignore[arg-type]  # an Origin is a text
        assert caught.value.response.status_code == 403
    for origin in (own, "https://www.example.org"):
        with connect(url, origin=origin) as socket:  # type: ignore[arg-type]
            assert ask(socket, "What?")[-1]["event"] == "done"


def test_answer_of_a_lost_socket_is_read_on_over_http(start: Start, spans: Spans) -> None:
    """The stream is the same: its address is in `meta`."""
    url = start(ApiSettings(resume_s=60))
    with opened(url, **ACME) as socket:
        send(socket, question="Tell me [words=40] [pause=0.02]")
        told = [received(socket) for _ in range(6)]
    at = url.replace("ws://", "http://").removesuffix("/v1/chat/ws") + told[0]["data"]["stream"]
    rest = numbered_events(httpx.get(at, headers={**ACME, "last-event-id": "6"}, timeout=30).text)
    assert [number for number, _, _ in rest] == list(range(7, rest[-1][0] + 1))
    assert rest[-1][1] == "done"
    assert ended(spans, "request")[0].attributes[live_stream.RESUMED] == 1


def test_lost_socket_cancels_the_model_where_nothing_is_resumed(start: Start, spans: Spans) -> None:
    """At once, and the request says that the client was gone."""
    with opened(start(ApiSettings(resume_s=0))) as socket:
        send(socket, question=ENDLESS)
        until(socket, "token")
    assert ended(spans, "model")[0].attributes[semconv.STREAM_OUTCOME] == "cancelled"
    assert ended(spans, "request")[0].attributes[semconv.RESPONSE_OUTCOME] == "client_gone"
