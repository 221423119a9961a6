"""Reads a question from a request or a message; refuses what cannot be one."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from sightline_app.conversation.session_key import checked_id
from sightline_app.errors import RequestRefused
from sightline_app.pipeline import Question

_ROLES = frozenset({"user", "assistant", "system"})
_MAX_SENT_MESSAGES = 20


async def read_json(request: Request, limit_bytes: int) -> dict[str, Any]:
    """Return the body of a request, a JSON object.

    Raises:
        RequestRefused: it is too large or no JSON object.
    """
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        check_size(len(raw), limit_bytes)
    return parse_object(raw)


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Refuse what is too large.

    Raises:
        RequestRefused: 413.
    """
    if size_bytes > limit_bytes:
        raise RequestRefused(
            f"the request is larger than SIGHTLINE_APP_MAX_BODY_BYTES={limit_bytes}",
            kind="request_too_large",
            status=413,
        )


def parse_object(text: str | bytes | bytearray) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        RequestRefused: the text is none.
    """
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RequestRefused(f"the body is not JSON: {exc}", kind="invalid_json") from exc
    if not isinstance(parsed, dict):
        raise RequestRefused("the body must be a JSON object", kind="invalid_json")
    return parsed


def read_session(headers: Mapping[str, str], body: Mapping[str, Any]) -> str | None:
    """Return the session id of a question, from the header `x-session-id` or the body's `session_id`.

    Raises:
        RequestRefused: it cannot be an id, or header and body name two.
    """
    of_header = checked_id(headers.get("x-session-id"), "session")
    of_body = checked_id(body.get("session_id"), "session")
    if of_header and of_body and of_header != of_body:
        raise RequestRefused("'session_id' and x-session-id name two sessions", kind="invalid_session")
    return of_header or of_body


def read_question(body: dict[str, Any], tenant: str, limit_chars: int) -> Question:
    """Return the question of a body, with the history that came along.

    Raises:
        RequestRefused: a field cannot be used.
    """
    text = body.get("question")
    if not isinstance(text, str) or not text.strip():
        raise RequestRefused("'question' must be a text that is not empty", kind="empty_question")
    if len(text) > limit_chars:
        raise RequestRefused(
            f"the question has {len(text)} characters; SIGHTLINE_APP_MAX_QUESTION_CHARS allows {limit_chars}",
            kind="question_too_long",
            status=413,
        )
    history = body.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(each, dict) and each.get("role") in _ROLES and isinstance(each.get("content"), str)
        for each in history
    ):
        raise RequestRefused("'history' must be a list of {role, content} messages", kind="invalid_history")
    since = body.get("since")
    if since is not None:
        try:
            since = datetime.date.fromisoformat(since)
        except (TypeError, ValueError) as exc:
            raise RequestRefused("'since' must be a date like 2026-01-31", kind="invalid_date") from exc
    if not isinstance(body.get("stream", True), bool):
        raise RequestRefused("'stream' must be true or false", kind="invalid_request")
    recent = [
        {"role": each["role"], "content": each["content"][:limit_chars]} for each in history[-_MAX_SENT_MESSAGES:]
    ]
    return Question(text=text.strip(), history=recent, tenant=tenant, since=since)
