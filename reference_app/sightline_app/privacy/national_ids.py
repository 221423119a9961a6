"""National identity numbers, each with the check that its issuer defines.

| kind | country | form | check |
|---|---|---|---|
| SSN | United States | 3-2-4 digits with hyphens | ranges that are never issued |
| NINO | United Kingdom | two letters, six digits, A to D | letters that are never issued |
| Steuer-ID | Germany | 11 digits | one digit twice or three times; ISO 7064 mod 11,10 |
| NIR | France | 13 digits and a key of 2 | key is 97 less the number mod 97 |
| DNI, NIE | Spain | 8 digits (or X, Y, Z and 7) and a letter | letter of the number mod 23 |
| codice fiscale | Italy | 16 letters and digits | check letter |
| PESEL | Poland | 11 digits | date of birth; weighted sum |
| personnummer | Sweden | 6 or 8 digits, a hyphen, 4 digits | date of birth; Luhn |
| AHV | Switzerland | 756.nnnn.nnnn.nn | EAN-13 |
| CPF | Brazil | nnn.nnn.nnn-nn | two check digits |
| Aadhaar | India | 4 4 4 digits | Verhoeff |

Numbers without a separator or a letter of their own (Steuer-ID, PESEL) may be another number of 11 digits that passes
the check by chance.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from sightline.masks import Rule, luhn

KIND: Final = "national_id"
"""Kind of all of these."""


def _digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


def _is_date(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _steuer_id(text: str) -> bool:
    number = _digits(text)
    repeated = [count for count in Counter(number[:10]).values() if count > 1]
    if number[0] == "0" or len(repeated) != 1 or repeated[0] not in {2, 3}:
        return False
    product = 10
    for digit in number[:10]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(number[10])


def _nir(text: str) -> bool:
    number = text.replace(" ", "").upper()
    plain = number[:13].replace("2A", "19", 1).replace("2B", "18", 1) if "A" in number or "B" in number else number[:13]
    return 97 - int(plain) % 97 == int(number[13:])


def _dni(text: str) -> bool:
    number = text.upper().replace("-", "")
    plain = number[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(plain) % 23] == number[-1]


_ODD_DIGITS: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD_LETTERS: Final = (
    *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20),
    *(11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
)
_ODD: Final = {
    **dict(zip("0123456789", _ODD_DIGITS, strict=True)),
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _ODD_LETTERS, strict=True)),
}


def _codice_fiscale(text: str) -> bool:
    code = text.upper()
    total = sum(_ODD[sign] for sign in code[0:15:2])
    total += sum(int(sign) if sign.isdigit() else ord(sign) - 65 for sign in code[1:15:2])
    return chr(65 + total % 26) == code[15]


def _pesel(text: str) -> bool:
    number = _digits(text)
    month = int(number[2:4]) % 20
    weighted = sum(int(digit) * weight for digit, weight in zip(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True))
    return _is_date(str(month), number[4:6]) and weighted % 10 == 0


def _personnummer(text: str) -> bool:
    number = _digits(text)[-10:]
    return _is_date(number[2:4], number[4:6]) and luhn(number)


def _ahv(text: str) -> bool:
    number = _digits(text)
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(number)) % 10 == 0


def _cpf(text: str) -> bool:
    number = _digits(text)
    if len(set(number)) == 1:
        return False
    for size in (9, 10):
        total = sum(int(digit) * (size + 1 - place) for place, digit in enumerate(number[:size]))
        if total * 10 % 11 % 10 != int(number[size]):
            return False
    return True


_TURN: Final = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
_PRODUCT: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip


def _aadhaar(text: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(_digits(text))):
        check = int(_PRODUCT[check][int(_TURN[place % 8][int(digit)])])
    return check == 0


def _always(text: str) -> bool:
    del text
    return True


_FORMS: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    (r"(?<![\w-])(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])", _always),
    (
        r"(?<!\w)(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:[0-9]{2} ?){3}[A-D](?!\w)",
        _always,
    ),
    (
        r"(?<![\w.-])[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}(?![\w-]|\.[0-9])",
        lambda text: _steuer_id(text) or _pesel(text),
    ),
    (r"(?<!\w)[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?!\w)", _nir),
    (r"(?<!\w)(?:[0-9]{8}|[XYZxyz][0-9]{7})-?[A-Za-z](?!\w)", _dni),
    (r"(?<!\w)[A-Za-z]{6}[0-9]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z](?!\w)", _codice_fiscale),
    (r"(?<![\w-])(?:[0-9]{2})?[0-9]{6}[-+][0-9]{4}(?![\w-])", _personnummer),
    (r"(?<![\w.])756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}(?![\w]|\.[0-9])", _ahv),
    (r"(?<![\w.])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?!\w)", _cpf),
    (r"(?<![\w-])(?<![0-9] )[2-9][0-9]{3} [0-9]{4} [0-9]{4}(?!\w| [0-9])", _aadhaar),
)  # fmt: skip


def _rule(pattern: str, check: Callable[[str], bool]) -> Rule:
    return Rule(
        KIND,
        re.compile(pattern, re.ASCII),
        re.compile("[0-9](?:[^0-9]?[^0-9]?[0-9]){5}").search,
        lambda match: (match.span(),) if check(match[0]) else (),
    )


RULES: Final[tuple[Rule, ...]] = tuple(_rule(pattern, check) for pattern, check in _FORMS)
"""One rule for each form."""
