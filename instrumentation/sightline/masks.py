"""Ready-made masks for captured text: e-mail, phone, card, IBAN, IP addresses, keys and tokens.

```python
from sightline import configure, masks

configure(capture="truncated", redact=masks.ALL)
configure(capture="truncated", redact=masks.EMAIL | masks.CARD | my_own_function)
```

A mask is a function from text to text; ``|`` makes one out of several, applied from left to right. A match becomes
``[email]``, ``[phone]``, ``[card]``, ``[iban]``, ``[ip]`` or ``[secret]``. Sightline's collector applies the same
``RULES`` to requests, so what is masked does not depend on the place where it happens.

Promise: time grows linearly with the text, whatever the text (no pattern repeats without a limit). Numbers with a check
digit are checked: a card must have an issuer's prefix and pass Luhn (ISO/IEC 7812-1), an IBAN must have its country's
length and pass mod 97 (ISO 13616). Masks are a net, not a proof: names, addresses and national ids pass through it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

Masking = Callable[[str], str]
Span = tuple[int, int]


def _secret_part(match: re.Match[str]) -> Iterable[Span]:
    """Return the capturing group that took part in the match, or the whole match."""
    return (match.span(match.lastindex or 0),)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to recognize one kind of secret."""

    kind: str
    """What it recognizes: ``secret``, ``email``, ``iban``, ``card``, ``phone`` or ``ip``."""
    pattern: re.Pattern[str]
    """Candidates. A secret begins at most 64 characters before its candidate."""
    may_hold: Callable[[str], object] = bool
    """A quick check: false where neither a text nor a part of it holds a secret of this kind.

    It gives the same answer for the UTF-8 bytes of the text, each byte outside of ASCII replaced by any one character
    outside of ASCII or by U+007F, and whatever stands before and after them."""
    spans: Callable[[re.Match[str]], Iterable[Span]] = _secret_part
    """The secrets of a candidate, as start and end in the text; none where a check fails."""

    def __call__(self, text: str) -> str:
        """Return the text with ``[kind]`` in place of each secret; the same object where there is none."""
        if not self.may_hold(text):
            return text
        parts: list[str] = []
        copied = 0
        for match in self.pattern.finditer(text):
            for start, end in self.spans(match):
                if start >= copied:
                    parts += text[copied:start], f"[{self.kind}]"
                    copied = end
        return "".join([*parts, text[copied:]]) if parts else text


class Mask:
    """A function from text to masked text; ``|`` composes, ``repr`` names its parts."""

    __slots__ = ("_parts", "name")

    def __init__(self, name: str, *parts: Masking) -> None:
        self.name = name
        """What it masks, for people."""
        self._parts = parts

    def __call__(self, text: str) -> str:
        """Return the text with everything masked that the mask recognizes."""
        for part in self._parts:
            text = part(text)
        return text

    def __or__(self, other: Masking) -> "Mask":
        """Return a mask that applies this one, then the other."""
        return Mask(f"{self.name}, {_name(other)}", *self._parts, *_parts(other))

    def __ror__(self, other: Masking) -> "Mask":
        """Return a mask that applies the other, then this one."""
        return Mask(f"{_name(other)}, {self.name}", *_parts(other), *self._parts)

    def __repr__(self) -> str:
        return f"<Mask {self.name}>"


def _parts(masking: Masking) -> tuple[Masking, ...]:
    return masking._parts if isinstance(masking, Mask) else (masking,)


def _name(masking: Masking) -> str:
    return masking.name if isinstance(masking, Mask) else getattr(masking, "__name__", type(masking).__name__)


