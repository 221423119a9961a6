"""Which questions the cache is asked for, and how answers are kept in a process."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline_app.embeddings import Embedded
from sightline_app.embeddings.minilm import TOKENS_CUT
from sightline_app.privacy.finder import Found
from sightline_app.privacy.placeholders import Placeholders
from sightline_app.retriever import Hit
from sightline_app.settings import CacheSettings
from sightline_app.stages.cache import content_words, marks, pieces, unfit
from sightline_app.stages.events import Question
from sightline_app.stages.mask import Masked
from sightline_app.state.answer_store import CachedAnswer, ProcessAnswers, RedisAnswers
from sightline_app.state.redis_link import RedisLink
from sightline_app.state.vector_table import VectorTable

HIT = Hit("1", "join()", "Join.", ["os.path.join"], "os", "2026-01-01", 0.5)
OPEN = Masked(Placeholders(()), {})
WHOLE = Embedded(np.array([1.0, 0.0], dtype=np.float32), 3)


def at(degrees: float) -> NDArray[np.float32]:
    """A unit vector of two dimensions."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("How do I copy a folder?", []),
        ("Open port 8080 in Python 3.11.2", ["3.11.2", "8080"]),
        ("What does os.path.join do with my_file and readLines?", ["my_file", "os.path.join", "readLines"]),
        ("Copy WITHOUT symlinks, don't follow", ["don't", "without"]),
        ('Is "a b" the same as `c d`?', ['"a b"', "`c d`"]),
        ("call join() now", ["join()"]),
    ],
)
def test_marks_are_what_a_vector_blurs(text: str, found: list[str]) -> None:
    """Numbers, names of code, quoted texts and negations; plain words are left to the vector."""
    assert marks(text) == found


@pytest.mark.parametrize(
    ("question", "embedded", "reason"),
    [
        (Question("How?"), WHOLE, ""),
        (Question("How?", history=[{"role": "user", "content": "a"}]), WHOLE, "history"),
        (Question("w " * 300), WHOLE, "long_question"),
        (Question("\U0001f600" * 400), Embedded(WHOLE.vector, 256, {TOKENS_CUT: 9}), "long_question"),
        (Question("Is jane@example.com known?"), WHOLE, "personal_data"),
        (Question("?"), Embedded(np.zeros(2, dtype=np.float32), 1), "no_vector"),
        (Question("?"), Embedded(np.array([np.nan, 1.0], dtype=np.float32), 1), "no_vector"),
    ],
)
def test_question_that_the_cache_must_not_be_asked_for(question: Question, embedded: Embedded, reason: str) -> None:
    """Its answer depends on more than its vector, or belongs to one person."""
    assert unfit(question, embedded, OPEN, 500) == reason


def test_question_with_a_masked_name_is_personal() -> None:
    """Two people's names become the same placeholder, so the vectors would be the same."""

    def names(text: str) -> list[Found]:
        return [Found("name", 9, 12)] if "Ann" in text else []

    masked = Masked(Placeholders({"name"}, names), {})
    assert unfit(Question("Where is he now?"), WHOLE, masked, 500) == ""
    assert masked.placeholders.mask("Where is Ann now?") == "Where is <NAME_1> now?"
    assert unfit(Question("Where is Ann now?"), WHOLE, masked, 500) == "personal_data"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How do I copy a folder?", "hi, how can I COPY the folders", True),
        ("How do I encode it?", "How do I decode it?", False),
        ("Round a number up", "Round a number down", False),
        ("Convert local time to UTC", "Convert UTC to local time", False),
        ("Convert from a to b", "Convert to a from b", False),
        ("\u0434\u0430", "\u043d\u0435\u0442", False),
    ],
)
def test_words_tell_opposites_apart(one: str, other: str, same: bool) -> None:
    """Endings and words without meaning make no difference; order, direction and other scripts do."""
    assert (content_words(one) == content_words(other)) is same


@pytest.mark.parametrize("text", ["", "a", " a  b\n\nc ", "one two"])
def test_pieces_are_the_text(text: str) -> None:
    """Nothing is lost, whatever the blanks."""
    assert "".join(pieces(text)) == text


def test_table_finds_the_nearest_of_a_group_and_drops_the_oldest() -> None:
    """Groups are apart, order is by similarity, a row that is put again is new, and the bound holds."""
    table = VectorTable(3)
    table.put("g", "a", at(0))
    table.put("g", "b", at(20))
    table.put("other", "c", at(1))
    assert [near.id for near in table.nearest("g", at(15), 5)] == ["b", "a"]
    assert table.nearest("g", at(0), 1)[0].similarity == pytest.approx(1.0)
    assert table.nearest("none", at(0), 1) == []
    table.put("g", "a", at(90))
    assert table.put("g", "d", at(1)) == ["b"]
    assert [near.id for near in table.nearest("g", at(0), 5)] == ["d", "a"]
    table.drop("b")
    table.drop("d")
    table.drop("a")
    assert table.nearest("g", at(0), 5) == []
    assert len(table) == 1


def answer(text: str, trace_id: str = "") -> CachedAnswer:
    """An answer."""
    return CachedAnswer("q", text, [HIT], 40, 10, 1.5, None, trace_id)


def test_answer_comes_back_from_json() -> None:
    """All that a hit shows is kept; anything else is refused."""
    kept = CachedAnswer("q", "text \u20ac", [HIT], 4, 5, 0.5, "note", "t1")
    assert CachedAnswer.from_json(kept.as_json()) == kept
    for broken in ("", "[]", "{}", '{"hits": [{"a": 1}]}', '{"hits": 3}', "null"):
        with pytest.raises(ValueError, match="no kept answer"):
            CachedAnswer.from_json(broken)


async def test_process_forgets_after_its_time() -> None:
    """An answer is as old as its keeping says, and is gone after that."""
    now = [0.0]
    store = ProcessAnswers(CacheSettings(ttl_s=60), lambda: now[0])
    await store.keep("t", "s", at(0), answer("a"))
    now[0] = 60.0
    found = (await store.nearest("t", "s", at(0), "", lambda _: True)).answer
    assert found is not None
    assert found.age_s == 60
    now[0] = 60.1
    assert (await store.nearest("t", "s", at(0), "", lambda _: True)).answer is None
    assert (await store.nearest("t", "s", at(0), "", lambda _: True)).similarity == 0


class OneAnswer:
    """A Redis with one vector, which remembers from which moments on new ones were asked for."""

    def __init__(self) -> None:
        self.asked: list[str | int] = []

    def script(self, path: Path) -> Any:
        """A script; only the one that returns new vectors does anything."""

        async def run(keys: Sequence[str], arguments: Sequence[str | int]) -> list[str]:
            del keys
            if path.name != "new_answers.lua":
                return []
            self.asked.append(arguments[0])
            new = ["scope:1", "1764456789123456", base64.b64encode(at(0).tobytes()).decode()]
            return new if float(arguments[0]) < float(new[1]) else []

        return run


async def test_process_asks_redis_only_for_vectors_that_are_new() -> None:
    """Also after a look-up for which there were none."""
    redis = OneAnswer()
    store = RedisAnswers(cast("RedisLink", redis), CacheSettings())
    for _ in range(4):
        assert (await store.nearest("acme", "scope", at(90), "", lambda _: True)).answer is None
    assert redis.asked == ["0", *["1764456789123456"] * 3]
