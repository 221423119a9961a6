"""Rules for personal data: e-mail addresses, bank accounts, cards, phone numbers and IP addresses."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sightline.masks.rule import NOT_BEHIND_WORD, Rule, Span, at, not_behind

_NOT_BEHIND_NUMBER: Final = not_behind(r"[\w.]")

# E-mail: the search stops at the sign; the local part before it is read backwards.
_DOMAIN: Final = re.compile(r"(?:@|%40)(?:[^\W_][\w-]{0,62}+\.){1,8}[^\W\d_][\w-]{1,62}+")
_ESCAPE: Final = re.compile(r"\\(?:[nrtbf]|u[0-9A-Fa-f]{4})")  # of JSON text
_LOCAL_SIGNS: Final = frozenset("_.!#$'*+^~-")
_MAX_LOCAL_CHARS: Final = 64


def _email_spans(match: re.Match[str]) -> Iterable[Span]:
    text, start = match.string, match.start()
    first = start
    while first and start - first < _MAX_LOCAL_CHARS and (text[first - 1].isalnum() or text[first - 1] in _LOCAL_SIGNS):
        first -= 1
    if first and (escape := _ESCAPE.match(text, first - 1, start)):
        first = escape.end()
    return ((first, match.end()),) if first < start else ()


# Cards: 13 to 19 digits in one group or as they are printed (fours, 4-6-5, 4-6-4), or in any groups that stand alone.
_CARD: Final = re.compile(
    at(
        "[0-9]",
        _NOT_BEHIND_NUMBER
        + r"""(?:
            (?: [0-9]{13,19} | [0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}
              | [0-9]{4}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{1,3}(?!\w))? ) (?!\w)
          | (?<![0-9][ -]) [0-9](?:[ -]?[0-9]){12,18} (?![ -]?[0-9]|\w) )""",
    ),
    re.VERBOSE | re.ASCII,
)
_SEPARATORS_OF_DIGITS: Final = re.compile("[ -]")
_ISSUERS: Final = re.compile(
    r"4|5|2(?:20[0-4]|22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|3(?:0[0-5]|[689])|35(?:2[89]|[3-8])|6(?:0|4[4-9]|5|2)|63|67"
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Return whether a string of ASCII digits passes the Luhn check (ISO/IEC 7812-1, annex B)."""
    return (sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])) % 10 == 0


def _is_card(digits: str) -> bool:
    if len(set(digits)) == 1 or not _ISSUERS.match(digits):
        return False
    return luhn(digits) and (digits[0] != "4" or len(digits) in {13, 16, 19})


def _card_spans(match: re.Match[str]) -> Iterable[Span]:
    start, end = match.span(1)
    candidate = match[1]
    if _is_card(_SEPARATORS_OF_DIGITS.sub("", candidate)):
        return ((start, end),)
    # Sixteen digits in fours, and behind them a number that is not part of the card.
    if len(candidate) > 19 and _is_card(_SEPARATORS_OF_DIGITS.sub("", candidate[:19])) and not candidate[19].isdigit():
        return ((start, start + 19),)
    return ()


# IBANs. Lengths by country: SWIFT's IBAN registry, release 99.
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN: Final = re.compile(rf"[0-9](?<={NOT_BEHIND_WORD}[A-Za-z]{{2}}[0-9])[0-9](?=[ \u00a0-]?[A-Za-z0-9])")
_SEPARATORS: Final = " -\u00a0"


def mod_97(iban: str) -> bool:
    """Return whether an IBAN without spaces passes the check of ISO 7064 (mod 97-10)."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def _iban_spans(match: re.Match[str]) -> Iterable[Span]:
    text, start = match.string, match.start() - 2
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    characters: list[str] = []
    at = start
    while length and len(characters) < length:
        character = text[at] if at < len(text) else ""
        if character.isascii() and character.isalnum():
            characters.append(character)
        elif not character or character not in _SEPARATORS or text[at - 1] in _SEPARATORS:
            return ()
        at += 1
    goes_on = at < len(text) and text[at].isascii() and text[at].isalnum()
    return ((start, at),) if length and not goes_on and mod_97("".join(characters).upper()) else ()


# Phone numbers: international ones, North American ones with their separators, national ones with a trunk zero.
_PHONE: Final = re.compile(
    at(
        "[+(0-9]",
        not_behind(r"[\w+]")
        + r"""\+[1-9] (?:[ ().\-/]{0,2}[0-9]){6,14} (?![0-9]) | """
        + not_behind(r"[\w.+-]")
        + r"""(?: 00[1-9][0-9]{0,2}[ (./-] (?:[ ().\-/]{0,2}[0-9]){6,12} (?!\w)
            | (?:1[ .-])? (?: \([2-9][0-9]{2}\)\ ? | [2-9][0-9]{2}[.-] ) [2-9][0-9]{2}[ .-][0-9]{4} (?![\w-]|\.[0-9])
            | (?<![0-9][ ,]) (?:1\ )? [2-9][0-9]{2}\ [2-9][0-9]{2}\ [0-9]{4} (?![\w-]|[., ]\ ?[0-9]) )
        | """
        + not_behind(r"[\w.+/-]")
        + r"""\(?0[1-9][0-9]{1,4}\)?\ ?[ /-]\ ?[0-9]{3,8} (?:[ -][0-9]{1,5}){0,3} (?![\w-]|\.[0-9])""",
    ),
    re.VERBOSE | re.ASCII,
)


def _phone_spans(match: re.Match[str]) -> Iterable[Span]:
    return (match.span(1),) if 8 <= sum(map(str.isdigit, match[1])) <= 15 else ()


# IP addresses. Slices (1::2), times and names such as a::b have an address's shape too: a real one has a longer group.
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV4: Final = re.compile(at("[0-9]", rf"{_NOT_BEHIND_NUMBER}(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.[0-9])"))
_IPV6: Final = re.compile(
    not_behind(r"[\w:.]")
    + r"(?!(?<=\\)[bf])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4})(?![\w:]|\.[0-9])"
)


def _ipv6_spans(match: re.Match[str]) -> Iterable[Span]:
    import ipaddress  # noqa: PLC0415  3 ms that only texts with a candidate pay

    candidate = match[0]
    if any(len(group) >= 3 for group in candidate.split(":")) or candidate.count(":") >= 6:
        try:
            ipaddress.IPv6Address(candidate)
        except ValueError:
            return ()
        return (match.span(),)
    return ()


RULES: Final[Sequence[Rule]] = (
    Rule(
        "email",
        _DOMAIN,
        re.compile(r"(?:@|%40)[\w\x7f-\U0010ffff-]{1,252}\.").search,
        _email_spans,
        decided_chars=640,  # nine labels of a domain
    ),
    Rule(
        "iban",
        _IBAN,
        # A separator outside of ASCII has two bytes.
        re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9](?:(?:[ -]|[^\x00-\x7e]{1,2})?[A-Za-z0-9]){11}").search,
        _iban_spans,
    ),
    Rule("card", _CARD, re.compile(r"[0-9](?:[ -]?[0-9]){12}").search, _card_spans),
    Rule("phone", _PHONE, re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){6}").search, _phone_spans),
    Rule("ip", _IPV4, re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]").search),
    Rule("ip", _IPV6, re.compile(r":[0-9A-Fa-f]{0,4}:").search, _ipv6_spans),
)
"""In the order in which they are applied."""