# Keys and tokens with a prefix of their own: prefixes, what must follow, what may follow that.
# The last character of a prefix is a rare one: the search stops at these characters only, and looks back from there.
# A key of three families may look like a word ("sk-based-models"), so that it needs a digit.
_WORD: Final = (r"\w{20}", r"\w{0,1004}+")
_DASHED: Final = (r"[\w-]{16}", r"[\w-]{0,1008}+")
_KEY_FORMATS: Final[tuple[tuple[str, tuple[str, str]], ...]] = (
    ("sl_ sls_", (r"[0-9a-f]{8}_[\w-]{43}", "")),  # Sightline's collector and store
    # OpenAI, Anthropic, OpenRouter, Langfuse; Stripe's keys and many others'
    ("sk-proj- sk-svcacct- sk-admin- sk-ant- sk-or- sk-lf- pk-lf-", _DASHED),
    ("sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ whsec_", _DASHED),
    ("[spr]k- [spr]k_", (r"(?=[A-Za-z_-]{0,64}[0-9])[\w-]{16}", r"[\w-]{0,1008}+")),
    # Groq, Hugging Face, Replicate, Fireworks, LangSmith, Pinecone, Jina, Together
    ("gsk_ hf_ r8_ fw_ lsv2_pt_ lsv2_sk_ pcsk_ jina_ tgp_v1_", (r"[\w-]{20}", r"[\w-]{0,1004}+")),
    ("xai- nvapi- pplx- tvly- csk-", (r"(?=[A-Za-z_-]{0,64}[0-9])[\w-]{20}", r"[\w-]{0,1004}+")),
    ("dap", (r"i[0-9a-f]{32}", r"(?:-[0-9])?")),  # Databricks
    ("AI", (r"za[\w-]{30}", r"[\w-]{0,34}+")),  # Google
    ("ya29. GOCSPX-", (r"[\w-]{20}", r"[\w-]{0,2028}+")),
    ("AK AS", (r"IA[A-Z0-9]{16}", "")),  # Amazon
    ("AB AC", (r"(?:(?<=B)IA|(?<=C)CA)[A-Z0-9]{16}", "")),
    ("ABSK bedrock-api-key-", (r"[A-Za-z0-9+/]{64}", r"[A-Za-z0-9+/=]{0,4032}+")),
    ("gh[oprsu]_ github_pat_ npm_ dop_v1_ dckr_pat_ lin_api_ ntn_ glsa_ glc_ sbp_ sb_secret_ sntrys_", _WORD),
    ("shp(?:at|ca|pa|ss)_", _WORD),
    ("glpat- gldt- glrt- glptt- pypi- PMAK- NRAK-", _DASHED),  # GitLab, Python's package index, Postman, New Relic
    ("xox[a-z]- xapp-", (r"[\w-]{10}", r"[\w-]{0,502}+")),  # Slack
    ("SG.", (r"[\w-]{16,64}+\.[\w-]{16}", r"[\w-]{0,128}+")),  # SendGrid
    ("hvs.", (r"[\w-]{20}", r"[\w-]{0,1004}+")),  # Vault
    # JSON web tokens: signed ones, and encrypted ones, whose second part may be empty
    ("eyJ", (r"[\w-]{8}", r"[\w-]{0,4096}+\.(?:[\w-]{8,16384}+|\.[\w-]{8,64}+)(?:\.[\w-]{0,16384}+){0,3}")),
)  # fmt: skip
_PRIVATE_KEY: Final = (
    "----BEGIN ",
    r"[A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?:[^-]|-(?!----)){0,16384}+-----END [A-Z ]{0,40}PRIVATE KEY"
    r"(?: BLOCK)?-----|[\w+/=\s\\]{0,16384}+)",
)


def _key_pattern(*, is_hint: bool) -> re.Pattern[str]:
    """Return one expression for all formats; as a hint, without what stands before a key and how it goes on."""
    by_anchor: dict[str, list[str]] = {"-": [f"(?<=(-)){_PRIVATE_KEY[0]}{'' if is_hint else _PRIVATE_KEY[1]}"]}
    for prefixes, (needed, further) in _KEY_FORMATS:
        for prefix in prefixes.split():
            behind = f"(?<={prefix})" if is_hint else f"(?<=(?<![A-Za-z0-9])({prefix}))"
            by_anchor.setdefault(prefix[-1], []).append(f"{behind}{needed}{'' if is_hint else further}")
    return re.compile(
        "|".join(f"{re.escape(anchor)}(?:{'|'.join(formats)})" for anchor, formats in by_anchor.items()), re.ASCII
    )


