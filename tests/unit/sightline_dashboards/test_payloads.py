"""What strangers wrote is shown as inert text of a bounded length."""

from __future__ import annotations

import pytest

from sightline_dashboards.trace_detail import payloads
from sightline_store.contents.parts import Message, Part, PartKind, Passage

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


@pytest.mark.parametrize("kind", [kind for kind in PartKind if kind is not PartKind.TEXT])
def test_no_part_becomes_markup(kind: PartKind) -> None:
    """Whatever field of a part a stranger wrote into."""
    html = payloads.part_html(Part(kind, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 3, f"https://x/{HOSTILE}"))
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.parametrize(
    ("uri", "is_shown"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", True),
        ("data:image/webp;base64,UklGRg==", True),
        ("data:image/svg+xml;base64,PHN2Zy8+", False),
        ("data:image/png;base64,x' onerror='alert(1)", False),
        ("data:text/html;base64,PHNjcmlwdD4=", False),
        ("data:image/png;base64," + "A" * 800_000, False),
        ("https://example.com/image.png", False),
        ("//example.com/image.png", False),
        ("javascript:alert(1)", False),
    ],
)
def test_only_small_images_in_the_span_itself_are_drawn(uri: str, *, is_shown: bool) -> None:
    """The page opens no address; an address is a text."""
    html = payloads.part_html(Part(PartKind.IMAGE, media_type="image/png", size_bytes=8, uri=uri))
    assert ("<img" in html) is is_shown
    assert "8 bytes" in html
    assert "href" not in html
    if not uri.startswith("data:"):
        assert f"not opened here: <code>{uri}</code>" in html


def test_long_texts_are_cut_with_a_note() -> None:
    """The note says how much there is."""
    shown, note = payloads.bounded("x" * 5_000_000)
    assert len(shown) == payloads.MAX_TEXT_CHARS
    assert note == "Cut: these are the first 20,000 of 5,000,000 characters."
    assert payloads.bounded("short") == ("short", "")
    call = payloads.part_html(Part(PartKind.TOOL_CALL, "[" * 100_000, name="n"))
    assert len(call) < 5000
    assert "of 100,000 characters" in call
    passages = payloads.passage_cards([Passage("", "t", None, "x" * 100_000)] * 1000, "")
    assert len(passages) < 300_000
    assert "950 more passages" in passages
    assert "more parts" in payloads.parts_html([Part(PartKind.FILE)] * 1000)


def test_of_many_messages_the_first_and_the_last_are_shown() -> None:
    """The system's instructions stand first, the question last."""
    messages = [Message("user", (Part(PartKind.TEXT, str(n)),)) for n in range(1000)]
    shown, note = payloads.bounded_messages(messages)
    assert (len(shown), shown[0].text, shown[-1].text) == (payloads.MAX_MESSAGES, "0", "999")
    assert note.startswith("960 messages")
    assert payloads.bounded_messages(messages[:3]) == (messages[:3], "")


def test_a_passage_says_its_id_and_score() -> None:
    """Both are unknown where nothing says them; a passage without a text says that it was not captured."""
    card = payloads.passage_card(Passage("doc-7", "Timeouts", 0.9123, "text"), 1, "see [1]")
    assert "Timeouts" in card
    assert "doc-7" in card
    assert "score 0.912 · cited" in card
    empty = payloads.passage_card(Passage("doc-7", "doc-7", None, ""), 1, "")
    assert "not captured" in empty
    assert "no score" in empty


def test_citations_are_numbers_in_brackets_or_names() -> None:
    """[1], [1, 3], a title or an id cite; [11] does not cite 1."""
    passage = Passage("doc-9", "html.escape", None, "")
    assert payloads.is_cited(passage, 1, "so [1].")
    assert payloads.is_cited(passage, 3, "so [1, 3].")
    assert not payloads.is_cited(passage, 1, "so [11].")
    assert payloads.is_cited(passage, 2, "use html.escape here")
    assert not payloads.is_cited(passage, 2, "nothing")
    assert not payloads.is_cited(Passage("", "untitled", None, "t"), 2, "an untitled text")
