"""The routes of a question: asking, reading a lost stream on, cancelling, and asking over a WebSocket."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.websockets import WebSocket

from sightline_app.api import schema
from sightline_app.api.answers import collect
from sightline_app.api.chat import Chat
from sightline_app.api.chat_request import read_json
from sightline_app.api.event_stream import AnswerStream, EventStream, read_last_event
from sightline_app.api.live_stream import Cancelled, LiveStreams, Owner
from sightline_app.api.openapi import KEYED, SESSION, STREAM_ID, TENANT, USER, body_of, errors, header
from sightline_app.api.shared_streams import SharedStreams
from sightline_app.api.socket import ChatSockets
from sightline_app.conversation.session_key import checked_id
from sightline_app.errors import RequestRefused
from sightline_app.limits.access import Access
from sightline_app.settings import AppSettings

_STREAM: Final[dict[str, Any]] = {
    "text/event-stream": {"schema": {"type": "string"}, "examples": {"stream": {"value": schema.EVENT_TEXT}}}
}
_LAST_EVENT = header("Last-Event-ID", "Number of the last event that the client has; none: from the beginning")


def add_chat(
    app: FastAPI,
    settings: AppSettings,
    access: Access,
    chat: Chat,
    *,
    streams: LiveStreams,
    shared: SharedStreams | None,
) -> None:
    """Add the routes.

    Args:
        app: gets them.
        settings: sizes, and how long a stream can be resumed.
        access: who may ask.
        chat: answers.
        streams: the streams of this process.
        shared: those of other processes; None where they share nothing.
    """
    _add_questions(app, settings, chat)
    _add_streams(app, access, streams, shared, can_resume=settings.api.resume_s > 0)
    sockets = ChatSockets(settings, access, chat)

    @app.websocket("/v1/chat/ws")
    async def socket(websocket: WebSocket) -> None:
        await sockets.serve(websocket)


def _add_questions(app: FastAPI, settings: AppSettings, chat: Chat) -> None:
    @app.post(
        "/v1/chat",
        tags=["chat"],
        summary="Ask a question",
        operation_id="chat",
        responses={
            200: {"model": schema.AnswerBody, "description": "The answer", "content": _STREAM},
            **errors(400, 401, 403, 413, 429, 503),
        },
        openapi_extra={
            "requestBody": body_of(schema.ChatRequest),
            "parameters": [TENANT, USER, SESSION],
            "security": KEYED,
        },
    )
    async def ask(request: Request) -> Response:
        """Answer from the documents, as server-sent events or, with `stream: false`, as one JSON object.

        Events are numbered. A client that loses the stream reads on at the address in the event `meta` and in the
        field `Content-Location`.
        """
        caller = chat.caller(request.headers)
        body = await read_json(request, settings.max_body_bytes)
        answer, owner = await chat.begin(caller, request.headers, body)
        if not body.get("stream", True):
            return await collect(answer)
        return AnswerStream(chat.stream(answer, owner), headers=answer.headers)


def _add_streams(
    app: FastAPI, access: Access, streams: LiveStreams, shared: SharedStreams | None, *, can_resume: bool
) -> None:
    path = "/v1/chat/streams/{stream_id}"

    def asked(request: Request) -> tuple[str, Owner]:
        caller = access.caller(request.headers)
        session = checked_id(request.headers.get("x-session-id"), "session")
        return request.path_params["stream_id"], Owner(caller.reads_as, caller.key_id, session)

    @app.get(
        path,
        tags=["chat"],
        summary="Read a stream on",
        operation_id="resume_stream",
        responses={
            200: {"description": "The events after that one", "content": _STREAM},
            204: {"description": "There is none, and there will be none"},
            **errors(400, 401, 403, 404, 409, 410, 503),
        },
        openapi_extra={"parameters": [STREAM_ID, _LAST_EVENT, TENANT, SESSION], "security": KEYED},
    )
    async def resume(request: Request) -> Response:
        """Return each event after `Last-Event-ID` once, then those to come. Only for who asked, in the same session.

        The connection before gets no further event. With Redis, any process of the app reads it on.
        """
        stream_id, owner = asked(request)
        after = read_last_event(request.headers.get("last-event-id"))
        if shared is not None and not streams.has(stream_id):
            remote = await shared.open(stream_id, owner, after)
            return Response(status_code=204) if remote.is_over else EventStream(remote, after)
        stream = streams.find(stream_id, owner)
        if not can_resume:
            raise RequestRefused(
                "SIGHTLINE_APP_STREAM_RESUME_S=0: no stream is read on", kind="stream_unknown", status=404
            )
        if stream.has_ended and after == stream.last:
            return Response(status_code=204)  # a browser's EventSource ends on it
        if shared is not None:
            await shared.take_back(stream)
        response = EventStream(stream, after)
        stream.note_resumed(after)
        return response

    @app.delete(
        path,
        tags=["chat"],
        summary="Cancel an answer",
        operation_id="cancel_stream",
        status_code=204,
        responses=errors(400, 401, 403, 404, 503),
        openapi_extra={"parameters": [STREAM_ID, TENANT, SESSION], "security": KEYED},
    )
    async def cancel(request: Request) -> Response:
        """Stop the model. The stream ends with an event `error` of type `cancelled`; what was said is charged."""
        stream_id, owner = asked(request)
        if shared is not None and not streams.has(stream_id):
            await shared.cancel(stream_id, owner)
        else:
            streams.find(stream_id, owner).cancel(Cancelled.ASKED)
        return Response(status_code=204)
