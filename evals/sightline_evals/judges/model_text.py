"""JSON out of what a model wrote: behind its thinking, inside a code fence, between prose. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_END_OF_THINKING = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)```", re.DOTALL)


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a model's answer, the likeliest first.

    Thinking is left out, also where the template swallowed its opening tag. An answer that is JSON as a whole is the
    first, then what stands in code fences, then each outermost object between other words.
    """
    said = _END_OF_THINKING.sub("", _THINKING.sub("", text)).strip()
    for candidate in (said, *(match[1].strip() for match in _FENCE.finditer(said))):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found
    decoder, place = json.JSONDecoder(), 0
    while (place := said.find("{", place)) >= 0:
        try:
            found, place = decoder.raw_decode(said, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        if isinstance(found, dict):
            yield found
