"""Text into statements and words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.judges.statements import is_refusal, sentences, statements, words


def stems(text: str) -> list[str]:
    """Stems of the content words."""
    return [word.stem for word in words(text) if not word.stop]


def test_sentences_end_at_stops_and_not_at_abbreviations_or_initials() -> None:
    """Decimal points, dotted names, titles and initials do not cut a sentence."""
    text = "Use os.path.join, e.g. for files. Dr. Smith paid 3.5 dollars! J. R. Tolkien wrote it. Why?"
    assert sentences(text) == [
        "Use os.path.join, e.g. for files.",
        "Dr. Smith paid 3.5 dollars!",
        "J. R. Tolkien wrote it.",
        "Why?",
    ]


def test_wrapped_lines_join_and_list_items_part() -> None:
    """Passages are wrapped at a width; a list is one statement an item."""
    assert sentences("A line that\ngoes on.\n\n- first item\n- second item\n1. third item") == [
        "A line that goes on.",
        "first item",
        "second item",
        "third item",
    ]


def test_names_of_code_fall_apart_into_their_words() -> None:
    """An answer that says `read text` finds a passage that says `read_text`."""
    assert stems("read_text") == stems("readText") == stems("read text") == ["read", "text"]
    assert stems("HTTPServer")
    assert stems("3,000 files") == ["3000", "file"]


def test_kinds_of_words() -> None:
    """Numbers, names inside a sentence and negations are marked."""
    marked = {word.stem: word for word in words("It isn't in London since 1999 or two.")}
    assert marked["london"].name
    assert not marked["it"].name
    assert marked["1999"].number
    assert marked["2"].number
    assert any(word.negation for word in words("It isn\u2019t so"))


def test_statements_leave_out_what_claims_nothing() -> None:
    """Lead-ins, questions, refusals and citation marks are no statements."""
    answer = "Here is how:\n1. **Open** the file [1].\n2. Read its lines.\nI don't know more. Does that help?"
    assert statements(answer) == ["Open the file.", "Read its lines."]


def test_an_answer_of_one_word_is_a_statement_when_it_is_all_there_is() -> None:
    """Short answers are judged, short scraps of long ones are not."""
    assert statements("Paris.") == ["Paris."]
    assert statements("Sure. Paris lies on the river Seine.") == ["Paris lies on the river Seine."]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("I love it. Me too!", ["I love it."]),
        ("Good.", ["Good."]),
        ("Did you know that blue is a primary colour?", ["Did you know that blue is a primary colour?"]),
        ("He wrote it in 1999, didn't he?", ["He wrote it in 1999, didn't he?"]),
        ("Did you like the scene where the bats attacked?", ["Did you like the scene where the bats attacked?"]),
        ("Which one?", []),
        ("It holds 300 books. Which one do you like?", ["It holds 300 books."]),
        ("I don't know if that is true, my mother told me.", ["I don't know if that is true, my mother told me."]),
    ],
)
def test_replies_of_a_conversation_are_statements(reply: str, found: list[str]) -> None:
    """First-person claims, short replies and questions that tell something can be invented too."""
    assert statements(reply) == found


def test_numbers_of_an_inline_list_are_no_claims() -> None:
    """A list that is written in one line parts into its items, without their numbers."""
    answer = "It can fail for two reasons: 1. Power is cut. 2. The disk is full."
    assert statements(answer) == ["Power is cut.", "The disk is full."]


@pytest.mark.parametrize(
    ("sentence", "refusal"),
    [
        ("I\u2019m sorry, but I couldn\u2019t find anything about that.", True),
        ("The passages do not mention it.", True),
        ("There is no information about it in the documents.", True),
        ("I found nothing about this in the documentation.", True),
        ("The study found no link.", False),
        ("No information is lost.", False),
        ("I don't recommend it.", False),
        ("The function does not provide a way back.", False),
        ("The passages do not mention it, but the limit is 5.", False),
    ],
)
def test_refusals_are_distinguished_from_claims(sentence: str, refusal: bool) -> None:
    """A claim taken for a refusal would go unchecked, so only plain refusals count."""
    assert is_refusal(sentence) is refusal


@given(st.text(max_size=300))
def test_any_text_splits_without_error(text: str) -> None:
    """No text breaks the splitting, and no statement is empty."""
    assert all(statement.strip() for statement in statements(text))
    for sentence in sentences(text):
        words(sentence)
