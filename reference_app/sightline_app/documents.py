"""A folder of Markdown, text, HTML or PDF files as a corpus.

Files are cut at headings; a piece's title is the path of headings above it, its names are the file and the file with
the heading's anchor (``guide.md``, ``guide.md#install``). HTML goes through the standard library's parser: scripts,
styles and navigation are left out. A PDF is cut at its pages (``guide.pdf#page-3``). A file that is empty, too big,
binary or not decodable is skipped with a warning that says so; when nothing is left, that is an error.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from sightline_app import pdf
from sightline_app.corpus import Passage, make_passage, merge_doubles, split_text
from sightline_app.errors import CorpusError

RULES_VERSION = "2"
"""Raise when the cutting changes: it is part of the fingerprint."""

SUFFIXES = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".rst": "text",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
}
"""File endings that are read, and how."""

_MAX_HEADING_CHARS = 200
"""A heading is in the title of each passage below it: a long one would be stored as often."""
_log = logging.getLogger("sightline.app")


@dataclass(frozen=True)
class Section:
    """A piece of a document under its headings."""

    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class DocumentFolder:
    """A folder (or one file) as a :class:`~sightline_app.corpus.Source`."""

    root: Path
    max_bytes: int = 20_000_000
    """Bigger files are skipped."""
    tenant: str = "public"

    def describe(self) -> str:
        """Name the folder."""
        return f"the documents in {self.root}"

    def files(self) -> list[Path]:
        """Return the readable kinds of files, sorted; hidden files and folders are left out.

        Raises:
            CorpusError: the folder is missing or holds none.
        """
        if not self.root.exists():
            raise CorpusError(f"{self.root} does not exist; give a folder of Markdown, text, HTML or PDF files")
        if self.root.is_file():
            if self.root.suffix.lower() not in SUFFIXES:
                raise CorpusError(f"{self.root} is not read; file endings that are: {', '.join(sorted(SUFFIXES))}")
            return [self.root]
        found = [
            path
            for path in sorted(self.root.rglob("*"))
            if path.suffix.lower() in SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(self.root).parts)
        ]
        if not found:
            raise CorpusError(f"{self.root} holds no file ending in {', '.join(sorted(SUFFIXES))}")
        return found

    def fingerprint(self) -> str:
        """Hash of names and bytes of all files."""
        digest = hashlib.sha256(f"{RULES_VERSION}|{self.tenant}|{self.max_bytes}".encode())
        for path in self.files():
            digest.update(f"\n{self._name(path)}|{_date(path)}|".encode())
            try:
                with path.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
            except OSError as exc:
                digest.update(str(exc).encode())
        return digest.hexdigest()[:16]

    def changed_at(self) -> float:
        """Return when the newest file was changed, in seconds since 1970; 0 where none can be looked at.

        Raises:
            CorpusError: there is none.
        """
        return max(_modified(path) for path in self.files())

    def passages(self, progress: Callable[[int, int], None]) -> list[Passage]:
        """Read and cut all files.

        Raises:
            CorpusError: nothing readable was found; the message says why for the last file.
        """
        files = self.files()
        found: list[Passage] = []
        skipped: list[str] = []
        for done, path in enumerate(files, start=1):
            try:
                found.extend(self._read(path))
            except CorpusError as exc:
                skipped.append(str(exc))
                _log.warning("skipped: %s", exc)
            progress(done, len(files))
        if not found:
            raise CorpusError(f"none of the {len(files)} files in {self.root} could be read; the last: {skipped[-1]}")
        return merge_doubles(found)

    def _name(self, path: Path) -> str:
        return path.name if path == self.root else path.relative_to(self.root).as_posix()

    def _read(self, path: Path) -> Iterator[Passage]:
        sections = sections_of(read_file(path, self.max_bytes), str(path), SUFFIXES[path.suffix.lower()])
        return passages_of(sections, self._name(path), _date(path), self.tenant)


def passages_of(sections: Iterable[Section], name: str, date: str, tenant: str) -> Iterator[Passage]:
    """Cut the sections of a document into passages.

    Args:
        sections: in their order.
        name: of the document.
        date: ISO date of the document.
        tenant: who may see it.
    """
    for section in sections:
        title = " > ".join(section.headings) or name
        names = [name, f"{name}#{anchor(section.headings[-1])}"] if section.headings else [name]
        for part, piece in enumerate(split_text(section.text)):
            yield make_passage(
                title=title,
                text=piece,
                names=list(dict.fromkeys(names)),
                module=name,
                date=date,
                context=name,
                tenant=tenant,
                part=part,
            )


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        CorpusError: not readable or too big.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise CorpusError(f"{path} has {size} bytes; SIGHTLINE_APP_MAX_DOCUMENT_BYTES allows {max_bytes}")
        return path.read_bytes()
    except OSError as exc:
        raise CorpusError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def sections_of(raw: bytes, name: str, kind: str) -> list[Section]:
    """Read a document and cut it: at its headings, a PDF at its pages.

    Args:
        raw: its bytes.
        name: what messages call it.
        kind: a value of `SUFFIXES`.

    Raises:
        CorpusError: empty, not of that kind, or a PDF whose text cannot be read.
    """
    if kind == "pdf":
        title = Path(name).name
        numbered = enumerate(pdf.pages(raw, name), start=1)
        return [Section((title, f"page {number}"), text) for number, text in numbered if text.strip()]
    return cut(decode(raw, name), kind)


def decode(raw: bytes, name: str) -> str:
    """Return the text of a document: UTF-8 (with or without mark), UTF-16 with mark, else Windows-1252.

    Args:
        raw: its bytes.
        name: what messages call it.

    Raises:
        CorpusError: empty or binary.
    """
    if not raw.strip():
        raise CorpusError(f"{name} is empty")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in raw[:8192]:
        raise CorpusError(f"{name} is binary")
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue
    raise CorpusError(f"{name} is neither UTF-8 nor Windows-1252 text")


def anchor(heading: str) -> str:
    """Return the anchor that most renderers give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def cut(text: str, kind: str) -> list[Section]:
    """Cut a document at its headings, in time that grows with its length, whatever is in it.

    Args:
        text: the document.
        kind: ``markdown``, ``html`` or ``text``.
    """
    if kind == "markdown":
        return list(_sections(_markdown_blocks(text)))
    if kind == "html":
        parser = _HtmlText()
        # Python's parser takes quadratic time where tags are opened and no `>` follows; it shows them as text, too.
        closed, end, rest = text.rpartition(">")
        parser.feed(closed + end + rest.replace("<", "&lt;"))
        parser.close()
        return list(_sections(iter(parser.blocks())))
    return list(_sections(_text_blocks(text)))


