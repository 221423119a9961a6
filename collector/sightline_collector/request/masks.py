"""Finds what should not be stored in a text and writes `[redacted:NAME]` in its place.

The ready-made masks check what can be checked (Luhn, the IBAN's remainder, addresses), so that ids and times stay. They
take time in proportion to the text, whatever it holds; own patterns (`own_patterns`) are tried before they are let in.

A long text is looked at through windows that overlap, so that a pattern never sees more than `window_chars` at once and
nothing is left out. A match keeps the whole of its window; only one that is longer than the window is cut. Of a text
that may hold something, `value_chars` are looked at; the rest, and what a mask may have seen half of, is cut off.
"""

from __future__ import annotations

import copy
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

_OVERLAP_CHARS = 256
# Hints are looked for in pieces too: a search is one call, during which no other thread runs. None is as long as this.
_HINT_CHARS = 262_144
_HINT_OVERLAP_CHARS = 512
_REST = "[redacted:rest]"


@dataclass(frozen=True)
class Mask:
    """One kind of thing to find."""

    name: str
    """What stands in its place: `[redacted:name]`."""
    pattern: re.Pattern[str]
    """Candidates."""
    may_hold: Callable[[str], object] = bool
    """False where no part of a text can hold one, also with any other character for each that is not ASCII."""
    clean: Callable[[str, str], str] | None = None
    """The candidate and the replacement to the text that stays; None replaces all of every candidate."""

    def may_find(self, text: str) -> bool:
        """Whether it can find anything in a text of any length, or in any part of it."""
        if len(text) <= _HINT_CHARS:
            return bool(self.may_hold(text))
        starts = range(0, len(text), _HINT_CHARS - _HINT_OVERLAP_CHARS)
        return any(self.may_hold(text[start : start + _HINT_CHARS]) for start in starts)

    def apply(self, text: str, window_chars: int) -> str:
        """The text without what this mask finds; the same object where it finds nothing."""
        if not self.may_find(text):
            return text
        found: list[str] = []
        copied = start = 0
        while start < len(text):
            end = min(start + window_chars, len(text))
            horizon = end if end == len(text) else end - _OVERLAP_CHARS
            after = horizon
            for match in self.pattern.finditer(text, start, end):
                if match.start() >= horizon:
                    break
                if match.end() == end < len(text) and match.start() > start:
                    after = match.start()  # It may go on: look again from where it starts.
                    break
                clean = self._cleaned(match)
                if clean != match[0]:
                    found += text[copied : match.start()], clean
                    copied = match.end()
                after = max(after, match.end())
            start = after if end < len(text) else end
        return "".join([*found, text[copied:]]) if found else text

    def _cleaned(self, match: re.Match[str]) -> str:
        replacement = f"[redacted:{self.name}]"
        if match.lastgroup == "value":  # Only a part of the candidate is the secret.
            before, after = match.start("value") - match.start(), match.end("value") - match.start()
            return match[0][:before] + replacement + match[0][after:]
        return self.clean(match[0], replacement) if self.clean else replacement


class Masks:
    """Several masks, one after the other."""

    def __init__(
        self,
        names: Iterable[str],
        own: Iterable[re.Pattern[str]] = (),
        window_chars: int = 16384,
        value_chars: int = 1_048_576,
    ) -> None:
        """Choose.

        Args:
            names: of ready-made masks: token, email, iban, card, phone, ip.
            own: own patterns, as `own_patterns.load_patterns` gives them; what they find becomes `[redacted:pattern]`.
            window_chars: what a pattern sees at once, at least 1024.
            value_chars: how much of a text is looked at, several windows.
        """
        chosen = set(names)
        self._window_chars = window_chars
        self._value_chars = value_chars
        self._masks = tuple(mask for mask in READY_MADE if mask.name in chosen)
        self._masks += tuple(Mask("pattern", pattern) for pattern in own)

    def __len__(self) -> int:
        return len(self._masks)

    def that_may_find(self, text: str) -> Masks:
        """Those of the masks that can find anything in the text, or in any part of it."""
        some = copy.copy(self)
        some._masks = tuple(mask for mask in self._masks if mask.may_find(text))
        return some

    def may_find(self, text: str) -> bool:
        """Whether any mask can find anything in the text, or in any part of it."""
        return any(mask.may_find(text) for mask in self._masks)

    def apply(self, text: str) -> str:
        """The text without what the masks find; the same object where they find nothing.

        A text longer than may be looked at, that may hold something, ends with `[redacted:rest]`.
        """
        is_cut = len(text) > self._value_chars and self.may_find(text)
        if is_cut:
            text = text[: self._value_chars]
        for mask in self._masks:
            text = mask.apply(text, self._window_chars)
        # What begins within the last window may go on behind the cut, where no mask can see that it is one.
        return text[: max(0, len(text) - self._window_chars)] + _REST if is_cut else text


