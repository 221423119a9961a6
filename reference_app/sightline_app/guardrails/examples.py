"""The labelled set: attacks and benign texts that look like them, one JSON object a line in `data/examples.jsonl`.

Keys and passwords are written as ``{openai}`` and made when the file is read: no file holds one that looks real.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from sightline_app.errors import CorpusError

WHERE: Final = ("question", "passage", "answer")
"""Where a text stands."""

_BODY: Final = "Zq7Rk2Vw9Xt4Lm8Np3Bs6Hd5Jf1Gc0Ty" * 4
_SECRETS: Final[Mapping[str, str]] = {
    "openai": "sk-proj-" + _BODY[:48],
    "anthropic": "sk-ant-api03-" + _BODY[:93],
    "aws": "AKIA" + "J2Q4R6T8V0X2Z4B6",
    "github": "ghp_" + _BODY[:36],
    "slack": "xoxb-" + "123456789012-1234567890123-" + _BODY[:24],
    "stripe": "sk_live_" + _BODY[:24],
    "bearer": _BODY[:40],
    "password": "Tr0ub4dor-and-3-more",
    "jwt": f"eyJ{_BODY[:17]}.eyJ{_BODY[:40]}.{_BODY[:43]}",
    "private_key": f"-----BEGIN PRIVATE KEY-----\n{_BODY[:64]}\n{_BODY[:40]}==\n-----END PRIVATE KEY-----",
}


@dataclass(frozen=True)
class Example:
    """A labelled text."""

    id: str
    attack: bool
    """Whether it must be flagged."""
    family: str
    """What it is, or what it looks like: ``injection``, ``extraction``, ``jailbreak``, ``passage``, ``secret`` or
    ``personal_data``."""
    where: str
    """``question``, ``passage`` or ``answer``."""
    language: str
    text: str
    wrapped: str = ""
    """How an instruction is hidden in it, such as ``base64``; empty for plain text."""


def shipped() -> Path:
    """Return where the shipped set is."""
    return Path(str(resources.files("sightline_app").joinpath("guardrails/data/examples.jsonl")))


def read_examples(path: Path) -> list[Example]:
    """Read a labelled set.

    Raises:
        CorpusError: the file is missing or empty, or a line is not in this form; the message has its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise CorpusError(f"the examples in {path} cannot be read: {exc}") from exc
    found: list[Example] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(_example(json.loads(line)))
            except (ValueError, TypeError, KeyError) as exc:
                raise CorpusError(f"{path}, line {number}: is no labelled example; {exc!r}") from exc
    if not found:
        raise CorpusError(f"{path} holds no examples")
    return found


def _example(row: dict[str, object]) -> Example:
    example = Example(**row)  # type: ignore[arg-type]  # checked below
    texts = (example.id, example.family, example.where, example.language, example.text, example.wrapped)
    if not isinstance(example.attack, bool) or not all(isinstance(text, str) for text in texts):
        raise TypeError("attack must be true or false, everything else text")
    if example.where not in WHERE:
        raise ValueError(f"where must be one of {', '.join(WHERE)}")
    text = example.text
    for name, secret in _SECRETS.items():
        text = text.replace(f"{{{name}}}", secret)
    return Example(**{**row, "text": text})  # type: ignore[arg-type]


def is_held_out(example: Example) -> bool:
    """Tell whether an example belongs to the half that the rules were never developed on; a hash of its id decides."""
    return int(hashlib.sha256(example.id.encode()).hexdigest(), 16) % 2 == 1
