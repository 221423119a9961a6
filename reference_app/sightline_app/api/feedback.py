"""A reader's verdict on an answer, which becomes a score of the answer's trace."""

from __future__ import annotations

import re
from typing import Any

import sightline
from sightline_app.errors import RequestRefused

_MAX_COMMENT_CHARS = 4000


def record_feedback(body: dict[str, Any], user: str | None) -> None:
    """Send the verdict that a request brings.

    Args:
        body: `trace_id` and `span_id` as the answer's `meta` event had them, `helpful` (true or false), and optionally
            `comment`.
        user: who gives it.

    Raises:
        RequestRefused: a field cannot be used.
    """
    ids = _hex_id(body, "trace_id", 32), _hex_id(body, "span_id", 16)
    helpful, comment = body.get("helpful"), body.get("comment")
    if not isinstance(helpful, bool):
        raise RequestRefused("'helpful' must be true or false", kind="invalid_feedback")
    if comment is not None and not isinstance(comment, str):
        raise RequestRefused("'comment' must be a text", kind="invalid_feedback")
    if comment is not None and len(comment) > _MAX_COMMENT_CHARS:
        raise RequestRefused(
            f"'comment' has {len(comment)} characters; {_MAX_COMMENT_CHARS} are allowed",
            kind="invalid_feedback",
            status=413,
        )
    sightline.feedback(helpful, comment=comment or None, user=user, request_id=ids)


def _hex_id(body: dict[str, Any], name: str, digits: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{digits}}}", value) or not value.strip("0"):
        raise RequestRefused(
            f"'{name}' must be {digits} hexadecimal digits, as the answer had them", kind="invalid_feedback"
        )
    return value
