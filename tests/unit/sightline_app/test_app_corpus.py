"""Passages from the interpreter and from folders of documents."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_app.corpus import (
    Passage,
    content_version,
    make_passage,
    merge_doubles,
    read_passages,
    split_text,
    write_passages,
)
from sightline_app.documents import DocumentFolder, cut, decode, read_file
from sightline_app.errors import CorpusError
from sightline_demo_corpus.standard_library import module_names


def passage(text: str, *names: str, tenant: str = "public") -> Passage:
    """A passage with just what a test needs."""
    return make_passage(title=names[0], text=text, names=list(names), module="m", date="2026-01-02", tenant=tenant)


def quiet(done: int, total: int) -> None:
    """Progress that nobody watches."""


def test_doubles_become_one_passage_with_all_names() -> None:
    """The same text under two names is one passage that both names lead to."""
    text = "Join two or more pathname components, inserting a slash as needed."
    merged = merge_doubles([passage(text, "os.path.join"), passage(text, "posixpath.join")])
    assert [each.names for each in merged] == [["os.path.join", "posixpath.join"]]


def test_short_texts_are_doubles_only_under_the_same_last_name() -> None:
    """Close the file, said of two things called close, is one passage; under another name it is not."""
    merged = merge_doubles(
        [passage("Close it.", "a.close"), passage("Close it.", "b.close"), passage("Close it.", "c.end")]
    )
    assert [each.names for each in merged] == [["a.close", "b.close"], ["c.end"]]


def test_doubles_of_different_tenants_stay_apart() -> None:
    """What belongs to one tenant never joins what belongs to another."""
    text = "The same long sentence stands in the documents of two tenants."
    assert len(merge_doubles([passage(text, "a", tenant="acme"), passage(text, "a", tenant="globex")])) == 2


@given(st.text(max_size=3000), st.integers(min_value=20, max_value=200))
def test_split_text_loses_only_white_space(text: str, limit: int) -> None:
    """Pieces are never empty or too long, and together they hold every word sign."""
    pieces = split_text(text, limit)
    assert all(0 < len(piece) <= limit and piece.strip() for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_passages_survive_the_disk(tmp_path: Path) -> None:
    """What is written is read again, with the same content version."""
    passages = [passage("Läßt sich lesen.", "a.b"), passage("And this.", "c")]
    write_passages(tmp_path / "p.jsonl", passages)
    assert read_passages(tmp_path / "p.jsonl") == passages
    assert content_version(read_passages(tmp_path / "p.jsonl")) == content_version(passages)


def test_damaged_passages_say_what_to_do(tmp_path: Path) -> None:
    """A file that was cut off names itself and the way out."""
    (tmp_path / "p.jsonl").write_text('{"id": "x"')
    with pytest.raises(CorpusError, match="ingest --force"):
        read_passages(tmp_path / "p.jsonl")


def test_modules_with_side_effects_are_left_out() -> None:
    """Nothing that opens a window, prints at import or only tests is imported."""
    names = module_names()
    assert {"os.path", "json", "concurrent.futures", "unittest.mock"} <= set(names)
    assert not {name.split(".")[0] for name in names} & {"antigravity", "this", "idlelib", "turtle", "test", "tkinter"}


def test_markdown_is_cut_at_headings_but_not_inside_code() -> None:
    """Titles are the path of headings; a # in a fenced block is no heading."""
    sections = cut("# Guide\nIntro\n## Install\n```\n# not a heading\n```\nDone\n\nUsage\n-----\nRun it\n", "markdown")
    assert [(each.headings, each.text.split("\n")[0]) for each in sections] == [
        (("Guide",), "Intro"),
        (("Guide", "Install"), "```"),
        (("Guide", "Usage"), "Run it"),
    ]


def test_html_drops_scripts_styles_and_navigation() -> None:
    """Only what a reader reads is left."""
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><nav>menu</nav><h1>Top</h1><p>One&amp;two</p>"
        "<script>var x = 1;</script><h2>Sub</h2><ul><li>a</li><li>b</li></ul></body></html>"
    )
    sections = cut(page, "html")
    assert [(each.headings, each.text.split()) for each in sections] == [
        (("Top",), ["One&two"]),
        (("Top", "Sub"), ["a", "b"]),
    ]