def _card(candidate: str, replacement: str) -> str:
    """Digits in groups as cards are printed (16 to 19 in fours, 15 as 4-6-5, 14 as 4-6-4, 13 to 19 in one)."""
    groups = list(_DIGITS.finditer(candidate))
    lengths = [len(group[0]) for group in groups]
    parts: list[str] = []
    copied = index = 0
    while index < len(groups):
        taken = 0
        for size in (5, 4, 3, 1):
            if _is_card_shape(lengths[index : index + size], size):
                text = "".join(group[0] for group in groups[index : index + size])
                if text[0] in "23456" and _luhn(text):
                    taken = size
                    break
        if taken:
            parts += candidate[copied : groups[index].start()], replacement
            copied = groups[index + taken - 1].end()
        index += taken or 1
    return "".join([*parts, candidate[copied:]]) if parts else candidate


def _is_card_shape(lengths: list[int], size: int) -> bool:
    if size == 1:
        return 13 <= lengths[0] <= 19  # A whole group.
    if size == 3:
        return lengths in ([4, 6, 5], [4, 6, 4])
    return lengths[:4] == [4, 4, 4, 4] and len(lengths) == size and (size == 4 or lengths[4] <= 3)


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def _iban(candidate: str, replacement: str) -> str:
    length = _IBAN_LENGTHS.get(candidate[:2].upper(), 0)
    seen = 0
    for end, char in enumerate(candidate, 1):
        seen += char not in " -"
        if seen == length:
            plain = re.sub("[ -]", "", candidate[:end]).upper()
            whole = end == len(candidate) or not candidate[end].isalnum()
            if whole and int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1:
                return replacement + candidate[end:]
            break
    return candidate


def _phone(candidate: str, replacement: str) -> str:
    return replacement if 8 <= sum(map(str.isdigit, candidate)) <= 15 else candidate


def _ip(candidate: str, replacement: str) -> str:
    if candidate.strip(":"):
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            return candidate
        return replacement
    return candidate


