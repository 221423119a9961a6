"""Keys, tokens and passwords in a question or an answer, by the rules of `sightline.masks`."""

from __future__ import annotations

import re
from typing import Final

from sightline_app.guardrails.decision import Decision
from sightline_app.privacy.finder import Found, find

REASON: Final = "secret"
"""Reason of a flagged decision."""

_STANDS_FOR_A_SECRET: Final = re.compile(
    r"""^["'`]*(?:
        (?:your|my|the|some|any|an?)[-_ ]\w{0,40} | your\w{0,30} | \w{0,20}[-_]?here
      | x{3,}+ | \*{3,}+ | \.{3,}+ | _{3,}+ | change[-_ ]?me | example\w{0,20} | dummy\w{0,20} | placeholder | test
      | secret
      | passw(?:or)?d | token
      | foo(?:bar)? | bar | spam | eggs | hunter2 | none | null | true | false | str | bytes | int | callable | optional
      | \$\{?\w{1,60}\}? | <[^<>]{1,60}> | \{\w{0,60}\} | %\(\w{1,40}\)s | \[\w{1,40}\]
      | [a-z_][\w.]{0,80}\( .{0,200} | os\.environ.{0,120} | [a-z_]{1,40}\.[a-z_]{1,40}
    )["'`;,.)\]}]*$""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_PLAIN_WORD: Final = re.compile(r"^[A-Za-z]{1,24}[.,:;!?)]{0,3}$")


def find_secrets(text: str) -> list[Found]:
    """Return the secrets of a text; names, types and stand-ins such as ``your_api_key`` are none."""
    return [each for each in find(text, {"secret"}) if not _is_stand_in(text[each.start : each.end])]


def _is_stand_in(value: str) -> bool:
    return bool(_PLAIN_WORD.match(value) or _STANDS_FOR_A_SECRET.match(value))


def secrets(text: str) -> Decision:
    """Judge a question or an answer."""
    found = find_secrets(text)
    if not found:
        return Decision(False)
    return Decision(True, "secrets.key-or-password", REASON, (found[0].start, found[0].end), 1.0)
