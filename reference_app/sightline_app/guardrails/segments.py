"""Cuts a stream into segments, so that nothing that a rule could recognize lies across a cut.

A cut is possible behind a word once white space follows, unless the word may go on to be a part of something: numbers
in groups (cards, phones, IBANs), what stands behind a name such as `password`, an open quote there, a private key. So
an answer in plain words is held back by one word. Text without white space is cut between Chinese, Japanese and Korean
signs, and at the latest after `MAX_HELD_CHARS`.

A segment depends only on the text, never on the pieces in which it came: a rule that is applied to each segment gives
the same for a stream as for the whole text.
"""

from __future__ import annotations

import re
from typing import Final

MAX_HELD_CHARS: Final = 24_000
"""Longest segment: longer than any key that a rule recognizes."""

_MAX_NUMBERS_CHARS: Final = 512
_MAX_NAMED_CHARS: Final = 4300
_NAME: Final = re.compile(r"passw|passphrase|pwd|secret|key|token|bearer|basic", re.IGNORECASE)
_UNSPACED: Final = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")
_KEY_MAY_BEGIN: Final = re.compile(r"-----BEGIN[A-Z -]*\Z")
_KEY_BEGINS: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS: Final = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----\Z")
_MAX_HEAD_CHARS: Final = 96
_MAX_PRIVATE_KEY_CHARS: Final = 17_000
_QUOTE: Final = re.compile(r"[\"'`]")
_NAMED_WORDS: Final = 3


class Segments:
    """Takes pieces and returns complete segments; joined together they are the text."""

    def __init__(self) -> None:
        self._text = ""
        """What has come since the last cut."""
        self._at = 0
        """How far of it has been looked at."""
        self._word = 0
        """Where its newest word begins."""
        self._numbers: int | None = None
        self._after_digits = False
        self._named: int | None = None
        self._named_words = 0
        self._quote = ""
        self._private_key: int | None = None

    @property
    def held_chars(self) -> int:
        """Characters that wait for a cut."""
        return len(self._text)

    def feed(self, piece: str) -> list[str]:
        """Take a piece and return the segments that are complete now."""
        self._text += piece
        done: list[str] = []
        cut = 0
        text = self._text
        at = self._at
        while at < len(text):
            sign = text[at]
            if sign.isspace():
                if self._may_cut(text, at, cut):
                    done.append(text[cut:at])
                    cut = at
                    self._forget()
                self._word = at + 1
            elif self._stands_alone(text, at, cut) or at - cut >= MAX_HELD_CHARS:
                done.append(text[cut:at])
                cut = at
                self._forget()
                self._word = at
            at += 1
        self._text = text[cut:]
        self._at = at - cut
        self._word -= cut
        for name in ("_numbers", "_named", "_private_key"):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name) - cut)
        return [each for each in done if each]

    def finish(self) -> list[str]:
        """Return what is left as the last segment."""
        left, self._text, self._at, self._word = self._text, "", 0, 0
        self._forget()
        return [left] if left else []

    def _forget(self) -> None:
        self._numbers = self._named = self._private_key = None
        self._named_words, self._quote = 0, ""

    def _stands_alone(self, text: str, at: int, cut: int) -> bool:
        """Whether a cut is possible between two signs of a script without spaces."""
        if at == cut or not _UNSPACED.match(text[at]) or not _UNSPACED.match(text[at - 1]):
            return False
        clear = self._numbers is None and self._named is None and self._private_key is None
        return clear and not _holds_data(text[max(cut, self._word) : at])

    def _may_cut(self, text: str, at: int, cut: int) -> bool:
        """Whether a cut is possible before the white space at a place; takes note of the word that ends there."""
        word = text[max(self._word, cut) : at]
        if self._private_key is None and (begin := word.find("-----BEGIN")) >= 0:
            self._private_key = at - len(word) + begin
        if self._private_key is not None:
            if self._is_in_private_key(text, self._private_key, at):
                return False
            self._private_key = None
        if text[at] in "\r\n":
            return True
        if not word:
            return self._numbers is None and self._named is None
        numbers = self._follow_numbers(word, at)
        named = self._follow_name(word, at)
        return not numbers and not named

    def _is_in_private_key(self, text: str, begin: int, at: int) -> bool:
        """Whether a place is inside of what began with ``-----BEGIN``, and that is a private key or may become one."""
        head = text[begin : min(at, begin + _MAX_HEAD_CHARS)]
        if not _KEY_BEGINS.match(head):
            return at - begin < _MAX_HEAD_CHARS and text[at] not in "\r\n" and _KEY_MAY_BEGIN.match(head) is not None
        return at - begin < _MAX_PRIVATE_KEY_CHARS and not _KEY_ENDS.search(text, max(begin, at - 96), at)

    def _follow_numbers(self, word: str, at: int) -> bool:
        if any(sign.isdigit() for sign in word) or word[-1] in "+(" or (len(word) <= 2 and word.isupper()):
            self._numbers = at if self._numbers is None else self._numbers
            self._after_digits = True
        elif self._numbers is not None and self._after_digits and len(word) <= 4 and word.isalnum():
            self._after_digits = False  # one group of an IBAN may be of letters alone
        else:
            self._numbers = None
        if self._numbers is not None and at - self._numbers > _MAX_NUMBERS_CHARS:
            self._numbers = None
        return self._numbers is not None

    def _follow_name(self, word: str, at: int) -> bool:
        if _NAME.search(word):
            self._named, self._named_words, self._quote = at, _NAMED_WORDS, ""
            quotes = _QUOTE.findall(word[word.rfind("=") + 1 :]) if "=" in word else []
            self._quote = quotes[0] if len(quotes) == 1 else ""
            return True
        if self._named is None:
            return False
        if at - self._named > _MAX_NAMED_CHARS:
            self._named = None
            return False
        if self._quote:
            if self._quote in word:
                self._quote = ""
                self._named_words = 1
            return True
        if word[0] in "\"'`" and (len(word) == 1 or word[-1] != word[0]) and word.strip("\"'`:="):
            self._quote = word[0]
            return True
        if word.strip(":=\"'`"):
            self._named_words -= 1
        if self._named_words <= 0:
            self._named = None
        return self._named is not None


def _holds_data(word: str) -> bool:
    return any(sign.isdigit() or sign in "@:" for sign in word)
