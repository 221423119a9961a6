"""Prompt injection in a question: orders that replace the instructions of the model, or ask for their text.

The words of the attack are not enough: a question about a `prompt`, about warnings that are to be ignored, or about
prompt injection itself is a normal question. A phrase counts less behind "how do I", in quotes beside words about text
patterns, and beside words about a shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sightline_app.guardrails.phrases import Evidence, Match, PhraseRule, Phrases, asked_how, phrase, stands_near
from sightline_app.guardrails.reading import Reading
from sightline_app.guardrails.vocabulary import mask_of

REASON: Final = "prompt_injection"
"""Reason of a flagged decision."""

OVERRIDES: Final = (
    phrase("override", 0.9, "OVERRIDE 4 PRIOR|YOUR|SYSTEM|HIDDEN 3 INSTRUCTION|PROMPT"),
    phrase("override", 0.8, "OVERRIDE 4 INSTRUCTION|PROMPT 4 PRIOR|YOUR|GIVEN"),
    phrase("override", 0.8, "OVERRIDE 4 YOUR 2 RULE|PRIOR"),
    phrase("override", 0.7, "OVERRIDE 3 RULE 4 YOU|YOUR 3 GIVEN"),
    phrase("override", 0.7, "OVERRIDE 3 RULE 3 YOUR"),
    phrase("override", 0.7, "OVERRIDE 3 RULE|INSTRUCTION 3 GIVEN"),
    phrase("override", 0.6, "OVERRIDE 2 SYSTEM 1 RULE"),
    phrase("override", 0.75, "OVERRIDE 3 ANYTHING 4 GIVEN|PRIOR"),
    phrase("override", 0.75, "OVERRIDE 3 ALL 2 YOU 2 GIVEN"),
    phrase("override", 0.75, "OVERRIDE 4 YOUR 2 SYSTEM"),
    phrase("override-last", 0.8, "PRIOR|YOUR 3 INSTRUCTION|PROMPT 6 OVERRIDE|VOID"),
    phrase("override-last", 0.75, "INSTRUCTION|PROMPT 3 PRIOR 8 OVERRIDE"),
    phrase("disobey", 0.8, "NOT 2 OBEY 4 YOUR|PRIOR|SYSTEM 3 INSTRUCTION|PROMPT|RULE"),
    phrase("disobey", 0.7, "NOT 2 OBEY 4 INSTRUCTION|PROMPT|RULE 4 SYSTEM|GIVEN"),
    phrase("disobey", 0.6, "NOT 1 OBEY 5 YOUR 3 SYSTEM|GIVEN"),
    phrase("void", 0.8, "INSTRUCTION|PROMPT 9 NOT|WITHOUT 2 APPLY"),
    phrase("void", 0.65, "YOU 2 NOT 1 PRIOR 1 INSTRUCTION|RULE|PROMPT"),
    phrase("void", 0.6, "PRIOR 2 RULE|ALL 4 VOID"),
    phrase("new-instructions", 0.75, "YOUR 2 NEW 2 INSTRUCTION|PROMPT|RULE"),
    phrase("new-instructions", 0.75, "NEW 1 INSTRUCTION 1 INSTRUCTION|NOT|ME"),
    phrase("priority", 0.7, "PRIORITY 6 INSTRUCTION|PROMPT"),
    phrase("priority", 0.75, "TREAT 4 YOUR 2 SYSTEM|PROMPT|INSTRUCTION"),
    phrase("obey-me", 0.55, "OBEY 1 ME"),
    phrase("obey-me", 0.45, "COMPLY|OBEY 3 USER"),
    phrase("obey-me", 0.5, "ME 2 YOUR 1 SYSTEM 1 NOW"),
    phrase("from-now-on", 0.45, "NOW 3 ME 3 YOU|TELL|GIVEN"),
    phrase("from-now-on", 0.45, "NOW 3 YOU 4 ANYTHING|ALL|ME"),
    phrase("no-rules", 0.6, "YOU 2 WITHOUT|NOT 2 RULE|INSTRUCTION"),
)  # fmt: skip
"""Orders to give up instructions."""

EXTRACTIONS: Final = (
    phrase("extraction", 0.8, "REVEAL 7 YOUR 3 INSTRUCTION|PROMPT"),
    phrase("extraction", 0.8, "REVEAL 4 YOUR 2 SYSTEM|HIDDEN 2 RULE|PROMPT|INSTRUCTION"),
    phrase("extraction", 0.8, "YOUR 2 SYSTEM|HIDDEN 2 PROMPT|INSTRUCTION 6 REVEAL|LEAK"),
    phrase("extraction", 0.8, "YOUR 1 SYSTEM 1 PROMPT|INSTRUCTION 6 REVEAL|LEAK"),
    phrase("extraction", 0.8, "REVEAL 3 YOUR 1 PROMPT|INSTRUCTION 2 SYSTEM"),
    phrase("extraction", 0.65, "REVEAL 4 SYSTEM|HIDDEN 1 PROMPT"),
    phrase("extraction", 0.6, "WHAT 6 INSTRUCTION|RULE|PROMPT 4 YOU 3 GIVEN"),
    phrase("extraction", 0.65, "WHAT 3 RULE|INSTRUCTION 2 YOU 3 OBEY"),
    phrase("extraction", 0.6, "WHAT 4 INSTRUCTION|PROMPT 3 YOUR|YOU 8 GIVEN"),
    phrase("extraction", 0.6, "INSTRUCTION|PROMPT 3 YOU 2 GIVEN"),
    phrase("extraction", 0.65, "REVEAL 2 ANYTHING|ALL 2 PRIOR"),
    phrase("extraction", 0.6, "RULE|PROMPT 3 YOUR 1 SYSTEM 6 START|PRIOR"),
    phrase("extraction", 0.55, "REVEAL 2 YOUR 2 RULE"),
    phrase("verbatim", 0.4, "RULE|INSTRUCTION|PROMPT 8 LEAK"),
    phrase("verbatim", 0.4, "LEAK 8 RULE|INSTRUCTION|PROMPT"),
)  # fmt: skip
"""Requests for the text of the instructions."""

_PHRASES: Final = Phrases((*OVERRIDES, *EXTRACTIONS))
_CHAT_TOKENS: Final = re.compile(
    r"<\|(?:im_start|im_end|system|user|assistant|endoftext|begin_of_text|start_header_id|eot_id)\|>"
    r"|\[/?INST\]|<</?SYS>>|</?(?:system|assistant)>",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(
    r"^[#\[<*=\- ]{1,8}(?:(?:new|updated|real|system|begin|override) ){0,2}"
    r"(?:instructions?|system|prompt)[\]>*: ]{0,4}$"
    r"|^#{1,6} (?:(?:new|updated|real|system) ){0,2}instructions?\b[^\n]{0,3}:",
    re.IGNORECASE | re.MULTILINE,
)
_SPEAKER: Final = re.compile(r"^[ \t\[*<]{0,4}(?:system|developer)(?: (?:prompt|message))?[\]*>]{0,3}:", re.I | re.M)
_QUOTES: Final = "\"'`“”«»„\u2018\u2019"
_ABOUT_TEXT: Final = mask_of("ABOUT_TEXT")
_ABOUT_SHELL: Final = mask_of("ABOUT_SHELL")
_ADDRESSED: Final = mask_of("YOUR")


def chat_tokens(text: str) -> Iterator[Evidence]:
    """Yield the signs with which chat templates separate speakers, headings and speakers' names, as evidence."""
    for name, score, pattern in (
        ("chat-token", 0.9, _CHAT_TOKENS),
        ("heading", 0.6, _HEADING),
        ("speaker", 0.4, _SPEAKER),
    ):
        if match := pattern.search(text):
            yield name, score, match.span()


def _in_quotes(text: str, start: int, end: int) -> bool:
    """Whether quotes stand shortly before and behind a place."""
    before, behind = text[max(0, start - 24) : start], text[end : end + 80]
    return any(quote in before for quote in _QUOTES) and any(quote in behind for quote in _QUOTES)


def _adjust(text: str, reading: Reading, match: Match) -> float:
    factor = asked_how(reading, match, _ADDRESSED)
    if stands_near(reading, match, _ABOUT_SHELL, 8):
        factor *= 0.5
    if reading.outer is None and _in_quotes(text, reading.starts[match.first], reading.ends[match.last]):
        around = reading.concepts[: match.first] + reading.concepts[match.last + 1 :]
        if any(mask & _ABOUT_TEXT for mask in around):
            factor *= 0.45
    return factor


injection: Final = PhraseRule("injection", REASON, _PHRASES, _adjust, chat_tokens)
"""Judges a question."""