Block = tuple[int, str]
"""(heading level from 1, or 0 for text; the words)"""


def _sections(blocks: Iterator[Block]) -> Iterator[Section]:
    headings: list[str] = []
    levels: list[int] = []
    texts: list[str] = []
    for level, words in blocks:
        if level == 0:
            texts.append(words)
            continue
        if any(text.strip() for text in texts):
            yield Section(tuple(headings), "\n".join(texts).strip("\n"))
        texts = []
        while levels and levels[-1] >= level:
            levels.pop()
            headings.pop()
        levels.append(level)
        headings.append(words[:_MAX_HEADING_CHARS])
    if any(text.strip() for text in texts):
        yield Section(tuple(headings), "\n".join(texts).strip("\n"))


def _markdown_blocks(text: str) -> Iterator[Block]:
    lines = text.split("\n")
    if lines[0].strip() == "---" and "---" in (line.strip() for line in lines[1:60]):  # front matter
        lines = lines[[line.strip() for line in lines].index("---", 1) + 1 :]
    fence = ""
    for position, line in enumerate(lines):
        stripped = line.strip()
        if fence:
            fence = "" if stripped.startswith(fence) and not stripped.strip("`~") else fence
            yield 0, line
        elif stripped.startswith(("```", "~~~")):
            fence = stripped[:3]
            yield 0, line
        elif match := re.fullmatch(r" {0,3}(#{1,6})\s+(.*)", line):
            yield len(match[1]), match[2].rstrip().rstrip("#").rstrip() or "…"
        elif re.fullmatch(r"(=+|-{2,})\s*", line) and position and lines[position - 1].strip():
            continue  # the line under a heading, seen one line before
        elif position + 1 < len(lines) and stripped and re.fullmatch(r"(=+|-{2,})\s*", lines[position + 1]):
            yield (1 if lines[position + 1].startswith("=") else 2), stripped
        else:
            yield 0, line