def test_folder_gives_names_with_anchors_and_skips_what_is_no_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Readable files are cut; binary, empty and too big ones are named in a warning."""
    (tmp_path / "guide.md").write_text("# Start here\nInstall the thing with care.\n")
    (tmp_path / "latin.txt").write_bytes("Grüße an alle".encode("cp1252"))
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01\x02")
    (tmp_path / "empty.md").write_text("\n")
    (tmp_path / "big.txt").write_text("x" * 5000)
    (tmp_path / ".hidden.md").write_text("# no")
    with caplog.at_level(logging.WARNING):
        passages = DocumentFolder(tmp_path, max_bytes=1000).passages(quiet)
    assert [each.names for each in passages] == [["guide.md", "guide.md#start-here"], ["latin.txt"]]
    assert "Grüße" in passages[1].text
    for trouble in ("binary.txt is binary", "empty.md is empty", "SIGHTLINE_APP_MAX_DOCUMENT_BYTES"):
        assert trouble in caplog.text


@pytest.mark.parametrize("content", [None, {}, {"a.bin": b"x"}, {"a.md": b"  "}])
def test_folder_without_anything_readable_is_an_error(tmp_path: Path, content: dict[str, bytes] | None) -> None:
    """A missing folder, an empty one, other kinds of files, or only empty files: each says so."""
    root = tmp_path / "docs"
    if content is not None:
        root.mkdir()
        for name, raw in content.items():
            (root / name).write_bytes(raw)
    with pytest.raises(CorpusError, match="docs"):
        DocumentFolder(root).passages(quiet)


def test_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    """The same files have the same fingerprint, changed ones another."""
    (tmp_path / "a.md").write_text("one")
    first = DocumentFolder(tmp_path).fingerprint()
    assert DocumentFolder(tmp_path).fingerprint() == first
    (tmp_path / "a.md").write_text("two")
    assert DocumentFolder(tmp_path).fingerprint() != first
    assert DocumentFolder(tmp_path, tenant="acme").fingerprint() != DocumentFolder(tmp_path).fingerprint()


def test_utf16_with_mark_is_read(tmp_path: Path) -> None:
    """Files of Windows editors are text too, although they hold zero bytes."""
    (tmp_path / "a.txt").write_bytes("Hallo".encode("utf-16"))
    assert decode(read_file(tmp_path / "a.txt", 1000), "a.txt") == "Hallo"


def test_passages_are_plain_json(tmp_path: Path) -> None:
    """The stored file can be read by anything."""
    write_passages(tmp_path / "p.jsonl", [passage("Text.", "a")])
    assert json.loads((tmp_path / "p.jsonl").read_text())["names"] == ["a"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("markdown", "# x" + " " * 1_000_000 + "y\nWords."),
        ("html", "<p>Words." + "<a " * 300_000),
        ("html", "<nav>" * 100_000 + "</svg>" * 100_000 + "</nav><p>Words."),
        ("html", "<pre>Words." + " " * 1_000_000 + "x</pre>"),
    ],
    ids=["heading", "open-tags", "dropped-elements", "spaces"],
)
def test_hostile_document_is_cut_in_linear_time(kind: str, text: str) -> None:
    """Each of these takes hours where a step grows with the square of the length."""
    (section,) = cut(text, kind)
    assert section.text.startswith("Words.")


@pytest.mark.parametrize(("kind", "text"), [("markdown", "# {}\nWords."), ("html", "<h1>{}</h1><p>Words.")])
def test_long_heading_is_cut(kind: str, text: str) -> None:
    """It is in the title of each passage below it, so one document could fill the disk."""
    (section,) = cut(text.format("h" * 100_000), kind)
    assert [len(each) for each in section.headings] == [200]


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("# Title", "Title"),
        ("## C # ##  ", "C #"),
        ("#  ", "…"),
        ("# #", "…"),
        ("#\tTab \t in it\t#", "Tab \t in it"),
    ],
)
def test_closing_signs_of_a_heading_are_no_part_of_it(line: str, heading: str) -> None:
    """As in CommonMark, without its exceptions."""
    (section,) = cut(f"{line}\nWords.", "markdown")
    assert section.headings == (heading,)