def _key_spans(match: re.Match[str]) -> Iterable[Span]:
    return ((match.start(match.lastindex or 0), match.end()),)


def _at(first: str, pattern: str) -> str:
    """Return an expression that matches the first character alone and captures the whole.

    It begins with a set of characters, which is what makes a search fast; and where a check fails, the search goes on
    inside of the candidate.
    """
    return f"{first}(?<=(?=({pattern})){first})"


_MASKED_ALREADY: Final = r"(?!\[(?:redacted:)?[a-z]{2,16}\])"
_BEARER: Final = re.compile(
    r"(?<![a-z])(?:bearer|basic)[ \t]{1,4}"
    r"(?=[\w.~+/-]{0,64}[0-9])([\w.~+/-]{12,8192}+={0,4}+)",
    re.IGNORECASE | re.ASCII,
)

# Secrets that are named: the search stops at the sign between name and value.
_VALUE: Final = r"""[^\s"'`\\,;&<>]"""
_SHORT_WORD: Final = rf"[A-Za-z]{{1,5}}[)\]}}.:!?]{{0,4}}(?!{_VALUE})"  # "password: that of the user", null, false)
_NAMED: Final = re.compile(
    rf"""[:=](?=
        [ \t]{{0,4}} {_MASKED_ALREADY}
        (?: \\?["'] {_MASKED_ALREADY} ([^"'\\\r\n]{{4,1024}}+) (?=\\?["'])
          | ["'\\]{{0,4}} {_MASKED_ALREADY} (?!{_SHORT_WORD}|\$[({{]) ({_VALUE}{{4,1024}}+) ))""",
    re.VERBOSE,
)
_NAME: Final = re.compile(
    r"""(?: passw(?:or)?d | passphrase | pwd | secret | (?:api|access|private)[_-]?key
          | (?:access|refresh|id|auth)[_-]?token ) (?:[_-]?key)? ["'\\]{0,4} [ \t]{0,4} \Z""",
    re.VERBOSE | re.IGNORECASE,
)
_LONGEST_NAME_CHARS: Final = 32
# What each name holds. The second part of a name is looked for by its k.
_NAME_PARTS: Final = ("passw", "passphrase", "pwd", "secret")
_NAME_TAILS: Final = re.compile(
    "k(?:"
    + "|".join(
        f"(?<={first}{joint}{second}){rest}"
        for firsts, second, rest in (
            (("api", "access", "private"), "k", "ey"),
            (("access", "refresh", "id", "auth"), "tok", "en"),
        )
        for first in firsts
        for joint in ("", "[_-]")
    )
    + ")"
)


def _may_hold_bearer(text: str) -> bool:
    lower = text.lower()
    return "bearer" in lower or "basic" in lower


def _may_hold_name(text: str) -> bool:
    lower = text.lower()
    return any(part in lower for part in _NAME_PARTS) or _NAME_TAILS.search(lower) is not None


def _named_spans(match: re.Match[str]) -> Iterable[Span]:
    before = match.string[max(0, match.start() - _LONGEST_NAME_CHARS) : match.start()]
    return _secret_part(match) if _NAME.search(before) else ()


_URL_PASSWORD: Final = re.compile(rf"://[^\s/:@]{{0,128}}:{_MASKED_ALREADY}([^\s/@]{{1,128}}+)(?=@)")

# E-mail: the search stops at the sign; the local part before it is read backwards.
_DOMAIN: Final = re.compile(r"(?:@|%40)(?:[^\W_][\w-]{0,62}+\.){1,8}[^\W\d_][\w-]{1,62}+")
_LOCAL_SIGNS: Final = frozenset("_.!#$'*+^~-")
_MAX_LOCAL_CHARS: Final = 64


def _email_spans(match: re.Match[str]) -> Iterable[Span]:
    text, start = match.string, match.start()
    first = start
    while first and start - first < _MAX_LOCAL_CHARS and (text[first - 1].isalnum() or text[first - 1] in _LOCAL_SIGNS):
        first -= 1
    return ((first, match.end()),) if first < start else ()


