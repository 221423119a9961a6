"""Words, stems, names and related words."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_app.analysis import expansions, name_terms, related, sentences, split_identifier, stem, terms, words


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("readLines", ["read", "lines"]),
        ("HTTPServer", ["http", "server"]),
        ("run_coroutine_threadsafe", ["run", "coroutine", "threadsafe"]),
        ("os.path.join", ["os", "path", "join"]),
    ],
)
def test_identifiers_are_split_into_their_words(name: str, parts: list[str]) -> None:
    """Camel case, snake case and dots all separate words."""
    assert split_identifier(name) == parts


def test_words_keep_an_identifier_whole_as_well() -> None:
    """A camel-case word is found by its parts and by itself."""
    assert {"read", "lines", "readlines"} <= set(words("readLines"))


def test_dotted_name_in_a_question_meets_the_same_name_of_a_passage() -> None:
    """The last two parts of a name, joined, are a term on both sides."""
    assert "pathjoin" in name_terms(["os.path.join"])
    assert "pathjoin" in words("path.join")


def test_question_words_carry_no_meaning() -> None:
    """How, do, I and the like are dropped, the rest is stemmed."""
    assert terms("How do I copy the directories?") == [stem("copy"), stem("directories")]


def test_everyday_words_lead_to_the_words_of_manuals() -> None:
    """A folder is a directory, and an inflected form is looked up too."""
    assert stem("directory") in expansions("list a folder")
    assert stem("directory") in expansions("list the folders")


def test_phrase_of_the_thesaurus_belongs_to_its_first_word_with_meaning() -> None:
    """Related words of "time zone" hang on a word that the question has."""
    found = related("convert to another time zone")
    assert any(stem("zoneinfo") in others for others in found.values())


@given(st.text(max_size=200))
def test_any_text_can_be_analysed(text: str) -> None:
    """No text makes the analysis fail, and terms hold no stop words."""
    assert "the" not in terms(text)
    related(text)
    assert all(sentences(text))


def test_threads_stem_beside_each_other() -> None:
    """Four threads get the stems that one gets: the stemmer keeps its word in itself and is not shared."""
    found = [f"{verb}{ending}" for verb in "abcdefghij" for ending in ("onalizing", "ationally", "ousnesses", "ingly")]
    expected = [stem(word) for word in found]
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            every = list(threads.map(lambda _: [stem.__wrapped__(word) for word in found], range(40)))
    finally:
        sys.setswitchinterval(switch)
    assert all(stems == expected for stems in every)
