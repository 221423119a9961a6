"""What requests, responses and events of the HTTP interface look like, with an example of each.

The app reads requests by hand, since it bounds their size and says with its own words what is wrong; these models say
the same for clients. Tests hold both against each other: each example is sent to the app, and what it answers is
checked against the models.
"""

from __future__ import annotations

import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

_TRACE_ID: Final = "3f0a5a1b7c9d4e2f8a6b1c3d5e7f9a0b"
_SPAN_ID: Final = "9c1d2e3f4a5b6c7d"
_STREAM: Final = "/v1/chat/streams/Zk3vQf6nT1xW8uYb2mRcLd0p"
_CONVERSATION: Final[dict[str, Any]] = {"session": "s1", "turn": 1, "memory": "redis"}
_SOURCE: Final[dict[str, Any]] = {
    "id": "5e2b8f0c-9d0e-5a54-8c41-2f1f5c1d6f11",
    "title": "shutil.copytree(src, dst)",
    "score": 0.812345,
    "names": ["shutil.copytree"],
    "text": "Recursively copy a directory tree and return the destination directory.",
}
_USAGE: Final = {"input_tokens": 412, "output_tokens": 37}
_DONE: Final[dict[str, Any]] = {"usage": _USAGE, "finish_reason": "stop", "note": "a small local model"}


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Message(BaseModel):
    """An earlier message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str


class ChatRequest(BaseModel):
    """A question."""

    model_config = _example(
        {"question": "How do I copy a folder?"},
        {
            "question": "And without symlinks?",
            "history": [
                {"role": "user", "content": "How do I copy a folder?"},
                {"role": "assistant", "content": "With shutil.copytree."},
            ],
            "since": "2020-01-31",
            "session_id": "s1",
            "stream": False,
        },
    )

    question: str = Field(min_length=1, description="At most SIGHTLINE_APP_MAX_QUESTION_CHARS characters")
    history: list[Message] | None = Field(None, description="Used where the session has no turn yet, or there is none")
    since: datetime.date | None = Field(None, description="Only documents of this day or later")
    session_id: str | None = Field(None, max_length=200, description="As `x-session-id`")
    stream: bool = Field(True, description="Server-sent events, or one JSON object")


class FeedbackRequest(BaseModel):
    """A reader's verdict on an answer."""

    model_config = _example(
        {"trace_id": _TRACE_ID, "span_id": _SPAN_ID, "helpful": False, "comment": "not what I asked"}
    )

    trace_id: str = Field(pattern="^[0-9a-f]{32}$", description="As the answer had it")
    span_id: str = Field(pattern="^[0-9a-f]{16}$")
    helpful: bool
    comment: str | None = Field(None, max_length=4000)


class DocumentRequest(BaseModel):
    """A document. The same content is the same document."""

    model_config = _example(
        {"name": "travel.md", "text": "# Travel\n\nTrains are booked by the office, flights by nobody."},
        {"name": "travel", "text": "<h1>Travel</h1><p>By train, please.</p>", "content_type": "text/html"},
    )

    name: str = Field(min_length=1, max_length=200, description="As sources show it, such as guide.md")
    text: str = Field(min_length=1, description="At most SIGHTLINE_APP_UPLOAD_MAX_BYTES bytes in UTF-8")
    content_type: str | None = Field(
        None, description="text/markdown, text/html or text/plain; without it, the ending of the name says what it is"
    )


class DocumentBody(BaseModel):
    """How far a document is."""

    model_config = _example(
        {
            "id": "0f4a8c1e-6b7d-5e2f-9a3b-1c2d3e4f5a6b",
            "name": "travel.md",
            "content_type": "text/markdown",
            "size_bytes": 812,
            "created": "2026-01-31T09:30:00.000Z",
            "state": "embedding",
            "passages": 12,
            "embedded": 0,
            "attempts": 0,
            "error": "weaviate does not answer; it is tried again",
        }
    )

    id: str
    name: str
    content_type: str
    size_bytes: int = Field(description="Of the original")
    created: datetime.datetime
    state: Literal["queued", "parsing", "embedding", "stored", "failed", "deleting"]
    passages: int = Field(description="Passages that it was cut into; 0 until it is parsed")
    embedded: int = Field(description="Of those, how many have a vector")
    attempts: int = Field(description="How often a worker began with it")
    error: str | None = Field(description="Why it failed, or why it waits")


class DocumentList(BaseModel):
    """The documents of a tenant."""

    documents: list[DocumentBody]


class Source(BaseModel):
    """A passage that the answer is made from."""

    id: str
    title: str
    score: float
    names: list[str]
    text: str


