"""A small guard on questions: prompt injection and personal data, by pattern.

It errs on the side of letting through: a question about passwords or prompts is a normal question. What it flags is
refused politely, before anything is searched or sent to a model. No model is involved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = "question-guard"
"""Name on spans."""

REFUSAL = {
    "prompt_injection": "I can't follow instructions that try to change how I work. Please ask about the documents.",
    "personal_data": "Your question seems to hold a card, account or identity number. Please ask without it.",
}
"""What the user reads, by reason."""

_INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.?!\n]{0,40}"
    r"\b(?:previous|prior|above|earlier|all|your|the system)\b"
    r"[^.?!\n]{0,40}\b(?:instructions?|prompts?|rules?|guidelines?|messages?)\b"
    r"|\b(?:reveal|print|show|repeat|output)\b[^.?!\n]{0,30}\b(?:your|the)\b"
    r"[^.?!\n]{0,20}\b(?:system prompt|hidden prompt|instructions you)\b"
    r"|\byou are now\b[^.?!\n]{0,40}\b(?:unrestricted|jailbroken|dan)\b"
    r"|<\|(?:im_start|system|endoftext)\|>",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){13,19}(?![\d.])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b")
_SSN = re.compile(r"(?<!\d)(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!\d)")


@dataclass(frozen=True)
class Verdict:
    """What the guard says: ``reason`` is a key of ``REFUSAL``, empty when nothing was found."""

    flagged: bool
    reason: str = ""


def check(question: str) -> Verdict:
    """Judge a question."""
    if _INJECTION.search(question):
        return Verdict(True, "prompt_injection")
    if _SSN.search(question) or any(_is_iban(match.group()) for match in _IBAN.finditer(question)):
        return Verdict(True, "personal_data")
    if any(_is_card(match.group()) for match in _CARD.finditer(question)):
        return Verdict(True, "personal_data")
    return Verdict(False)


def _is_card(text: str) -> bool:
    """Check length, first digit and the Luhn sum, so that ordinary long numbers pass."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) == 1:
        return False
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _is_iban(text: str) -> bool:
    """Check the ISO 13616 remainder."""
    plain = text.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1
