# ruff: noqa: RUF001 - text of other languages
"""An answer into the statements that can be checked, without a model.

Everything here is pure and deterministic, so a score can be computed again years later.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from sightline_evals.judges.lexical.languages import language_of
from sightline_evals.judges.lexical.refusals import is_refusal
from sightline_evals.judges.lexical.scripts import UNSPACED
from sightline_evals.judges.lexical.sentences import sentences
from sightline_evals.judges.lexical.words import Word, words

__all__ = ["Word", "is_refusal", "plain", "sentences", "statements", "words"]

_CITATION: Final = re.compile(r"(?<!\s)\s*\[\d+(?:\s*,\s*\d+)*\]|【[^】]*】")
_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$", re.MULTILINE)
_INLINE_MARK: Final = re.compile(r"(?<=[.:;!?])\s+\d{1,2}[.)]\s+(?=\w)")
_MARKUP: Final = re.compile(r"[*`]{1,3}")
_CLAIMING_QUESTION: Final = re.compile(
    r"^\W*(?:(?:yes|yeah|no|well|hi|hello|oh|wow|and|but|so)\b[\s,.!]*)*(?:did|do) (?:you|u) know\b"
    r"|,?\s(?:right|correct|(?:is|was|are|were|do|does|did)(?: n't|n't) (?:it|he|she|they))\s*\?$",
    re.IGNORECASE,
)
_QUESTION_MARKS: Final = ("?", "？", "؟")
_JOINED: Final = re.compile(rf"(?<=[{UNSPACED}])[，；](?=[{UNSPACED}]{{4}})")
_MANY_WORDS: Final = 3


def plain(text: str) -> str:
    """A text without citation marks, markup and the lines that fence code."""
    return _INLINE_MARK.sub("\n- ", _MARKUP.sub("", _CITATION.sub("", _FENCE.sub("", text)))).strip()


def statements(answer: str) -> list[str]:
    """The checkable statements of an answer, in order, without citation marks and markup.

    Refusals, lead-ins (``Here is how:``), questions and fragments with fewer than two words of content are left out.
    Questions that tell something (``Did you know that …?``) stay. Where nothing is left, fragments stand in, and after
    them questions of three words of content or more, since they take for granted what they mention. An answer without
    any of these has no statement and so no score. In Chinese and Japanese, a full comma between two clauses parts
    statements.
    """
    return list(_statements(answer))


@lru_cache(maxsize=64)
def _statements(answer: str) -> tuple[str, ...]:
    """The same; kept, since each metric and each passage asks for them."""
    language = language_of(answer)
    claims: list[str] = []
    fragments: list[str] = []
    questions: list[str] = []
    told = [sentence for sentence in sentences(plain(answer)) if not is_refusal(sentence)]
    for sentence in (part for whole in told for part in _JOINED.split(whole)):
        content = sum(not word.stop for word in words(sentence, language))
        if sentence.endswith(_QUESTION_MARKS) and not _CLAIMING_QUESTION.search(sentence):
            if content >= _MANY_WORDS:
                questions.append(sentence)
        elif content >= 2 and not (sentence.endswith((":", "：")) and content < 8):
            claims.append(sentence)
        elif content and not sentence.endswith((":", "：")):
            fragments.append(sentence)
    return tuple(claims or fragments or questions)
