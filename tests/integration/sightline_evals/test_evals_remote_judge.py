"""RAGAS with a model behind a loopback server as judge: right answers, and every way in which a judge can fail."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sightline_evals.datasets import Sample
from sightline_evals.judges.offline import OfflineJudge
from sightline_evals.judges.remote import RemoteJudge
from sightline_evals.scoring import Score
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.settings import JudgeSettings

SAMPLE = Sample(
    "1",
    "How do I join paths?",
    "Use os.path.join to join path segments. It was written in 1815 by Napoleon.",
    ("os.path.join(path, *paths) joins one or more path segments intelligently.", "Bananas are yellow fruit."),
)


class _Endpoint(ThreadingHTTPServer):
    """An OpenAI-compatible endpoint whose behaviour is the name of the model that is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Endpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(body)
        behaviour = body["model"]
        if behaviour == "slow":
            self.server.released.wait(10)
        if behaviour == "drip":
            self._drip()
            return
        if behaviour == "fails" or (behaviour == "flaky" and len(self.server.requests) == 1):
            self._send(500, {"error": {"message": "out of memory"}})
        elif behaviour == "busy":
            self._send(429, {"error": {"message": "slow down"}})
        elif behaviour == "locked":
            self._send(401, {"error": {"message": "wrong key"}})
        elif behaviour == "no-json":
            self._send_bytes(200, b"<html>a proxy's login page</html>")
        else:
            text = "As a language model I like this answer." if behaviour == "garbage" else self._answer(body)
            finish = "length" if behaviour == "cut" else "stop"
            self._send(200, _completion(text[:20] if behaviour == "cut" else text, finish))

    def _answer(self, body: dict[str, Any]) -> str:
        from ragas.metrics.collections.context_precision.util import ContextPrecisionOutput
        from ragas.metrics.collections.faithfulness.util import NLIStatementOutput, StatementGeneratorOutput

        from sightline_evals.judges import ragas_adapter as ragas

        prompt = next(message["content"] for message in body["messages"] if "Now perform" in str(message["content"]))
        given = ragas.prompt_input(prompt)
        form: Any = (
            NLIStatementOutput
            if "statements" in given
            else ContextPrecisionOutput
            if "context" in given
            else StatementGeneratorOutput
        )
        found = OfflineJudge().llm().generate(prompt, form).model_dump()
        verdicts = found.get("statements", [])
        if "statements" in given and body["model"] == "forgetful":
            found["statements"] = verdicts[:-1]
        if "statements" in given and body["model"] == "seven":
            verdicts[0]["verdict"] = 7
        if body["model"] == "silent" and "statements" in found:
            found["statements"] = []
        return json.dumps(found)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "100000")
        self.end_headers()
        while not self.server.released.wait(0.05):
            self.wfile.write(b" ")
            self.wfile.flush()

    def _send(self, status: int, body: dict[str, Any]) -> None:
        self._send_bytes(status, json.dumps(body).encode())

    def _send_bytes(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _completion(text: str, finish_reason: str) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


@pytest.fixture
def endpoint() -> Iterator[_Endpoint]:
    """A running endpoint on a free port."""
    server = _Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


async def _score(url: str, behaviour: str, metric: str = "faithfulness", **settings: Any) -> Score:
    wanted = JudgeSettings(
        **{"model": behaviour, "base_url": url, "api_key": "k", "retries": 0, "rate_limit_wait_s": 0.1, **settings}
    )
    judge = RemoteJudge(wanted)
    try:
        return await Scorer(judge, [metric], wanted).score(SAMPLE, metric)
    finally:
        await judge.close()


async def test_a_model_gives_faithfulness_and_context_precision(endpoint: _Endpoint) -> None:
    """One statement of two is supported; the useful passage stands first."""
    score = await _score(endpoint.url, "good")
    assert (score.value, score.error) == (0.5, "")
    assert (score.judge, score.judge_version) == ("ragas/good", "ragas-0.4.3-2")
    assert score.explanation.splitlines()[0] == "1 of 2 statements supported"
    assert "- It was written in 1815 by Napoleon." in score.explanation
    assert (await _score(endpoint.url, "good", "context_precision")).value == 1
    assert endpoint.requests[0]["max_tokens"] == 4096
    assert endpoint.requests[0]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("behaviour", "error", "reason"),
    [
        ("fails", "JudgeUnavailable", "answered 500: "),
        ("busy", "JudgeUnavailable", "answered 429: "),
        ("locked", "JudgeRefused", "answered 401: "),
        ("garbage", "JudgeInvalid", "does not have the requested form"),
        ("no-json", "JudgeInvalid", "does not have the requested form"),
        ("forgetful", "JudgeInvalid", "1 verdicts on 2 statements"),
        ("seven", "JudgeInvalid", "verdict is 7"),
        ("cut", "JudgeTruncated", "SIGHTLINE_JUDGE_MAX_TOKENS"),
    ],
)
async def test_a_failing_judge_is_nan_with_a_reason(
    endpoint: _Endpoint, behaviour: str, error: str, reason: str
) -> None:
    """Never a number, and the reason says what to do."""
    score = await _score(endpoint.url, behaviour)
    assert math.isnan(score.value)
    assert (score.label, score.error) == ("judge failed", error)
    assert reason in score.explanation


async def test_a_judge_that_does_not_answer_in_time_is_nan(endpoint: _Endpoint) -> None:
    """One call has its limit."""
    started = time.monotonic()
    score = await _score(endpoint.url, "slow", timeout_s=0.2)
    assert (score.error, math.isnan(score.value)) == ("JudgeTimeout", True)
    assert time.monotonic() - started < 10
    assert "SIGHTLINE_JUDGE_TIMEOUT_S=0.2" in score.explanation


async def test_a_judge_that_drips_is_stopped_by_the_deadline(endpoint: _Endpoint) -> None:
    """Bytes that keep coming never run into the limit of one read, so a score has a limit of its own."""
    await _score(endpoint.url, "good")
    score = await _score(endpoint.url, "drip", deadline_s=0.5)
    assert score.error == "JudgeTimeout"
    assert "SIGHTLINE_JUDGE_DEADLINE_S=0.5" in score.explanation


async def test_nobody_there_is_nan() -> None:
    """A port that nobody listens on is told with its address."""
    score = await _score("http://127.0.0.1:9/v1", "good")
    assert score.error == "JudgeUnavailable"
    assert "no endpoint answers at http://127.0.0.1:9/v1" in score.explanation


async def test_a_failure_that_passes_is_tried_again(endpoint: _Endpoint) -> None:
    """A single 500 costs a retry and no score."""
    assert (await _score(endpoint.url, "flaky", retries=1)).value == 0.5


async def test_a_judge_that_sees_no_statement_is_nan_without_an_error(endpoint: _Endpoint) -> None:
    """RAGAS's own NaN is neither a failure nor a pass."""
    score = await _score(endpoint.url, "silent")
    assert math.isnan(score.value)
    assert (score.label, score.error) == ("no statements", "")
