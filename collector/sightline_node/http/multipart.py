"""multipart/form-data, the body of forms and of external tables. Pure.

Source: https://www.rfc-editor.org/rfc/rfc7578
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from sightline_store.errors import QueryRejected


@dataclass(frozen=True)
class Part:
    """One field of a form; a file if it has a file name."""

    name: str
    data: bytes
    is_file: bool


def is_form(content_type: str) -> bool:
    """Whether a body is a form."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def read(content_type: str, body: bytes) -> list[Part]:
    """The parts of a form.

    Raises:
        QueryRejected: it has no boundary, or no end.
    """
    boundary = _parameter("content-type", content_type, "boundary")
    if not boundary:
        raise _bad("the form has no boundary")
    fence = b"\r\n--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(fence)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _bad("the form has no end")
    parts = []
    for piece in pieces[1:-1]:
        head, separator, data = piece.partition(b"\r\n\r\n")
        if not separator:
            raise _bad("a part of the form has no head")
        for line in head.decode("utf-8", "replace").split("\r\n"):
            key, _, value = line.partition(":")
            if key.strip().lower() == "content-disposition":
                name = _parameter("content-disposition", value.strip(), "name")
                is_file = _parameter("content-disposition", value.strip(), "filename") is not None
                parts.append(Part(name or "", data, is_file))
    return parts


def _parameter(header: str, value: str, name: str) -> str | None:
    message = Message()
    message[header] = value
    parameter = message.get_param(name, header=header)
    return parameter if isinstance(parameter, str) else None


def _bad(why: str) -> QueryRejected:
    return QueryRejected(400, 36, f"Code: 36. DB::Exception: {why}. (BAD_ARGUMENTS)")
