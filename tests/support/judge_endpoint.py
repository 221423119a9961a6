"""An OpenAI-compatible endpoint on loopback that judges with the offline judge, and fails as a test wants it to.

Run as a program it serves until it is ended: ``python judge_endpoint.py PORT_FILE [DELAY_S]``.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
DROP: Reply = (0, {}, b"")
"""Close the connection without an answer."""


class JudgeEndpoint(ThreadingHTTPServer):
    """The endpoint.

    Attributes:
        requests: bodies of all calls, in the order of arrival.
        before: looks at a body before it is answered; a reply of its own takes the place of the answer.
        wrap: what is made of the JSON that the model says.
        delay_s: how long the model thinks.
        released: ends all waiting.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.before: Callable[[dict[str, Any]], Reply | None] = lambda _: None
        self.wrap: Callable[[str], str] = lambda text: text
        self.delay_s = 0.0
        self.released = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a run that is judged here."""
        return {"SIGHTLINE_JUDGE_MODEL": "m", "SIGHTLINE_JUDGE_BASE_URL": self.url, "SIGHTLINE_JUDGE_API_KEY": "k"}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: JudgeEndpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append(body)
            reply = self.server.before(body)
        if reply is None:
            self.server.released.wait(self.server.delay_s)
            reply = embedded(body) if "input" in body else said(self.server.wrap(judged(body)))
        status, headers, content = reply
        if not status:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def said(text: str, finish_reason: str = "stop") -> Reply:
    """A completion with a text."""
    message = {"role": "assistant", "content": text}
    body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return 200, {}, json.dumps(body).encode()


def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **fields: str) -> Reply:
    """An error as OpenAI words it."""
    return status, headers or {}, json.dumps({"error": {"message": message, **fields}}).encode()


def embedded(body: dict[str, Any]) -> Reply:
    """Embeddings that count letters: equal texts have a cosine of 1."""
    vectors = [[float(text.lower().count(letter)) + 0.01 for letter in "abcdefghijklmnop"] for text in body["input"]]
    rows = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 10, "total_tokens": 10}
    return 200, {}, json.dumps({"object": "list", "data": rows, "model": "e", "usage": usage}).encode()


def prompt_of(body: dict[str, Any]) -> str:
    """The prompt that RAGAS wrote."""
    return next(str(message["content"]) for message in body["messages"] if "Now perform" in str(message["content"]))


def judged(body: dict[str, Any]) -> str:
    """What a careful model answers, as JSON: verdicts by the words of statement and context."""
    from sightline_evals.judges.offline import OfflineJudge
    from sightline_evals.judges.ragas_adapter import prompt_input

    judge, prompt = OfflineJudge(), prompt_of(body)
    given = prompt_input(prompt)

    def verdicts(statements: list[str], context: str) -> list[dict[str, Any]]:
        found = [(text, judge.evidence(text, context)) for text in statements]
        return [{"statement": text, "reason": "r", "verdict": int(judge.supported(each))} for text, each in found]

    keys = sorted(given)
    if keys == ["context", "statements"]:
        return json.dumps({"statements": verdicts(given["statements"], given["context"])})
    if keys in (["answer", "question"], ["question", "text"]):
        return json.dumps({"statements": judge.statements(given.get("answer") or given["text"])})
    if keys == ["atomicity", "coverage", "response"]:
        return json.dumps({"claims": judge.statements(given["response"])})
    if keys == ["context", "response"]:
        return json.dumps({"rating": 2 * int(judge.supported(judge.evidence(given["response"], given["context"])))})
    if keys == ["response"]:
        return json.dumps({"question": "How do I join paths?", "noncommittal": 0})
    if "classifications" in prompt:
        rows = verdicts(judge.statements(given["answer"]), given["context"])
        return json.dumps({"classifications": [{**row, "attributed": row["verdict"]} for row in rows]})
    useful, reason = judge.useful(given["question"], given["context"], given["answer"])
    return json.dumps({"reason": reason, "verdict": int(useful)})


def calls_a_second(limit: int, *, with_retry_after: bool = True) -> Callable[[dict[str, Any]], Reply | None]:
    """A rate limit as gateways have it: so many calls in each second since the first one, the others get 429."""
    began: list[float] = []
    counts: dict[int, int] = {}

    def check(_: dict[str, Any]) -> Reply | None:
        now = time.monotonic()
        began.append(now)
        second = int(now - began[0])
        counts[second] = counts.get(second, 0) + 1
        if counts[second] <= limit:
            return None
        left_s = second + 1 - (now - began[0])
        headers = {"retry-after-ms": str(max(1, round(left_s * 1000)))} if with_retry_after else {}
        return error(429, "slow down", headers, code="rate_limit_exceeded")

    return check


@contextmanager
def running() -> Iterator[JudgeEndpoint]:
    """An endpoint on a free port."""
    server = JudgeEndpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    with running() as endpoint:
        endpoint.delay_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
        Path(sys.argv[1]).write_text(endpoint.url)
        threading.Event().wait()