def _text_blocks(text: str) -> Iterator[Block]:
    """Treat a line that is underlined with one repeated sign as a heading, as in reStructuredText."""
    lines = text.split("\n")
    signs: list[str] = []
    for position, line in enumerate(lines):
        below = lines[position + 1].rstrip() if position + 1 < len(lines) else ""
        if _is_rule(line) and position and len(line.rstrip()) >= len(lines[position - 1].strip()) > 0:
            continue
        if line.strip() and not _is_rule(line) and _is_rule(below) and len(below) >= len(line.strip()):
            if below[0] not in signs:
                signs.append(below[0])
            yield signs.index(below[0]) + 1, line.strip()
        else:
            yield 0, line


def _is_rule(line: str) -> bool:
    return re.fullmatch(r"([=\-~^\"'#*+])\1{2,}\s*", line) is not None


class _HtmlText(HTMLParser):
    """Collects headings and text; what is not content is dropped."""

    _DROPPED = frozenset({"script", "style", "nav", "footer", "head", "template", "noscript", "svg", "form"})
    _BREAKS = frozenset(
        {"p", "div", "section", "article", "ul", "ol", "table", "blockquote", "pre", "dl", "main", "figure"}
    )
    _LINES = frozenset({"br", "li", "tr", "dt", "dd"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._dropping: list[str] = []
        self._heading = 0
        self._preformatted = 0
        self._words: list[str] = []
        self._blocks: list[Block] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        del attrs
        if tag in self._DROPPED:
            if tag not in self._dropping:
                self._dropping.append(tag)
        elif re.fullmatch(r"h[1-6]", tag):
            self._flush()
            self._heading = int(tag[1])
        elif tag in self._BREAKS:
            self._words.append("\n\n")
            self._preformatted += tag == "pre"
        elif tag in self._LINES:
            self._words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Close an element; a missing end tag of a dropped element ends with its parent."""
        if tag in self._dropping:
            del self._dropping[self._dropping.index(tag) :]
        elif re.fullmatch(r"h[1-6]", tag) and self._heading:
            self._flush()
            self._heading = 0
        elif tag in self._BREAKS:
            self._words.append("\n\n")
            self._preformatted = max(0, self._preformatted - (tag == "pre"))
        elif tag == "body":
            self._dropping.clear()

    def handle_data(self, data: str) -> None:
        """Take text."""
        if not self._dropping:
            self._words.append(data if self._preformatted else re.sub(r"\s+", " ", data))

    def _flush(self) -> None:
        text = re.sub(r"(?<![ \t])[ \t]*\n[ \t]*\n\s*", "\n\n", "".join(self._words)).strip()
        self._words = []
        if text:
            self._blocks.append((self._heading, " ".join(text.split()) if self._heading else text))

    def blocks(self) -> list[Block]:
        """Return what was found."""
        self._flush()
        self._heading = 0
        return self._blocks


def _date(path: Path) -> str:
    return datetime.datetime.fromtimestamp(_modified(path), tz=datetime.UTC).date().isoformat()


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
