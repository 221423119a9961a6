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

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sightline.masks import credentials, personal
from sightline.masks.personal import luhn, mod_97
from sightline.masks.rule import Rule, Span

__all__ = [
    "ALL",
    "CARD",
    "EMAIL",
    "IBAN",
    "IP",
    "PHONE",
    "RULES",
    "SECRET",
    "Mask",
    "Masking",
    "Rule",
    "Span",
    "kinds",
    "luhn",
    "mod_97",
]

Masking = Callable[[str], str]


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


RULES: Final[Sequence[Rule]] = (*credentials.RULES, *personal.RULES)
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
