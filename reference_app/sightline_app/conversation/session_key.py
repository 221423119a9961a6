"""Which conversation a request belongs to: its tenant and its session id, as one key that nobody can forge."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from sightline_app.errors import RequestRefused

MAX_ID_CHARS = 200
"""Longest id of a session, user or tenant."""


def checked_id(value: object, what: str) -> str | None:
    """Return an id without the blanks at its ends; None where there is none.

    Args:
        value: from a header or a body.
        what: the kind of the id, for the message: `session`, `user` or `tenant`.

    Raises:
        RequestRefused: it is no text, too long, or holds what cannot be printed. Nothing is cut off: two long ids that
            begin alike must not become one.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise RequestRefused(f"the {what} id must be a text", kind=f"invalid_{what}")
    text = value.strip()
    if len(text) > MAX_ID_CHARS or not text.isprintable():
        raise RequestRefused(
            f"the {what} id must have at most {MAX_ID_CHARS} printable characters", kind=f"invalid_{what}"
        )
    return text or None


@dataclass(frozen=True)
class SessionKey:
    """A session of a tenant."""

    tenant: str
    session: str

    @property
    def name(self) -> str:
        """Name of the conversation's key in Redis.

        A digest of both ids, so that no id, whatever its characters, names another tenant's key, and ids do not show
        in Redis. The braces keep scripts on one slot of a cluster.
        """
        digest = hashlib.sha256(json.dumps([self.tenant, self.session]).encode()).hexdigest()
        return f"sightline:conversation:{{{digest}}}"
