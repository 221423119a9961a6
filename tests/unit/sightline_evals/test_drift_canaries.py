"""Canary files, and what is sent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sightline_evals.drift import canaries
from sightline_evals.errors import DatasetError, UsageError


def _file(folder: Path, *rows: Any) -> Path:
    path = folder / "canaries.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_canary_needs_only_its_question(tmp_path: Path) -> None:
    """Without an id the question's hash is one, so that it is the same tomorrow; empty lines are skipped."""
    path = _file(
        tmp_path, {"question": " What? "}, "", {"id": 7, "question": "Why?", "expected": ["d1"], "tenant": "t"}
    )
    first, second = canaries.read(path)
    assert (first.question, len(first.id), first.expected) == ("What?", 12, ())
    assert second == canaries.Canary("7", "Why?", ("d1",), "t")
    assert canaries.read(path)[0].id == first.id


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "no JSON"),
        ("[1]", "needs a member `question`"),
        ({"question": " "}, "needs a member `question`"),
        ({"question": "a", "expected": "d1"}, "list of document ids"),
        ({"question": "a", "expected": [1]}, "list of document ids"),
        ({"question": "a", "tenant": 1}, "`tenant` must be a text"),
        ({"question": "a", "vector": [1, "b"]}, "`vector` must be a list of numbers"),
        ('{"question": "a", "vector": [NaN]}', "`vector` must be a list of numbers"),
        ({"question": "a", "vector": [10**400]}, "`vector` must be a list of numbers"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, row: Any, reason: str) -> None:
    """By its number and the reason."""
    with pytest.raises(DatasetError, match=reason) as told:
        canaries.read(_file(tmp_path, {"question": "ok"}, row))
    assert told.value.line == 2


def test_a_header_has_a_name_and_a_value() -> None:
    """A line break would be a second header."""
    assert canaries.header("--ask-header", " X-Key : a:b ") == ("X-Key", "a:b")
    for text in ("key", ": value", "a: b\r\nc: d"):
        with pytest.raises(UsageError, match="--ask-header"):
            canaries.header("--ask-header", text)


def test_files_without_canaries_and_doubles_are_refused(tmp_path: Path) -> None:
    """A missing file too."""
    with pytest.raises(DatasetError, match="holds no canary"):
        canaries.read(_file(tmp_path, ""))
    with pytest.raises(DatasetError, match="twice"):
        canaries.read(_file(tmp_path, {"id": "a", "question": "x"}, {"id": "a", "question": "y"}))
    with pytest.raises(DatasetError, match="cannot be read"):
        canaries.read(tmp_path / "absent.jsonl")


def test_other_questions_are_another_set(tmp_path: Path) -> None:
    """Expected documents may be corrected without losing the history."""
    path = tmp_path / "c.jsonl"
    one = [canaries.Canary("a", "x")]
    assert canaries.fingerprint(path, one) == canaries.fingerprint(path, [canaries.Canary("a", "x", ("d1",))])
    assert canaries.fingerprint(path, one) != canaries.fingerprint(path, [canaries.Canary("a", "y")])
    assert canaries.fingerprint(path, one).startswith("c-")


@pytest.fixture
def asked() -> Iterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    """The address of a server that answers, and what it got; a question "fail" gets 500."""
    got: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(500 if "fail" in json.dumps(body) else 200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/chat", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_canary_is_asked_in_a_trace_of_its_own(asked: tuple[str, list[tuple[dict[str, str], Any]]]) -> None:
    """Quotes and braces stay inside the question; the tenant and further headers are sent; a failure is told."""
    url, got = asked
    hostile = 'a "quoted" \\ {question} \n line'
    each = [canaries.Canary("a", hostile, tenant="acme"), canaries.Canary("b", "fail")]
    seen: list[str] = []
    found = canaries.ask(
        each,
        url,
        body='{"messages": [{"role": "user", "content": "{question}"}]}',
        headers=[("x-key", "k")],
        on_answer=lambda one: seen.append(one.canary.id),
    )
    assert [one.error for one in found] == ["", "HTTP 500"]
    assert sorted(seen) == ["a", "b"]
    headers, body = next((h, b) for h, b in got if h.get("x-tenant-id"))
    assert body["messages"][0]["content"] == hostile
    assert (headers["x-tenant-id"], headers["x-key"]) == ("acme", "k")
    assert re.fullmatch(rf"00-{found[0].trace_id}-[0-9a-f]{{16}}-01", headers["traceparent"])
    assert found[0].trace_id != found[1].trace_id


def test_an_application_that_is_away_is_an_error_of_each_canary() -> None:
    """Nothing listens on port 9 of loopback."""
    (found,) = canaries.ask([canaries.Canary("a", "x")], "http://127.0.0.1:9/", timeout_s=5)
    assert found.error


@pytest.mark.parametrize(
    ("url", "body", "words"),
    [
        ("file:///etc/hostname", canaries.DEFAULT_BODY, "--ask"),
        ("http://", canaries.DEFAULT_BODY, "--ask"),
        ("http://[bad", canaries.DEFAULT_BODY, "--ask"),
        ("http://127.0.0.1/", '{"q": 1}', "must hold"),
        ("http://127.0.0.1/", '{"q": {question}}', "no JSON"),
    ],
)
def test_what_cannot_be_asked_is_refused(url: str, body: str, words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match=words):
        canaries.ask([canaries.Canary("a", "x")], url, body=body)
