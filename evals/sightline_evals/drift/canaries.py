"""Canary questions: asked of the live application at intervals, so that what they find shows how retrieval changes.

The application need not know of them. Each question is sent with a W3C `traceparent` of a new trace, and a score
`drift.canary` on that trace says which canary it was; the application's own spans say what was found. So any
application will do that continues the trace of a request, which instrumentations of OpenTelemetry and Sightline do,
and whose search records its documents. The other comparisons of drift leave those traces out; all else counts them as
traffic.

Source: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sightline_evals.errors import DatasetError, UsageError
from sightline_roles.settings import is_http_url

PLACE: Final = "{question}"
"""In the body of a request, where the question goes, as the inside of a JSON text."""
DEFAULT_BODY: Final = '{"question": "{question}", "stream": false}'
_AT_ONCE: Final = 2
_MOST: Final = 1000
_MOST_IN_VECTOR: Final = 3.4e38
MOST_EXPECTED: Final = 20
"""Expected documents of a canary that are sent with its score."""


@dataclass(frozen=True)
class Canary:
    """A question with known documents.

    Attributes:
        id: tells it from the others of its file.
        question: what is asked.
        expected: ids of documents that the search should find; may be empty.
        tenant: sent as `x-tenant-id`; empty sends none.
        vector: the question's embedding; empty where it is not known. Exact search needs it, drift does not.
    """

    id: str
    question: str
    expected: tuple[str, ...] = ()
    tenant: str = ""
    vector: tuple[float, ...] = ()


@dataclass(frozen=True)
class Asked:
    """One canary that was asked.

    Attributes:
        canary: which one.
        trace_id: 32 hex digits of the trace in which the application answered.
        error: why there is no answer; empty where there is one.
    """

    canary: Canary
    trace_id: str
    error: str = ""


def read(path: Path) -> list[Canary]:
    """Read a JSONL file: `question`, and optionally `id`, `expected` (a list of document ids), `tenant` and `vector`.

    Raises:
        DatasetError: a line cannot be used, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(path, 0, f"cannot be read: {exc}") from exc
    found: dict[str, Canary] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        canary = _canary(path, number, line)
        if canary.id in found:
            raise DatasetError(path, number, f"the id {canary.id!r} stands there twice")
        found[canary.id] = canary
    if not found:
        raise DatasetError(path, 0, "holds no canary; write one JSON object a line, with a member `question`")
    if len(found) > _MOST:
        raise DatasetError(path, 0, f"holds {len(found)} canaries; at most {_MOST} are asked")
    return list(found.values())


def _canary(path: Path, number: int, line: str) -> Canary:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise DatasetError(path, number, f"is no JSON: {exc}") from exc
    question = row.get("question") if isinstance(row, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise DatasetError(path, number, "needs a member `question` with a text")
    expected, tenant = row.get("expected") or [], row.get("tenant") or ""
    if not isinstance(expected, list) or not all(isinstance(each, str) and each for each in expected):
        raise DatasetError(path, number, "`expected` must be a list of document ids (texts)")
    if not isinstance(tenant, str):
        raise DatasetError(path, number, "`tenant` must be a text")
    vector = row.get("vector") or []
    if not isinstance(vector, list) or not all(
        isinstance(x, int | float) and abs(x) <= _MOST_IN_VECTOR for x in vector
    ):
        raise DatasetError(path, number, "`vector` must be a list of numbers that a float32 holds")
    question = question.strip().encode("utf-8", "replace").decode("utf-8")
    given = row.get("id")
    name = str(given) if given not in (None, "") else hashlib.sha256(question.encode()).hexdigest()[:12]
    return Canary(name, question, tuple(expected), tenant, tuple(map(float, vector)))


def header(flag: str, text: str) -> tuple[str, str]:
    """A header field that the command line gives as NAME:VALUE.

    Raises:
        UsageError: it has another form; the message names the flag.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not (name.strip() + value).isprintable():
        raise UsageError(f"{flag} {text!r}: write NAME:VALUE")
    return name.strip(), value.strip()


def fingerprint(path: Path, canaries: Sequence[Canary]) -> str:
    """The name under which answers of these canaries compare: the file's, and a hash of the questions."""
    content = json.dumps(sorted((each.id, each.question, each.tenant) for each in canaries)).encode()
    return f"{path.stem}-{hashlib.sha256(content).hexdigest()[:8]}"


def ask(
    canaries: Sequence[Canary],
    url: str,
    *,
    body: str = DEFAULT_BODY,
    headers: Sequence[tuple[str, str]] = (),
    timeout_s: float = 60.0,
    on_answer: Callable[[Asked], None] = lambda _: None,
) -> list[Asked]:
    """Ask every canary, two at once, and return which trace answers which.

    Args:
        canaries: what to ask.
        url: where the application takes questions by POST.
        body: JSON of a request, with `{question}` where the question goes.
        headers: further header fields, such as an API key.
        timeout_s: seconds that one answer may take.
        on_answer: called with each one, in their order and in the caller's thread.

    Raises:
        UsageError: the address or the body cannot be used.
    """
    if not is_http_url(url):
        raise UsageError(f"--ask {url!r}: needs an address such as http://127.0.0.1:8080/v1/chat")
    if PLACE not in body:
        raise UsageError(f"--ask-body must hold {PLACE} where the question goes")
    try:
        json.loads(body)
    except ValueError as exc:
        raise UsageError(f"--ask-body is no JSON: {exc}") from exc

    answered = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for asked in pool.map(lambda canary: _ask(canary, url, body, headers, timeout_s), canaries):
            on_answer(asked)
            answered.append(asked)
    return answered


def _ask(canary: Canary, url: str, body: str, headers: Sequence[tuple[str, str]], timeout_s: float) -> Asked:
    trace_id = secrets.token_hex(16)
    payload = body.replace(PLACE, json.dumps(canary.question)[1:-1]).encode()
    request = urllib.request.Request(url, payload, method="POST")  # noqa: S310 - the scheme was checked
    request.add_header("Content-Type", "application/json")
    request.add_header("traceparent", f"00-{trace_id}-{secrets.token_hex(8)}-01")
    if canary.tenant:
        request.add_header("x-tenant-id", canary.tenant)
    for name, value in headers:
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as exc:
        exc.close()
        return Asked(canary, trace_id, f"HTTP {exc.code}")
    except (OSError, ValueError) as exc:
        return Asked(canary, trace_id, str(getattr(exc, "reason", exc)) or type(exc).__name__)
    return Asked(canary, trace_id)


def explanation(canary: Canary) -> str:
    """What the score of an asked canary says of it, for `drift/canaries.sql`."""
    return json.dumps(
        {"question": canary.question[:500], "expected": list(canary.expected[:MOST_EXPECTED])}, ensure_ascii=False
    )


def wait_until(stored: Callable[[], int], wanted: int, timeout_s: float) -> int:
    """Wait until so many searches are in the store; returns how many are."""
    deadline = time.monotonic() + timeout_s
    while (found := stored()) < wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    return found
