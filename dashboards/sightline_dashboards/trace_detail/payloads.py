"""What people and models wrote, as HTML: inert text of a bounded length, with a note on what was cut.

`sightline_store.contents` reads it from the spans. Strangers wrote it, so nothing in it becomes markup, no address in
it is opened, and only images of four formats that stand in a span themselves are shown as images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape

from sightline_dashboards import formats
from sightline_store.contents.parts import Message, Part, PartKind, Passage

MAX_TEXT_CHARS = 20_000
"""Characters of one text that are shown."""
MAX_PART_CHARS = 4_000
"""Characters of a call's arguments, a result, a thought or a passage that are shown."""
MAX_MESSAGES = 40
"""Messages of one conversation that are shown: the first of them, and the last."""
MAX_PARTS = 50
"""Parts of one message, and passages of one list, that are shown."""

_MAX_IMAGE_CHARS = 700_000
_SHOWN_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
_NUMBERS_IN_BRACKETS = re.compile(r"\[([0-9,\s]{1,60})\]")
_NUMBER = re.compile(r"\b[0-9]{1,6}\b")
_FOLDED = {PartKind.REASONING: "Thinking", PartKind.DATA: "JSON of an unknown shape"}


def bounded(text: str, limit: int = MAX_TEXT_CHARS) -> tuple[str, str]:
    """A text that is short enough to show, and a note on what was cut; '' where nothing was."""
    if len(text) <= limit:
        return text, ""
    return text[:limit], f"Cut: these are the first {formats.count(limit)} of {formats.count(len(text))} characters."


def to_copy(text: str, *, is_long: bool = False) -> str:
    """A text with a button that copies it, as HTML; `elements.copying` makes the button work.

    Args:
        text: is shown as it is.
        is_long: it gets a scroll bar.
    """
    return (
        f'<div class="sl-copy{" long" if is_long else ""}"><pre data-text>{escape(text)}</pre>'
        '<button type="button" data-copy title="Copy the text">Copy</button></div>'
    )


def bounded_messages(messages: Sequence[Message]) -> tuple[list[Message], str]:
    """Few enough messages to show, and a note on those that were left out."""
    if len(messages) <= MAX_MESSAGES:
        return list(messages), ""
    left_out = len(messages) - MAX_MESSAGES
    shown = [*messages[: MAX_MESSAGES // 4], *messages[left_out + MAX_MESSAGES // 4 :]]
    return shown, f"{formats.count(left_out)} messages after the first {MAX_MESSAGES // 4} are left out here."


def parts_html(parts: Iterable[Part]) -> str:
    """All parts of a message but its words, as HTML; every text in it is escaped."""
    shown = [part for part in parts if part.kind is not PartKind.TEXT]
    more = f'<p class="sl-note">{len(shown) - MAX_PARTS} more parts.</p>' if len(shown) > MAX_PARTS else ""
    return "".join(part_html(part) for part in shown[:MAX_PARTS]) + more


def part_html(part: Part) -> str:
    """One part as HTML; every text in it is escaped."""
    if part.kind in _FOLDED:
        size = formats.count(len(part.text))
        summary = f"<summary>{_FOLDED[part.kind]} <span>{size} characters</span></summary>"
        return f'<details class="sl-part">{summary}{_words(_readable_json(part.text))}</details>'
    if part.kind in {PartKind.TOOL_CALL, PartKind.TOOL_RESULT}:
        label = "Tool call" if part.kind is PartKind.TOOL_CALL else "Tool result"
        header = f"<header>{label} <b>{_short(part.name)}</b><span>{_short(part.identity)}</span></header>"
        return f'<div class="sl-part">{header}{_words(_readable_json(part.text))}</div>'
    return _media_html(part)


def passage_card(passage: Passage, position: int, answer: str) -> str:
    """Return a passage as an HTML card; every text in it is escaped."""
    cited = is_cited(passage, position, answer)
    remarks = [f"score {formats.significant(passage.score)}" if passage.score is not None else "no score"]
    remarks += ["cited" if cited else "not cited"] if answer else []
    identity = f"<code>{_short(passage.identity)}</code> " if passage.identity not in {"", passage.title} else ""
    text, note = bounded(passage.content, MAX_PART_CHARS)
    words = f"<p>{escape(text)}</p>" if text else "<p><i>The text of the passage was not captured.</i></p>"
    return (
        f'<div class="sl-passage{" cited" if cited and answer else ""}">'
        f"<header><div>{position}. {_short(passage.title)} {identity}</div>"
        f"<span>{' · '.join(remarks)}</span></header>{words}{_note(note)}</div>"
    )


def passage_cards(passages: Sequence[Passage], answer: str) -> str:
    """Passages as cards, in their order."""
    cards = "".join(passage_card(passage, n, answer) for n, passage in enumerate(passages[:MAX_PARTS], 1))
    return cards + _note(f"{len(passages) - MAX_PARTS} more passages." if len(passages) > MAX_PARTS else "")


def is_cited(passage: Passage, position: int, answer: str) -> bool:
    """Return whether an answer names a passage: by its number in brackets (from 1), its title or its id."""
    answer = answer[:MAX_TEXT_CHARS]
    groups = _NUMBERS_IN_BRACKETS.findall(answer)
    if any(int(number) == position for group in groups for number in _NUMBER.findall(group)):
        return True
    names = {passage.title, passage.identity} - {"untitled"}
    return any(len(name) > 3 and name in answer for name in names)


def _media_html(part: Part) -> str:
    kind = part.kind.value.capitalize()
    size = _size(part.size_bytes) if part.size_bytes is not None else "size not told"
    facts = [_short(part.media_type) if part.media_type else "type not told", size]
    image = ""
    if part.uri.startswith("data:"):
        if len(part.uri) <= _MAX_IMAGE_CHARS and _SHOWN_IMAGE.fullmatch(part.uri):
            image = f'<img src="{escape(part.uri, quote=True)}" alt="{kind} from the message">'
    elif part.uri:
        facts.append(f"at an address, not opened here: <code>{_short(part.uri, 300)}</code>")
    elif part.identity:
        facts.append(f"kept by the provider as <code>{_short(part.identity)}</code>")
    name = f" <b>{_short(part.name)}</b>" if part.name else ""
    words = _words(part.text) if part.text else ""
    return f'<div class="sl-part"><header>{kind}{name}<span>{" · ".join(facts)}</span></header>{words}{image}</div>'


def _size(size_bytes: int) -> str:
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            return f"{formats.significant(size_bytes / size)} {unit}"
    return f"{size_bytes} bytes"


def _words(text: str) -> str:
    shown, note = bounded(text, MAX_PART_CHARS)
    return f"<pre>{escape(shown)}</pre>{_note(note)}" if shown else ""


def _note(text: str) -> str:
    return f'<p class="sl-note">{escape(text)}</p>' if text else ""


def _short(text: str, limit: int = 120) -> str:
    return escape(formats.shortened(text, limit), quote=True)


def _readable_json(text: str) -> str:
    """JSON with an indent; any other text as it is."""
    if len(text) > MAX_PART_CHARS or text[:1] not in {"{", "["}:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text