_DIGITS = re.compile(r"[0-9]+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# Lengths by country, from the IBAN registry.
# Source: https://www.swift.com/standards/data-standards/iban-international-bank-account-number
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
_IPV4 = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"


def _holds(*some: str) -> Callable[[str], bool]:
    """Whether a text holds any of some lower-case words, in any case."""

    def may_hold(text: str) -> bool:
        lower = text.lower()
        return any(word in lower for word in some)

    return may_hold


READY_MADE: Final = (
    Mask(
        "token",
        re.compile(
            r"""-----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----
                    (?: (?:[^-]|-(?!----)){0,16384}+ -----END\ [A-Z ]{0,40}PRIVATE\ KEY----- | [\w+/=\s\\]{0,16384}+ )
            | \b (?: sl_[0-9a-f]{8}_[\w-]{43} | [spr]k[-_][\w-]{16,256}+ | gh[oprsu]_\w{20,256}+
                    | github_pat_\w{20,256}+ | glpat-[\w-]{16,256}+ | (?:AKIA|ASIA)[A-Z0-9]{16}
                    | xox[a-z]-[\w-]{10,256}+ | AIza[\w-]{30,64}+ | hf_\w{20,256}+ | npm_\w{30,256}+
                    | pypi-[\w-]{16,1024}+ )
            | (?<![\w-]) eyJ[\w-]{8,4096}+ \. eyJ[\w-]{2,8192}+ (?:\.[\w-]{0,4096}+)?
            """,
            re.VERBOSE | re.ASCII,
        ),
        # Each alternative is led by a rare character, which is what makes the search fast.
        re.compile(
            r"[-_KSIJ](?:(?<=sl_)|(?<=[spr]k[-_])|(?<=gh[oprsu]_)|(?<=github_)|(?<=glpat-)|(?<=xox[a-z]-)|(?<=hf_)"
            r"|(?<=npm_)|(?<=pypi-)|(?<=-)----BEGIN|(?<=A[KS])IA|(?<=AI)za|(?<=eyJ))"
        ).search,
    ),
    Mask(
        "token",
        re.compile(
            r"\b(?:bearer|basic)\s{1,4}(?=[\w.~+/-]{0,64}[0-9])(?P<value>[\w.~+/-]{12,8192}+={0,4}+)", re.IGNORECASE
        ),
        _holds("bearer", "basic"),
    ),
    Mask(
        "token",
        re.compile(
            r"""(?: passw(?:or)?d | passphrase | secret | api[_-]?key | (?:access|refresh|id|auth)[_-]?token )
                (?:[_-]?key)? ["'\\]{0,4} \s{0,4} [:=] \s{0,4} ["'\\]{0,4}
                (?P<value>[^\s"'\\,;&<>(){}\[\]]{4,1024}+)""",
            re.VERBOSE | re.IGNORECASE,
        ),
        _holds(
            *("passw", "passphrase", "secret", "apikey", "api_key", "api-key"),
            *(f"{kind}{joint}token" for kind in ("access", "refresh", "id", "auth") for joint in ("", "_", "-")),
        ),
    ),
    Mask("token", re.compile(r"(?<=://)[^\s/:@]{0,64}:(?P<value>[^\s/@]{1,256}+)(?=@)"), lambda text: "://" in text),
    Mask(
        "email",
        re.compile(r"[\w.!#$'*+^~-]{1,64}+(?:@|%40)(?:[^\W_][\w-]{0,62}+\.){1,8}[^\W\d_][\w-]{1,62}+"),
        re.compile(r"(?:@|%40)(?:[\w-]|[^\x00-\x7e]){1,252}\.").search,
    ),
    Mask(
        "iban",
        re.compile(r"(?<![^\W_])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,40}", re.IGNORECASE | re.ASCII),
        re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9](?:[ -]?[A-Za-z0-9]){11}").search,
        _iban,
    ),
    Mask(
        "card",
        re.compile(r"(?<![\w.])[0-9]{4,19}(?:[ -][0-9]{3,6}){0,40}(?!\w)"),
        re.compile(r"[0-9](?:[ -]?[0-9]){12}").search,
        _card,
    ),
    Mask(
        "phone",
        re.compile(
            r"""(?<![\w.+-]) (?:
                    \+[1-9] (?:[ ().\-/]{0,2}[0-9]){6,14}
                |   00[1-9][0-9]{0,2}[ (./-] (?:[ ().\-/]{0,2}[0-9]){6,12}
                |   (?:1[ .-])? (?: \([0-9]{3}\)\ ? | [0-9]{3}[ .-] ) [0-9]{3}[ .-][0-9]{4}
                |   \(?0[0-9]{1,5}\)?\ ?[ /-]\ ?[0-9]{3,8} (?:[ -][0-9]{1,5}){0,3}
            ) (?!\w)""",
            re.VERBOSE | re.ASCII,
        ),
        re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){6}").search,
        _phone,
    ),
    Mask(
        "ip",
        re.compile(rf"(?<![\w.])(?:{_IPV4}\.){{3}}{_IPV4}(?!\w|\.[0-9])"),
        re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]").search,
    ),
    Mask(
        "ip",
        re.compile(
            r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})?(?![\w:])"
        ),
        re.compile(r":[0-9A-Fa-f]{0,4}:").search,
        _ip,
    ),
)
"""The ready-made masks in the order in which they are applied; several may bear one name."""
