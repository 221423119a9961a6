"""A model server on the loopback: OpenAI's chat, Responses and embeddings, Anthropic's messages, and an OTLP receiver.

Times, tokens and texts are those of `cases.py`. What was asked of it is kept, and so is the telemetry that comes: both
are the truth by which the typed tables are judged.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cases

_ANSWER_S = 0.05
"""Seconds until an answer that does not come in pieces."""
_BETWEEN_PIECES_S = 0.01
MAX_REQUEST_BYTES = 16_000_000


@dataclass
class Call:
    """One call that the server answered; times are nanoseconds of the clock of the wall, 0 where there was none."""

    case: int
    kind: str
    """chat or embed."""
    nth: int
    """Of the case's calls of that kind, from 0."""
    calls_tool: bool = False
    fault: str = ""
    role_ns: int = 0
    """When the chunk without text was sent."""
    text_ns: int = 0
    """When the first text was sent."""


@dataclass
class Received:
    """What came in."""

    calls: list[Call] = field(default_factory=list)
    telemetry: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Configuration, signal (traces, logs, metrics) and bytes of each OTLP request, in the order in which they came."""
    refused: list[str] = field(default_factory=list)
    """Paths that the server does not know."""


class ModelServer(http.server.ThreadingHTTPServer):
    """Serves until `close`; `received` may be read at any time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received = Received()
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def begin(self) -> Received:
        """Forget what came in; returns the place of what will come."""
        with self.lock:
            self.received = Received()
            return self.received

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: ModelServer

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Nothing is to be had that way."""
        self._refuse()

    def do_POST(self) -> None:
        """Answer a model's call, or take telemetry: /otlp/CONFIGURATION/v1/SIGNAL, /case/NUMBER/FAULT/INTERFACE."""
        body = self._body()
        if len(body) > MAX_REQUEST_BYTES:
            self._refuse()
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        match self.path.partition("?")[0].strip("/").split("/"):
            case ["otlp", configuration, "v1", signal]:
                with self.server.lock:
                    self.server.received.telemetry.append((configuration, signal, body))
                self._send(b"", "application/x-protobuf")
            case ["case", number, fault, *interface]:
                self._call(int(number), fault.replace("none", ""), "/".join(interface), json.loads(body))
            case _:
                self._refuse()

    def _body(self) -> bytes:
        """What was sent, by its length or in chunks as Node.js sends it; of one that is too long, one byte too many."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_REQUEST_BYTES + 1))
        body = b""
        while (length := int(self.rfile.readline().partition(b";")[0], 16)) and len(body) <= MAX_REQUEST_BYTES:
            body += self.rfile.read(min(length, MAX_REQUEST_BYTES + 1))
            self.rfile.readline()
        return body

    def _refuse(self) -> None:
        with self.server.lock:
            self.server.received.refused.append(self.path)
        self._send(b"{}", status=404)

    def _send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _call(self, number: int, fault: str, interface: str, body: dict[str, Any]) -> None:
        kind = "embed" if interface.endswith("embeddings") else "chat"
        with self.server.lock:
            calls = self.server.received.calls
            nth = sum(earlier.case == number and earlier.kind == kind for earlier in calls)
            call = Call(number, kind, nth, bool(body.get("tools")) and not _has_result(body), fault)
            calls.append(call)
        api = "anthropic" if interface.endswith("messages") else "openai"
        case = cases.Case(number, api=api, fault=fault)
        if fault == "status":
            time.sleep(_ANSWER_S)
            error = {"type": "rate_limit_error", "message": cases.SERVER_ERROR}
            self._send(json.dumps({"type": "error", "error": error}).encode(), status=429)
            return
        answer = {
            "embeddings": _Embeddings,
            "responses": _Responses,
            "messages": _Messages,
        }.get(interface.rpartition("/")[2], _Chat)(case, call, body)
        if body.get("stream"):
            self._stream(answer, call, fault)
        else:
            time.sleep(_ANSWER_S)
            self._send(json.dumps(answer.whole()).encode())

    def _stream(self, answer: _Answer, call: Call, fault: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.flush()
        time.sleep(cases.ROLE_S)
        call.role_ns = time.time_ns()
        for event in answer.before_text():
            self._event(event)
        time.sleep(cases.TEXT_S - cases.ROLE_S)
        call.text_ns = time.time_ns()
        for count, event in enumerate(answer.text()):
            if fault == "midstream" and count == 2:
                self._event(answer.failure())
                return
            self._event(event)
            time.sleep(_BETWEEN_PIECES_S)
        for event in answer.after_text():
            self._event(event)
        if isinstance(answer, _Chat):
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        name = f"event: {event['type']}\n" if "type" in event else ""
        self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()


def _has_result(body: dict[str, Any]) -> bool:
    """Whether the result of a tool is among what the model is given."""
    given = body.get("messages") or body.get("input") or []
    return any(mark in json.dumps(given) for mark in ('"role": "tool"', '"tool_result"', '"function_call_output"'))


class _Answer:
    """What the server says to one call."""

    def __init__(self, case: cases.Case, call: Call, body: dict[str, Any]) -> None:
        self.case, self.call, self.body = case, call, body
        self.usage = cases.usage(case.number, call.nth)
        self.id = f"answer-{case.number}-{call.nth}"
        self.model = cases.ANSWERED_BY[case.api]
        self.arguments = json.dumps(case.tool_arguments)

    def whole(self) -> dict[str, Any]:
        raise NotImplementedError

    def before_text(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def text(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def after_text(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def failure(self) -> dict[str, Any]:
        return {"error": {"type": "server_error", "code": "server_error", "message": cases.SERVER_ERROR}}


class _Embeddings(_Answer):
    def whole(self) -> dict[str, Any]:
        texts = self.body["input"] if isinstance(self.body["input"], list) else [self.body["input"]]
        tokens = cases.embedding_tokens(self.case.number)
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": [0.1] * 8} for index, _ in enumerate(texts)],
            "model": cases.EMBEDDING_MODEL,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


class _Chat(_Answer):
    def _counts(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.usage.input,
            "completion_tokens": self.usage.output,
            "total_tokens": self.usage.input + self.usage.output,
            "prompt_tokens_details": {"cached_tokens": self.usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": self.usage.reasoning, "audio_tokens": 0},
        }

    def _tool_call(self, arguments: str) -> dict[str, Any]:
        return {"id": f"call-{self.id}", "type": "function", "function": {"name": cases.TOOL, "arguments": arguments}}

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.case.answer}
        if self.call.calls_tool:
            message = {"role": "assistant", "content": None, "tool_calls": [self._tool_call(self.arguments)]}
        reason = "tool_calls" if self.call.calls_tool else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        head = {"id": self.id, "object": "chat.completion", "created": 1_700_000_000, "model": self.model}
        return {**head, "choices": [choice], "usage": self._counts()}

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": self.model}
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    def before_text(self) -> Iterator[dict[str, Any]]:
        yield self._chunk({"role": "assistant", "content": ""})

    def text(self) -> Iterator[dict[str, Any]]:
        if self.call.calls_tool:
            yield self._chunk({"tool_calls": [{"index": 0, **self._tool_call("")}]})
            yield self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": self.arguments}}]})
        else:
            yield from (self._chunk({"content": piece}) for piece in self.case.pieces)

    def after_text(self) -> Iterator[dict[str, Any]]:
        yield self._chunk({}, "tool_calls" if self.call.calls_tool else "stop")
        if (self.body.get("stream_options") or {}).get("include_usage"):
            yield {**self._chunk({}), "choices": [], "usage": self._counts()}


class _Responses(_Answer):
    def _item(self) -> dict[str, Any]:
        if self.call.calls_tool:
            call = {"type": "function_call", "id": f"fc_{self.id}", "call_id": f"call_{self.id}", "status": "completed"}
            return {**call, "name": cases.TOOL, "arguments": self.arguments}
        content = {"type": "output_text", "text": self.case.answer, "annotations": []}
        head = {"type": "message", "id": f"msg_{self.id}", "role": "assistant", "status": "completed"}
        return {**head, "content": [content]}

    def whole(self) -> dict[str, Any]:
        counts = {
            "input_tokens": self.usage.input,
            "input_tokens_details": {"cached_tokens": self.usage.cached},
            "output_tokens": self.usage.output,
            "output_tokens_details": {"reasoning_tokens": self.usage.reasoning},
            "total_tokens": self.usage.input + self.usage.output,
        }
        return {**self._head("completed"), "output": [self._item()], "usage": counts}

    def _head(self, status: str) -> dict[str, Any]:
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": 1_700_000_000,
            "status": status,
            "model": self.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": self.body.get("tools") or [],
            "top_p": 1.0,
        }

    def before_text(self) -> Iterator[dict[str, Any]]:
        yield {"type": "response.created", "sequence_number": 0, "response": self._head("in_progress")}
        yield {"type": "response.in_progress", "sequence_number": 1, "response": self._head("in_progress")}

    def text(self) -> Iterator[dict[str, Any]]:
        item = self._item()
        where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": []}
        opened = {**item, "status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "sequence_number": 2, "output_index": 0, "item": opened}
        yield {"type": "response.content_part.added", "sequence_number": 3, "part": part, **where}
        for count, piece in enumerate(self.case.pieces):
            delta = {"delta": piece, "logprobs": [], **where}
            yield {"type": "response.output_text.delta", "sequence_number": 4 + count, **delta}

    def after_text(self) -> Iterator[dict[str, Any]]:
        item = self._item()
        where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        done = {"text": self.case.answer, "logprobs": [], **where}
        yield {"type": "response.output_text.done", "sequence_number": 20, **done}
        yield {"type": "response.content_part.done", "sequence_number": 21, "part": item["content"][0], **where}
        yield {"type": "response.output_item.done", "sequence_number": 22, "output_index": 0, "item": item}
        yield {"type": "response.completed", "sequence_number": 23, "response": self.whole()}


class _Messages(_Answer):
    def _counts(self) -> dict[str, Any]:
        return {
            "input_tokens": self.usage.input - self.usage.cached,  # Anthropic counts the cache beside the input
            "cache_read_input_tokens": self.usage.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": self.usage.output,
        }

    def _block(self) -> dict[str, Any]:
        if self.call.calls_tool:
            return {"type": "tool_use", "id": f"toolu_{self.id}", "name": cases.TOOL, "input": self.case.tool_arguments}
        return {"type": "text", "text": self.case.answer}

    def whole(self) -> dict[str, Any]:
        reason = "tool_use" if self.call.calls_tool else "end_turn"
        head = {"id": f"msg_{self.id}", "type": "message", "role": "assistant", "model": self.model}
        return {
            **head,
            "content": [self._block()],
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": self._counts(),
        }

    def before_text(self) -> Iterator[dict[str, Any]]:
        message = {**self.whole(), "content": [], "stop_reason": None}
        yield {"type": "message_start", "message": {**message, "usage": {**self._counts(), "output_tokens": 1}}}

    def text(self) -> Iterator[dict[str, Any]]:
        block = self._block()
        empty = {**block, "input": {}} if self.call.calls_tool else {**block, "text": ""}
        yield {"type": "content_block_start", "index": 0, "content_block": empty}
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in self.case.pieces]
        if self.call.calls_tool:
            deltas = [{"type": "input_json_delta", "partial_json": self.arguments}]
        for delta in deltas:
            yield {"type": "content_block_delta", "index": 0, "delta": delta}

    def after_text(self) -> Iterator[dict[str, Any]]:
        reason = "tool_use" if self.call.calls_tool else "end_turn"
        yield {"type": "content_block_stop", "index": 0}
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": self._counts()}
        yield {"type": "message_stop"}

    def failure(self) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "overloaded_error", "message": cases.SERVER_ERROR}}
