"""PDF files: their pages become sections, and each that has no text says why."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from sightline_app import pdf
from sightline_app.documents import DocumentFolder, sections_of
from sightline_app.errors import CorpusError, RequestRefused
from sightline_app.ingestion.document import new_document


def made(*texts: str, password: str | None = None) -> bytes:
    """A PDF with a page for each text."""
    writer = PdfWriter()
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    names = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
    for text in texts:
        page = writer.add_blank_page(300, 300)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode() if text else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
        fonts = DictionaryObject({NameObject("/F1"): names})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_are_sections_of_their_document() -> None:
    """A page without text is left out, and the numbers stay those of the pages."""
    sections = sections_of(made("The zebra sleeps.", "", "The giraffe is tall."), "zoo/animals.pdf", "pdf")
    assert [(each.headings, each.text.strip()) for each in sections] == [
        (("animals.pdf", "page 1"), "The zebra sleeps."),
        (("animals.pdf", "page 3"), "The giraffe is tall."),
    ]


def test_folder_with_a_pdf_is_a_corpus(tmp_path: Path) -> None:
    """Its passages name the page; a damaged file is skipped with its reason."""
    (tmp_path / "animals.pdf").write_bytes(made("The zebra sleeps."))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (passage,) = DocumentFolder(tmp_path).passages(lambda done, total: None)
    assert (passage.title, passage.names) == ("animals.pdf > page 1", ["animals.pdf", "animals.pdf#page-1"])


def test_pdf_that_opens_without_a_password_is_read() -> None:
    """Many are encrypted only against changes."""
    assert "zebra" in pdf.pages(made("The zebra sleeps.", password=""), "a.pdf")[0]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "a.pdf is empty"),
        (b"<html>", "a.pdf is no PDF"),
        (b"%PDF-1.7 and nothing", "a.pdf is damaged"),
        (made("words")[:-200], "a.pdf is damaged"),
        (made("words", password="secret"), "a.pdf is encrypted"),
        (made("", ""), "holds no text on its 2 pages: it was probably scanned"),
    ],
)
def test_pdf_without_text_says_why(raw: bytes, said: str) -> None:
    """Each reason is one that a person can do something about."""
    with pytest.raises(CorpusError) as refused:
        pdf.pages(raw, "a.pdf")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("bound", "value", "said"),
    [
        ("MAX_PAGES", 1, "has 2 pages; at most 1"),
        ("MAX_CHARS", 3, "more than 3 characters"),
        ("MAX_S", -1.0, "to read"),
    ],
)
def test_pdf_beyond_a_bound_is_refused(monkeypatch: pytest.MonkeyPatch, bound: str, value: float, said: str) -> None:
    """Anybody may send one."""
    monkeypatch.setattr(pdf, bound, value)
    with pytest.raises(CorpusError) as refused:
        pdf.pages(made("one", "two"), "a.pdf")
    assert said in str(refused.value)


def test_pdf_is_not_taken_where_nothing_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upload is refused with the extra that is missing; other types are taken."""
    monkeypatch.setattr(pdf, "is_readable", lambda: False)
    with pytest.raises(RequestRefused, match=r"sightline-platform\[workers\]") as refused:
        new_document("acme", "a.pdf", None, b"%PDF-")
    assert refused.value.status == 415
    assert new_document("acme", "a.md", None, b"x").kind == "markdown"
