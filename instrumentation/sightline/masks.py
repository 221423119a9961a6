"""Ready-made masks for captured text: e-mail, phone, card, IBAN, IP addresses, keys and tokens.

```python
from sightline import configure, masks

configure(capture="truncated", redact=masks.ALL)
configure(capture="truncated", redact=masks.EMAIL | masks.CARD | my_own_function)
```

A mask is a function from text to text; ``|`` makes one out of several, applied from left to right. What is found
becomes ``[email]``, ``[phone]``, ``[card]``, ``[iban]``, ``[ip]`` or ``[secret]``.

Promise: time grows linearly with the text, whatever the text (no pattern can backtrack beyond a fixed distance).
Numbers with a check digit are checked: a card must have an issuer's prefix and pass Luhn (ISO/IEC 7812-1), an IBAN
must have its country's length and pass mod 97 (ISO 13616). Masks are a net, not a proof: names, addresses and
national ids pass through it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

Rule = Callable[[str], str]


class Mask:
    """A function from text to masked text; ``|`` composes, ``repr`` tells what it holds."""

    __slots__ = ("_rules", "name")

    def __init__(self, name: str, *rules: Rule) -> None:
        self.name = name
        """What it masks, for people."""
        self._rules = rules

    def __call__(self, text: str) -> str:
        """Return the text with everything masked that the mask knows."""
        for rule in self._rules:
            text = rule(text)
        return text

    def __or__(self, other: Rule) -> "Mask":
        """Return a mask that applies this one, then the other."""
        return Mask(f"{self.name}, {_name(other)}", *self._rules, *_rules(other))

    def __ror__(self, other: Rule) -> "Mask":
        """Return a mask that applies the other, then this one."""
        return Mask(f"{_name(other)}, {self.name}", *_rules(other), *self._rules)

    def __repr__(self) -> str:
        return f"<Mask {self.name}>"


def _rules(rule: Rule) -> tuple[Rule, ...]:
    return rule._rules if isinstance(rule, Mask) else (rule,)


def _name(rule: Rule) -> str:
    return rule.name if isinstance(rule, Mask) else getattr(rule, "__name__", type(rule).__name__)


# E-mail. A run of local characters is read once: the look-behind refuses to start inside of it.
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]++(?:@|%40)(?:[\w-]++\.)+[^\W\d_]{2,63}(?![\w-])")


def _email(text: str) -> str:
    return _EMAIL.sub("[email]", text) if "@" in text or "%40" in text else text


# Cards: a run of digits with single spaces or dashes between groups; any whole groups in it may be the card.
_DIGITS: Final = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9][.,])[0-9](?:[ -]?[0-9]){12,}+(?![0-9A-Za-z_])")
_GROUP: Final = re.compile(r"[0-9]+")
_ISSUERS: Final = re.compile(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|3(?:0[0-5]|[689])|35(?:2[89]|[3-8])|6(?:011|4[4-9]|5|2)|50|5[6-9]|63|67"
)


def luhn(digits: str) -> bool:
    """Return whether a string of ASCII digits passes the Luhn check (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        if index % 2:
            value += value - 9 if value > 4 else value
        total += value
    return total % 10 == 0


def _is_card(digits: str) -> bool:
    length = len(digits)
    if not 13 <= length <= 19 or len(set(digits)) == 1 or not _ISSUERS.match(digits):
        return False
    if digits[0] == "4" and length not in (13, 16, 19):
        return False
    return luhn(digits)


def _card(text: str) -> str:
    return _DIGITS.sub(_cards_in, text)


def _cards_in(match: re.Match[str]) -> str:
    run = match[0]
    groups = [(found.start(), found.end(), found[0]) for found in _GROUP.finditer(run)]
    parts: list[str] = []
    done = 0
    first = 0
    while first < len(groups):
        digits = ""
        end = None
        for last in range(first, min(first + 19, len(groups))):
            digits += groups[last][2]
            if len(digits) > 19:
                break
            if _is_card(digits):
                end = last
        if end is None:
            first += 1
            continue
        parts += [run[done : groups[first][0]], "[card]"]
        done = groups[end][1]
        first = end + 1
    return "".join([*parts, run[done:]]) if parts else run


# IBANs. Lengths by country: SWIFT's IBAN registry, release 99.
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
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
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")
_SEPARATORS: Final = " -\u00a0"


def mod_97(iban: str) -> bool:
    """Return whether an IBAN without spaces passes the check of ISO 7064 (mod 97-10)."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(each, 36)) for each in moved)) % 97 == 1


def _iban_end(text: str, start: int) -> int | None:
    """Return where the IBAN that may start here ends, None when it is none."""
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    found: list[str] = []
    at = start
    while len(found) < length:
        if at >= len(text):
            return None
        letter = text[at]
        if letter in _SEPARATORS:
            if not found or text[at - 1] in _SEPARATORS:
                return None
        elif letter.isascii() and letter.isalnum():
            found.append(letter)
        else:
            return None
        at += 1
    if at < len(text) and text[at].isascii() and text[at].isalnum():
        return None
    return at if mod_97("".join(found).upper()) else None


def _iban(text: str) -> str:
    parts: list[str] = []
    done = 0
    for match in _IBAN_START.finditer(text):
        start = match.start()
        end = _iban_end(text, start) if start >= done else None
        if end is not None:
            parts += [text[done:start], "[iban]"]
            done = end
    return "".join([*parts, text[done:]]) if parts else text


# IP addresses
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.[0-9])")
_IPV6: Final = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{0,4}|(?:[0-9]{1,3}\.){3}[0-9]{1,3})(?![\w:]|\.[0-9])"
)


_DOTTED: Final = re.compile(r"[0-9]\.[0-9]")


def _ip(text: str) -> str:
    # Most texts have none: a look for what every address has costs a tenth of looking for addresses.
    if text.count(".") >= 3 and _DOTTED.search(text):
        text = _IPV4.sub("[ip]", text)
    return _IPV6.sub(_ipv6, text) if text.count(":") >= 2 else text


def _ipv6(match: re.Match[str]) -> str:
    candidate = match[0]
    # Slices (1::2), times and names such as a::b have the shape too: a real address has a longer group.
    long_enough = any(len(group) >= 3 for group in candidate.split(":")) or candidate.count(":") >= 6
    return "[ip]" if long_enough and _is_ipv6(candidate) else candidate


def _is_ipv6(text: str) -> bool:
    import ipaddress  # noqa: PLC0415  3 ms that only texts with a candidate pay

    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


# Phone numbers: international ones, North American ones with their separators, national ones with a trunk zero.
_PHONE: Final = re.compile(
    r"(?<![\w+])\+[1-9](?:[ ().\-/]{0,2}[0-9]){6,14}(?![0-9])"
    r"|(?<![\w.+-])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}(?![\w-]|\.[0-9])"
    r"|(?<![\w.+/-])0[1-9][0-9]{1,4}(?:/|[ -])[0-9]{3,8}(?:[ -][0-9]{2,6})?(?![\w-]|\.[0-9])"
)
_FEWEST_NATIONAL_DIGITS: Final = 9
_THREE_DIGITS: Final = re.compile(r"[0-9][0-9][0-9]")


def _phone(text: str) -> str:
    return _PHONE.sub(_phone_in, text) if "+" in text or _THREE_DIGITS.search(text) else text


def _phone_in(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "0" and sum(map(str.isdigit, found)) < _FEWEST_NATIONAL_DIGITS:
        return found
    return "[phone]"


# Keys and tokens. First what tells by its own shape, then what tells by its name.
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
_TOKENS: Final = re.compile(
    r"(?<![\w-])(?:"  # not after a dash: what a dash is part of would be read again from each of its dashes
    r"(?:sk|rk|pk)[-_](?=[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{16,}+"  # OpenAI, Anthropic, Stripe, Langfuse
    r"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|glpat-[\w-]{20,}+"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}+|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}+|hf_[A-Za-z0-9]{20,}+|gsk_[A-Za-z0-9]{20,}+|xai-[A-Za-z0-9]{20,}+"
    r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{40,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+"
    r"|eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?"  # JSON web token
    r")"
)
_TOKEN_PREFIXES: Final = (
    *("sk-", "sk_", "rk-", "rk_", "pk-", "pk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("AKIA", "ASIA", "ABIA", "ACCA", "AIza", "ya29.", "hf_", "gsk_", "xai-", "npm_", "pypi-", "SG.", "eyJ"),
)
"""What each token starts with: looking for these first is many times cheaper than looking for tokens."""
_NAMED_WORDS: Final = ("passw", "pwd", "secret", "key", "token")
_BEARER: Final = re.compile(r"(?i)(?<![a-z])(bearer|basic)[ \t]{1,4}(?=[a-z._~+/=-]{0,64}[0-9])[a-z0-9._~+/=-]{12,}+")
_NAMED: Final = re.compile(
    r"(?i)(passw(?:or)?d|pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|(?:auth|access|refresh|id)[_-]?token)"
    r"(\\?[\"']?[ \t]{0,3}[:=][ \t]{0,3}\\?[\"']?)(?!\[secret\])([^\s\"'\\,;&<>]{6,})"
)
_URL_PASSWORD: Final = re.compile(r"(://[^\s/:@]{0,128}:)[^\s/@]{1,128}@")


def _secret(text: str) -> str:
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub("[secret]", text)
    if any(prefix in text for prefix in _TOKEN_PREFIXES):
        text = _TOKENS.sub("[secret]", text)
    lower = text.lower()
    if "bearer" in lower or "basic" in lower:
        text = _BEARER.sub(r"\1 [secret]", text)
    if ":" in text or "=" in text:
        if any(word in lower for word in _NAMED_WORDS):
            text = _NAMED.sub(r"\1\2[secret]", text)
        if "://" in text:
            text = _URL_PASSWORD.sub(r"\1[secret]@", text)
    return text


EMAIL: Final = Mask("e-mail", _email)
"""E-mail addresses."""
PHONE: Final = Mask("phone", _phone)
"""Phone numbers: ``+49 171 1234567``, ``(415) 555-2671``, ``415-555-2671``, ``0171/1234567``."""
CARD: Final = Mask("card", _card)
"""Payment cards: an issuer's prefix, 13 to 19 digits in groups, Luhn."""
IBAN: Final = Mask("IBAN", _iban)
"""Bank accounts: a country's length, mod 97, with or without spaces."""
IP: Final = Mask("IP", _ip)
"""IPv4 and IPv6 addresses. A version number with four parts looks the same."""
SECRET: Final = Mask("keys and tokens", _secret)
"""Keys and tokens: providers' prefixes, JSON web tokens, bearer headers, private keys, named and URL passwords."""
ALL: Final = SECRET | EMAIL | IBAN | CARD | PHONE | IP
"""Everything above."""


def each() -> Iterator[Mask]:
    """Return the ready-made masks, one by one, in the order in which ``ALL`` applies them."""
    yield from (SECRET, EMAIL, IBAN, CARD, PHONE, IP)