# Cards: 13 to 19 digits in one group or as they are printed (fours, 4-6-5, 4-6-4), or in any groups that stand alone.
_CARD: Final = re.compile(
    _at(
        "[0-9]",
        r"""(?<![\w.])(?:
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
_IBAN: Final = re.compile(r"[0-9](?<=(?<![A-Za-z0-9])[A-Za-z]{2}[0-9])[0-9](?=[ \u00a0-]?[A-Za-z0-9])")
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
    _at(
        "[+(0-9]",
        r"""(?<![\w+]) \+[1-9] (?:[ ().\-/]{0,2}[0-9]){6,14} (?![0-9])
        | (?<![\w.+-]) (?: 00[1-9][0-9]{0,2}[ (./-] (?:[ ().\-/]{0,2}[0-9]){6,12} (?!\w)
            | (?:1[ .-])? (?: \([2-9][0-9]{2}\)\ ? | [2-9][0-9]{2}[.-] ) [2-9][0-9]{2}[ .-][0-9]{4} (?![\w-]|\.[0-9])
            | (?<![0-9][ ,]) (?:1\ )? [2-9][0-9]{2}\ [2-9][0-9]{2}\ [0-9]{4} (?![\w-]|[., ]\ ?[0-9]) )
        | (?<![\w.+/-]) \(?0[1-9][0-9]{1,4}\)?\ ?[ /-]\ ?[0-9]{3,8} (?:[ -][0-9]{1,5}){0,3} (?![\w-]|\.[0-9])""",
    ),
    re.VERBOSE | re.ASCII,
)


def _phone_spans(match: re.Match[str]) -> Iterable[Span]:
    return (match.span(1),) if 8 <= sum(map(str.isdigit, match[1])) <= 15 else ()


# IP addresses. Slices (1::2), times and names such as a::b have an address's shape too: a real one has a longer group.
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_IPV4: Final = re.compile(_at("[0-9]", rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.[0-9])"))
_IPV6: Final = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4})(?![\w:]|\.[0-9])"
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
    Rule("secret", _key_pattern(is_hint=False), _key_pattern(is_hint=True).search, _key_spans),
    Rule("secret", _BEARER, _may_hold_bearer),
    Rule("secret", _NAMED, _may_hold_name, _named_spans),
    Rule("secret", _URL_PASSWORD, lambda text: "://" in text),
    Rule("email", _DOMAIN, re.compile(r"(?:@|%40)(?:[\w-]|[^\x00-\x7e]){1,252}\.").search, _email_spans),
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
"""The table of masks, in the order in which they are applied; several rules may be of one kind."""


def _of(name: str, kind: str) -> Mask:
    return Mask(name, *(rule for rule in RULES if rule.kind == kind))


SECRET: Final = _of("keys and tokens", "secret")
"""Keys and tokens: providers' prefixes, JSON web tokens, bearer headers, private keys, named and URL passwords."""
EMAIL: Final = _of("e-mail", "email")
"""E-mail addresses."""
IBAN: Final = _of("IBAN", "iban")
"""Bank accounts: a country's length, mod 97, with or without spaces."""
CARD: Final = _of("card", "card")
"""Payment cards: an issuer's prefix, 13 to 19 digits in groups as cards are printed, Luhn."""
PHONE: Final = _of("phone", "phone")
"""Phone numbers: ``+49 171 1234567``, ``(415) 555-2671``, ``415-555-2671``, ``0171/1234567``."""
IP: Final = _of("IP", "ip")
"""IPv4 and IPv6 addresses. A version number with four parts looks the same."""
ALL: Final = SECRET | EMAIL | IBAN | CARD | PHONE | IP
"""Everything above."""


def kinds() -> Iterator[str]:
    """Return the kinds of ``RULES``, each once, in the order in which ``ALL`` applies them."""
    return iter(dict.fromkeys(rule.kind for rule in RULES))
