"""The text of PDF files, page by page, by pypdf; every file that has none is refused with its reason.

A PDF comes from anybody, so what is read of it is bounded: pages, characters, and the seconds that reading takes
between two pages. pypdf itself bounds what a compressed stream may unpack to.

Source: https://pypdf.readthedocs.io/en/stable/user/extract-text.html
"""

from __future__ import annotations

import importlib.util
import io
import logging
import time
from typing import TYPE_CHECKING

from sightline_app.errors import CorpusError

if TYPE_CHECKING:
    from pypdf import PdfReader

MEDIA_TYPE = "application/pdf"
MAX_PAGES = 2000
"""Of one file."""
MAX_CHARS = 10_000_000
"""Of the text of all pages."""
MAX_S = 120.0
"""Seconds for one file, looked at after each page."""
MISSING = 'reading PDF needs pip install "sightline-platform[workers]"'
_HEADER, _HEADER_WITHIN = b"%PDF-", 1024


def is_readable() -> bool:
    """Whether the package that reads PDF is installed."""
    return importlib.util.find_spec("pypdf") is not None


def check(raw: bytes, name: str) -> None:
    """Refuse what is no PDF at the first look.

    Args:
        raw: the file.
        name: what messages call it.

    Raises:
        CorpusError: empty, or without the header of a PDF.
    """
    if not raw.strip():
        raise CorpusError(f"{name} is empty")
    if _HEADER not in raw[:_HEADER_WITHIN]:
        raise CorpusError(f"{name} is no PDF: its first {_HEADER_WITHIN} bytes do not hold %PDF-")


def pages(raw: bytes, name: str) -> list[str]:
    """Return the text of each page, '' for one without text.

    Args:
        raw: the file.
        name: what messages call it.

    Raises:
        CorpusError: damaged, encrypted, too long, without text (scanned), or pypdf is not installed.
    """
    check(raw, name)
    try:
        import pypdf  # noqa: PLC0415
        from pypdf.errors import LimitReachedError  # noqa: PLC0415
    except ImportError as exc:
        raise CorpusError(f"{name} cannot be read: {MISSING}") from exc
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of each irregular byte
    try:
        found = _read(pypdf.PdfReader(io.BytesIO(raw)), name)
    except CorpusError:
        raise
    except LimitReachedError as exc:
        raise CorpusError(f"{name} unpacks to more than is read: {exc}") from exc
    except Exception as exc:  # what a damaged file raises is not only pypdf's own errors
        raise CorpusError(f"{name} is damaged: {type(exc).__name__}: {exc}") from exc
    if not any(text.strip() for text in found):
        raise CorpusError(
            f"{name} holds no text on its {len(found)} pages: it was probably scanned; recognise its text first (OCR)"
        )
    return found


def _read(reader: PdfReader, name: str) -> list[str]:
    from pypdf.errors import DependencyError  # noqa: PLC0415

    try:
        is_locked = reader.is_encrypted and not reader.decrypt("")
    except (DependencyError, NotImplementedError) as exc:
        raise CorpusError(f"{name} is encrypted in a way that is not read ({exc}); save it without a password") from exc
    if is_locked:
        raise CorpusError(f"{name} is encrypted; save it without a password")
    count = len(reader.pages)
    if count > MAX_PAGES:
        raise CorpusError(f"{name} has {count} pages; at most {MAX_PAGES} are read: split it")
    found: list[str] = []
    chars, until = 0, time.monotonic() + MAX_S
    for page in reader.pages:
        text = page.extract_text().replace("\0", "")
        chars += len(text)
        if chars > MAX_CHARS:
            raise CorpusError(f"{name} has more than {MAX_CHARS} characters of text: split it")
        if time.monotonic() > until:
            raise CorpusError(f"{name} took more than {MAX_S:.0f} s to read, {len(found)} of {count} pages: split it")
        found.append(text)
    return found
