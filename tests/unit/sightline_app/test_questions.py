import builtins
import importlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sightline_demo_corpus import questions_file

Question = dict[str, Any]


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """Every line of the question file, in order."""
    text = questions_file().read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _turns(questions: list[Question]) -> Iterator[tuple[str, Question]]:
    """Every turn with the id of its line: the question, then its follow-up if it has one."""
    for question in questions:
        yield question["id"], question
        if "follow_up" in question:
            yield question["id"], question["follow_up"]


def _resolve(name: str) -> object:
    """Import the longest module prefix of a dotted name and walk the rest; a bare builtin needs no import."""
    parts = name.split(".")
    for cut in range(len(parts), -1, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut])) if cut else builtins
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise AssertionError("unreachable: the builtins need no import")


def test_there_are_enough_questions(questions: list[Question]) -> None:
    """The file holds at least 150 questions."""
    assert len(questions) >= 150


def test_lines_are_well_formed(questions: list[Question]) -> None:
    """Every line has its required keys, no unknown ones, and text where text belongs."""
    required = {"id", "topic", "question", "names"}
    for question in questions:
        assert required <= question.keys() <= required | {"answerable", "follow_up"}, question
        assert all(isinstance(question[key], str) and question[key].strip() for key in required - {"names"}), question


def test_ids_are_unique(questions: list[Question]) -> None:
    """No two lines share an id."""
    ids = [question["id"] for question in questions]
    assert len(set(ids)) == len(ids)


def test_texts_are_unique(questions: list[Question]) -> None:
    """No two opening questions read the same, whatever their case and spacing."""
    texts = [" ".join(question["question"].casefold().split()) for question in questions]
    assert len(set(texts)) == len(texts)


def test_answerable_questions_have_names(questions: list[Question]) -> None:
    """A question has one to six distinct names, or none and says that it cannot be answered."""
    for question in questions:
        names = question["names"]
        if question.get("answerable", True):
            assert 1 <= len(names) <= 6, question
            assert len(set(names)) == len(names), question
        else:
            assert names == [], question


def test_some_questions_are_unanswerable(questions: list[Question]) -> None:
    """A few questions lie outside the standard library, and only a few."""
    unanswerable = [question for question in questions if not question.get("answerable", True)]
    assert 4 <= len(unanswerable) <= len(questions) // 10


def test_follow_ups_are_well_formed(questions: list[Question]) -> None:
    """A follow-up has its own text and names, and only follows a question that can be answered."""
    asked = [question for question in questions if "follow_up" in question]
    assert len(asked) >= len(questions) // 4
    for question in asked:
        follow_up = question["follow_up"]
        assert follow_up.keys() == {"question", "names"}, question
        assert isinstance(follow_up["question"], str), question
        assert follow_up["question"].strip(), question
        assert follow_up["question"] != question["question"], question
        assert 1 <= len(follow_up["names"]) <= 6, question
        assert len(set(follow_up["names"])) == len(follow_up["names"]), question
        assert question.get("answerable", True), question


def test_names_belong_to_the_standard_library(questions: list[Question]) -> None:
    """Every name starts at a builtin or at a module that ships with Python, and no part of it is private."""
    known = sys.stdlib_module_names | set(dir(builtins))
    for key, turn in _turns(questions):
        for name in turn["names"]:
            parts = name.split(".")
            assert parts[0] in known, (key, name)
            assert not any(part.startswith("_") and not part.startswith("__") for part in parts), (key, name)


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl, pwd, resource and a few others exist on Unix only")
def test_every_name_resolves(questions: list[Question]) -> None:
    """Every name is found by import and attribute access in the running interpreter."""
    missing = []
    for key, turn in _turns(questions):
        for name in turn["names"]:
            try:
                _resolve(name)
            except (AttributeError, ImportError):
                missing.append((key, name))
    assert missing == []
