"""Passages: what is indexed, where it comes from, and how doubles become one.

Two sources exist: the interpreter's own documentation (:mod:`sightline_demo_corpus.standard_library`) and a folder of
Markdown, text or HTML files (:mod:`sightline_app.documents`). Both yield :class:`Passage` objects in a stable order, so
the same documents always give the same content hash, and a second ingest of an unchanged corpus has nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sightline_app.errors import CorpusError

MAX_PASSAGE_CHARS = 1400
"""Longest passage body, in characters (about 350 tokens), before a text is split at paragraphs."""

_ID_NAMESPACE = uuid.UUID("6f0f8a8e-0d5b-5d0c-9a54-2f1f5c1d6f11")


@dataclass(frozen=True)
class Passage:
    """One piece of text that can be found and cited."""

    id: str
    """UUID derived from tenant, names, title and text: equal content has an equal id. That of an uploaded document's
    passage is derived from the document and the passage's place: what one document loses, no other one loses."""
    title: str
    """One line: a signature or the headings above the text."""
    text: str
    """The body, first line first; what the model reads."""
    names: list[str]
    """Every dotted public name that this passage documents; file names and anchors for folders of documents."""
    module: str
    """Module or file that the passage comes from."""
    date: str
    """ISO date (YYYY-MM-DD) of the source, for the date filter."""
    context: str = ""
    """Summary of what surrounds the passage (module or class); searched at a low weight, never shown."""
    tenant: str = "public"
    """Tenant that may see it; ``public`` is for all."""
    part: int = 0
    """Position among the pieces of one long text, from 0."""
    kind: str = "text"
    """module | class | function | method | property | data | text."""
    document: str = ""
    """Id of the uploaded document that it is part of; '' for the corpora of `sightline-app ingest`."""


def make_passage(**fields: Any) -> Passage:
    """Build a passage and derive its id from what it says."""
    content = json.dumps([fields.get("tenant", "public"), fields["names"], fields["title"], fields["text"]])
    return Passage(id=str(uuid.uuid5(_ID_NAMESPACE, content)), **fields)


class Source(Protocol):
    """Where passages come from."""

    def describe(self) -> str:
        """One line for people, such as ``the documentation of Python 3.11.7``."""

    def fingerprint(self) -> str:
        """A hash that changes when the passages can have changed; cheap, since every start asks for it."""

    def passages(self, progress: Any) -> list[Passage]:
        """Read everything; ``progress(done, total)`` is called along the way.

        Raises:
            CorpusError: nothing readable is there.
        """


def split_text(text: str, limit: int = MAX_PASSAGE_CHARS) -> list[str]:
    """Cut a text into pieces of at most ``limit`` characters, at blank lines, then lines, then words.

    A piece is never empty, and joining all pieces loses only white space.
    """
    pieces: list[str] = []
    current = ""
    for block in _blocks(text, limit):
        if current and len(current) + 2 + len(block) > limit:
            pieces.append(current)
            current = block
        else:
            current = f"{current}\n\n{block}" if current else block
    if current:
        pieces.append(current)
    return pieces


def _blocks(text: str, limit: int) -> Iterable[str]:
    for paragraph in re.split(r"\n[ \t]*\n", text):
        rest = paragraph.strip("\n").rstrip()
        if not rest.strip():
            continue
        while len(rest) > limit:
            cut = max(rest.rfind("\n", 1, limit), 0) or max(rest.rfind(" ", 1, limit), 0) or limit
            head, rest = rest[:cut].rstrip(), rest[cut:].lstrip("\n")
            if head:
                yield head
        if rest.strip():
            yield rest


def merge_doubles(passages: Iterable[Passage]) -> list[Passage]:
    """Make one passage of those that say the same, keeping every name.

    The same text counts as a double when it is long enough to be about one thing (40 characters), or when the last part
    of the name is the same too (``dict.copy`` and ``OrderedDict.copy``). The first seen gives title and module.
    """
    merged: dict[tuple[str, str, str, int], tuple[Passage, dict[str, None]]] = {}
    for passage in passages:
        text = " ".join(passage.text.split())
        leaf = "" if len(text) >= 40 else passage.names[0].rpartition(".")[2] if passage.names else passage.title
        key = (passage.tenant, text, leaf, passage.part)
        _, names = merged.setdefault(key, (passage, {}))
        names.update(dict.fromkeys(passage.names))
    fields = ({**asdict(passage), "names": list(names)} for passage, names in merged.values())
    return [make_passage(**{name: value for name, value in each.items() if name != "id"}) for each in fields]


def content_version(passages: Sequence[Passage]) -> str:
    """Hash of all passages in order, 16 hex digits."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(f"{passage.id}|{passage.date}|{passage.context}\n".encode())
    return digest.hexdigest()[:16]


def write_passages(path: Path, passages: Iterable[Passage]) -> None:
    """Write one JSON object a line, replacing the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as out:
        for passage in passages:
            out.write(json.dumps(asdict(passage), ensure_ascii=False) + "\n")
    draft.replace(path)


def read_passages(path: Path) -> list[Passage]:
    """Read what :func:`write_passages` wrote.

    Raises:
        CorpusError: the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            return [Passage(**json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, TypeError) as exc:
        raise CorpusError(f"{path} cannot be read ({exc}); run `sightline-app ingest --force`") from exc
