"""The guard on answers: a stream gives what the whole text gives, and little waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline import masks
from sightline_app.guardrails import AnswerGuard, guard_whole
from sightline_app.guardrails.segments import MAX_HELD_CHARS, Segments
from sightline_app.guardrails.system_prompt import HELD_WORDS, MIN_WORDS
from sightline_app.prompt import SYSTEM

KINDS = ("email", "phone", "iban", "card", "national_id")
BODY = "Zq7Rk2Vw9Xt4Lm8Np3Bs6Hd5Jf1Gc0Ty"
PRIVATE_KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY * 2}\n{BODY}==\n-----END PRIVATE KEY-----"
VALUES = [
    f"sk-proj-{BODY}",
    PRIVATE_KEY,
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    'password : "correct horse battery staple"',
    "api_key = hunter-42-xyz",
    f"Authorization: Bearer {BODY}",
    "https://app:s3cr3t-value@db.example/main",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "+49 171 1234567",
    "(415) 555-2671",
    "maria.lopez@clinic.example",
    "536-22-8712",
    "AB 12 34 56 C",
    "529.982.247-25",
]
WORDS = [
    "Join",
    "two or more",
    "path [1].",
    "the key of sorted",
    "3.14",
    "\n",
    "\n\n",
    "  ",
    "don't",
    "日本語の文章です",
    "—",
    *SYSTEM.split(),
]


def guard() -> AnswerGuard:
    """A guard with everything on."""
    return AnswerGuard(find_secrets=True, kinds=KINDS, prompt=SYSTEM)


@st.composite
def cut_texts(draw: st.DrawFn) -> list[str]:
    """A text of words and secrets, cut anywhere."""
    parts = draw(st.lists(st.sampled_from([*WORDS, *VALUES]) | st.text(max_size=6), max_size=12))
    text = draw(st.sampled_from([" ", " ", ""])).join(parts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(cut_texts())
def test_stream_gives_what_the_whole_text_gives(pieces: list[str]) -> None:
    """However an answer is cut into chunks, the same text leaves, with the same decision."""
    streamed, whole = guard(), guard()
    out = "".join(streamed.feed(piece) for piece in pieces) + streamed.finish()
    assert out == guard_whole("".join(pieces), whole)
    assert (streamed.decision, streamed.replaced) == (whole.decision, whole.replaced)


@given(cut_texts())
def test_segments_together_are_the_text(pieces: list[str]) -> None:
    """Nothing is lost or added by cutting."""
    segments = Segments()
    cut = [segment for piece in pieces for segment in segments.feed(piece)] + segments.finish()
    assert "".join(cut) == "".join(pieces)


@pytest.mark.parametrize("value", [each for each in VALUES if "CERTIFICATE" not in each and "://" not in each])
def test_value_never_leaves_in_parts(value: str) -> None:
    """Fed sign by sign, what would be masked in the whole text is replaced, and no part of it was sent before."""
    streamed = guard()
    text = f"It is here: {value} and that is all of it."
    out = ""
    for sign in text:
        out += streamed.feed(sign)
        tail = value.rsplit(maxsplit=1)[-1].strip('"')
        assert tail[:6] not in out or len(tail) < 6
    out += streamed.finish()
    assert out.startswith("It is here: ")
    assert out.endswith(" and that is all of it.")
    assert streamed.decision.flagged
    assert value not in out


@pytest.mark.parametrize("value", [each for each in VALUES if "CERTIFICATE" not in each])
def test_cuts_lose_nothing_that_the_masks_recognize(value: str) -> None:
    """The masks of the library find in the segments what they find in the whole text."""
    text = f"See {value} there."
    segments = Segments()
    assert "".join(masks.ALL(each) for each in segments.feed(text) + segments.finish()) == masks.ALL(text)


@given(st.lists(st.sampled_from([*WORDS, *VALUES]), max_size=8).map(" ".join))
def test_cuts_lose_nothing_between_any_neighbours(text: str) -> None:
    """The same, whatever stands before and behind the values."""
    segments = Segments()
    assert "".join(masks.ALL(each) for each in segments.feed(text) + segments.finish()) == masks.ALL(text)


def test_plain_words_wait_for_one_word_only() -> None:
    """Each word leaves when the white space behind it has come."""
    streamed = guard()
    assert [streamed.feed(piece) for piece in ("Join", " two", " path", " components", ".")] == [
        "", "Join", " two", " path", "",
    ]  # fmt: skip
    assert streamed.finish() == " components."


def test_text_without_spaces_does_not_wait_for_ever() -> None:
    """Scripts without spaces leave sign by sign, anything else after a limit."""
    chinese = Segments()
    assert sum(map(len, chinese.feed("函数返回列表的长度并且不会改变它"))) >= 14
    endless = Segments()
    endless.feed("x" * (MAX_HELD_CHARS * 3))
    assert endless.held_chars <= MAX_HELD_CHARS


def test_leak_of_the_system_prompt_ends_the_answer_before_it_leaves() -> None:
    """Fewer words of the prompt than are held leave, and nothing that follows."""
    streamed = guard()
    out = "".join(streamed.feed(piece + " ") for piece in f"Sure. {SYSTEM} And more.".split()) + streamed.finish()
    assert streamed.ended
    assert streamed.decision.reason == "system_prompt"
    assert len(out.replace("Sure.", "").split()) < HELD_WORDS


def test_some_words_of_the_system_prompt_may_be_said() -> None:
    """A few words in a row are no leak, and they leave once others follow."""
    words = " ".join(SYSTEM.split()[: MIN_WORDS - 2])
    streamed = guard()
    assert guard_whole(f"{words} however it may be", streamed) == f"{words} however it may be"
    assert not streamed.decision.flagged


def test_permitted_values_stay() -> None:
    """What the question or the passages hold may be repeated, in another spelling too."""
    permitted = AnswerGuard(find_secrets=True, kinds=KINDS, permitted={"491711234567"})
    assert guard_whole("call +49 171 1234567 now", permitted) == "call +49 171 1234567 now"
