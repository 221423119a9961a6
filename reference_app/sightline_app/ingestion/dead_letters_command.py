"""`sightline-app dead-letters`: look at what was given up, try it again, or drop it."""

from __future__ import annotations

import argparse
import json
import sys

from sightline_app.errors import InvalidSetting
from sightline_app.ingestion.dead_letters import DeadLetters, Letter, Message
from sightline_app.ingestion.document import Document
from sightline_app.settings import AppSettings

_SHOWN_CHARS = 2000
_LAYOUT = "\n\t"


def run(settings: AppSettings, options: argparse.Namespace) -> int:
    """Do one of the actions."""
    letters = DeadLetters(settings.data_dir)
    if options.action == "list":
        _list(letters.all(), as_json=options.json)
        return 0
    if options.action == "show":
        for letter in letters.find(options.id):
            _show(letters, letter)
        return 0
    if options.all == bool(options.ids):
        raise InvalidSetting("dead-letters", options.action, "needs ids or --all")
    chosen = letters.all() if options.all else [each for wanted in options.ids for each in letters.find(wanted)]
    for letter in chosen:
        if options.action == "drop":
            letters.drop(letter)
        elif isinstance(letter.what, Document):
            letters.replay(letter.what)
        else:
            from sightline_app.ingestion.kafka_source import send_again  # noqa: PLC0415

            send_again(settings.ingestion, letter.what)
            letters.drop(letter)
    sys.stdout.write(f"{'dropped' if options.action == 'drop' else 'replayed'} {len(chosen)}\n")
    return 0


def _list(letters: list[Letter], *, as_json: bool) -> None:
    for each in letters:
        fields = {
            "id": each.id,
            "source": each.source,
            "tenant": each.tenant,
            "attempts": each.attempts,
            "name": each.name,
            "error": each.error,
        }
        line = json.dumps(fields, ensure_ascii=False) if as_json else "  ".join(str(value) for value in fields.values())
        sys.stdout.write(f"{line}\n")
    if not letters and not as_json:
        sys.stdout.write("there are no dead letters\n")


def _show(letters: DeadLetters, letter: Letter) -> None:
    what = letter.what
    if isinstance(what, Message):
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in what.headers}
        fields: dict[str, object] = {"source": what.source, "key": letter.name, "headers": headers}
    else:
        fields = {"source": letter.source, "tenant": what.tenant, "name": what.name, "content_type": what.media_type}
        fields |= {"created": what.created, "attempts": what.attempts, "traceparent": what.traceparent}
    content = letters.original(letter)
    fields |= {"error": letter.error, "size_bytes": len(content)}
    for name, value in {"id": letter.id, **fields}.items():
        sys.stdout.write(f"{name:14} {value}\n")
    text = content[: 4 * _SHOWN_CHARS].decode("utf-8", "replace")[:_SHOWN_CHARS]
    shown = "".join(sign if sign.isprintable() or sign in _LAYOUT else "." for sign in text)
    sys.stdout.write(f"\n{shown}\n")