class Conversation(BaseModel):
    """Where the turn is kept; only with a session."""

    session: str
    turn: int | None
    memory: Literal["redis", "process", "away"]
    kept: bool | None = Field(None, description="Only at the end: whether the store acknowledged the turn")


class Ended(BaseModel):
    """How an answer ended."""

    usage: dict[str, int] = Field(description="input_tokens and output_tokens, as the model reported them")
    finish_reason: str = Field(description="stop, length or content_filter")
    note: str | None = Field(description="What there is to know of the model that answered")
    conversation: Conversation | None = None


class AnswerBody(Ended):
    """A whole answer, of `stream: false`."""

    model_config = _example(
        {
            "trace_id": _TRACE_ID,
            "span_id": _SPAN_ID,
            "answer": "With shutil.copytree [1].",
            "sources": [_SOURCE],
            **_DONE,
            "conversation": {**_CONVERSATION, "kept": True},
        }
    )

    trace_id: str | None
    span_id: str | None
    answer: str
    sources: list[Source]


class MetaEvent(BaseModel):
    """First event: the trace of the answer, and where the stream is read on."""

    model_config = _example(
        {"trace_id": _TRACE_ID, "span_id": _SPAN_ID, "stream": _STREAM, "conversation": _CONVERSATION}
    )

    trace_id: str | None
    span_id: str | None
    stream: str
    conversation: Conversation | None = None


class TokenEvent(BaseModel):
    """A piece of the answer."""

    model_config = _example({"text": "With shutil."})

    text: str


class DoneEvent(Ended):
    """Last event of an answer that is complete; it is charged and kept by then."""

    model_config = _example({**_DONE, "conversation": {**_CONVERSATION, "kept": True}})


class ErrorEvent(BaseModel):
    """Last event of an answer that failed or was cancelled."""

    model_config = _example(
        {"message": "the model broke off", "type": "model_unavailable"},
        {"message": "the answer was cancelled", "type": "cancelled"},
        {"message": "the limit requests_per_minute=60 is reached", "type": "x", "status": 429, "retry_after": 3},
    )

    message: str
    type: str
    status: int | None = Field(None, description="WebSocket only: the status that a refused request would have had")
    retry_after: int | None = Field(None, description="WebSocket only: seconds")
    conversation: Conversation | None = None


EVENTS: Final[dict[str, type[BaseModel]]] = {
    "meta": MetaEvent,
    "token": TokenEvent,
    "done": DoneEvent,
    "error": ErrorEvent,
}
"""Model of the data of each event but `sources`, whose data is a list of `Source`."""

EVENT_TEXT: Final = f"""\
retry: 1000
event: meta
id: 1
data: {{"trace_id": "{_TRACE_ID}", "span_id": "{_SPAN_ID}", "stream": "{_STREAM}"}}

event: sources
id: 2
data: [{{"id": "5e2b8f0c", "title": "copytree(src, dst)", "score": 0.81, "names": ["shutil.copytree"], "text": ""}}]

: the answer goes on

event: token
id: 3
data: {{"text": "With shutil.copytree [1]."}}

event: done
id: 4
data: {{"usage": {{"input_tokens": 412, "output_tokens": 37}}, "finish_reason": "stop", "note": null}}

"""
"""An example of a stream."""


class SocketQuestion(ChatRequest):
    """A question over a WebSocket; `stream` says nothing here."""

    model_config = _example({"type": "question", "question": "How do I copy a folder?"})

    type: Literal["question"]


class SocketCancel(BaseModel):
    """Cancels the answer that comes."""

    model_config = _example({"type": "cancel"})

    type: Literal["cancel"]


class SocketEvent(BaseModel):
    """An event over a WebSocket."""

    model_config = _example({"event": "token", "id": 3, "data": {"text": "With shutil."}})

    event: Literal["meta", "sources", "token", "done", "error"]
    id: int | None = Field(None, description="Number of the event in its stream; none where there is no stream")
    data: Any = Field(description="As in the server-sent event of this name")


class ErrorTold(BaseModel):
    """Why a request failed."""

    message: str
    type: str = Field(description="For programs: does not change when the message does")


class ErrorBody(BaseModel):
    """Body of each response from 400 on."""

    error: ErrorTold


class HealthBody(BaseModel):
    """What is served."""

    ready: bool
    embedding: dict[str, str]
    retrieval: str
    index: dict[str, str | int]
    model: str
    note: str | None
    priced_as: str | None


class PartTold(BaseModel):
    """A part that questions need, or can do without."""

    ready: bool
    needed: bool
    detail: str


class ReadyBody(BaseModel):
    """Whether questions can be answered now."""

    ready: bool
    degraded: bool
    parts: dict[str, PartTold]


class StatsBody(BaseModel):
    """Counts of the spans of this process."""

    emitted: int
    exported: int
    dropped: int
    queued: int
