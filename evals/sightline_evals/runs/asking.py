"""Asks a running application the questions of a dataset, so that its answers of today are judged.

The application answers ``POST /v1/chat`` as the reference application does: with server-sent events ``meta``
(trace_id, span_id), ``sources`` (a list with ``text``), ``token`` (``text``), ``done`` (``usage``) or ``error``; or
with one JSON object of ``answer``, ``sources``, ``trace_id`` and ``span_id``. The ids stay with the answer, so that
its scores land beside its trace.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from sightline_evals.datasets import Sample
from sightline_evals.errors import NotAnswered, UsageError
from sightline_roles.settings import is_http_url

_PATH: Final = "/v1/chat"
_TRIES: Final = 4
_LONGEST_WAIT_S: Final = 60.0
_MAX_ERROR_BYTES: Final = 2000


@dataclass(slots=True)
class _Answer:
    """What came back, piece by piece."""

    text: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    trace_id: str = ""
    span_id: str = ""
    note: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    ttft_ms: float | None = None
    has_ended: bool = False


class Asker:
    """Asks one application.

    Args:
        url: its address; `/v1/chat` is added where it has no path.
        headers: sent with each question, for example an API key.
        concurrency: questions at the same time, at most.
        timeout_s: how long the application may be silent.

    Raises:
        UsageError: the address cannot be one.
    """

    def __init__(self, url: str, headers: Mapping[str, str], concurrency: int, timeout_s: float = 120.0) -> None:
        if not is_http_url(url):
            raise UsageError(f"--ask {url}: needs an address such as http://127.0.0.1:8080")
        self.url = url
        self._parts = urlsplit(url)
        self._headers = {**headers, "content-type": "application/json", "accept": "text/event-stream"}
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="ask")

    async def answered(self, sample: Sample) -> Sample:
        """The sample with the application's answer, passages, ids, times and tokens.

        Raises:
            NotAnswered: there is none, with the reason.
        """
        for wait_s in [*(2.0**n for n in range(_TRIES - 1)), None]:
            connection = self._connection()
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(self._threads, self._ask, connection, sample)
            except _Busy as exc:
                if wait_s is None:
                    raise NotAnswered(str(exc)) from exc
                await asyncio.sleep(min(_LONGEST_WAIT_S, exc.retry_after_s or wait_s))
            finally:
                # Of a call that was cancelled the thread still reads: this ends it.
                with contextlib.suppress(OSError, AttributeError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        raise AssertionError("unreachable: the last try raises")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_s)

    def _ask(self, connection: http.client.HTTPConnection, sample: Sample) -> Sample:
        started = time.perf_counter()
        found = _Answer()
        path = self._parts.path.rstrip("/")
        target = (path or _PATH) + (f"?{self._parts.query}" if self._parts.query else "")
        body = json.dumps({"question": sample.question, "stream": True}).encode()
        try:
            connection.request("POST", target, body, self._headers)
            response = connection.getresponse()
            if response.status in {429, 503}:
                raise _Busy(f"{self.url} answered {response.status}", response.getheader("retry-after"))
            if response.status != 200:
                said = " ".join(response.read(_MAX_ERROR_BYTES).decode(errors="replace").split())[:200]
                raise NotAnswered(f"{self.url} answered {response.status}: {said}")
            if "text/event-stream" in (response.getheader("content-type") or ""):
                for name, data in _events(response):
                    self._take(found, name, data, started)
            else:
                self._take_whole(found, json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, AttributeError) as exc:
            raise NotAnswered(f"{self.url} gave no answer: {type(exc).__name__}: {exc}") from exc
        finally:
            connection.close()
        if not found.has_ended:
            raise NotAnswered(f"{self.url}: the stream broke off")
        return replace(
            sample,
            answer="".join(found.text).strip(),
            contexts=tuple(context for context in found.contexts if context.strip()),
            trace_id=found.trace_id,
            span_id=found.span_id,
            note=found.note,
            ttft_ms=found.ttft_ms,
            duration_ms=round(1000 * (time.perf_counter() - started), 3),
            input_tokens=_count(found.usage.get("input_tokens")),
            output_tokens=_count(found.usage.get("output_tokens")),
        )

    def _take(self, found: _Answer, name: str, data: Any, started: float) -> None:
        if name == "meta":
            found.trace_id, found.span_id = str(data.get("trace_id") or ""), str(data.get("span_id") or "")
        elif name == "sources":
            found.contexts = [str(source.get("text") or "") for source in data]
        elif name == "token":
            if found.ttft_ms is None:
                found.ttft_ms = round(1000 * (time.perf_counter() - started), 3)
            found.text.append(str(data["text"]))
        elif name == "error":
            raise NotAnswered(f"{self.url} failed: {data.get('type')}: {data.get('message')}")
        elif name == "done":
            found.usage, found.note, found.has_ended = data.get("usage") or {}, str(data.get("note") or ""), True

    def _take_whole(self, found: _Answer, data: Any) -> None:
        self._take(found, "meta", data, 0.0)
        self._take(found, "sources", data.get("sources") or [], 0.0)
        found.text = [str(data["answer"])]
        self._take(found, "done", data, 0.0)


class _Busy(Exception):
    """The application asks to come later."""

    def __init__(self, message: str, retry_after: str | None) -> None:
        super().__init__(message)
        self.retry_after_s = float(retry_after) if retry_after and retry_after.isdigit() else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """(event, data) of a stream of server-sent events."""
    name, data = "message", []
    for raw in response:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield name, json.loads("\n".join(data))
            name, data = "message", []
