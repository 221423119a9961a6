"""Injection inside of a retrieved passage: text for people that speaks to the model instead.

Documents give instructions to their readers all the time. What counts is who is addressed (a model, an assistant) and
what about (its answer, its user, the other passages, its instructions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sightline_app.guardrails.injection import OVERRIDES, chat_tokens
from sightline_app.guardrails.phrases import Evidence, Match, PhraseRule, Phrases, phrase, stands_near
from sightline_app.guardrails.reading import Reading
from sightline_app.guardrails.vocabulary import mask_of

REASON: Final = "passage_injection"
"""Reason of a flagged decision."""

_STRONG: Final = tuple(each for each in OVERRIDES if each.name in {"override", "override-last", "disobey", "priority"})
_PHRASES: Final = Phrases((
    *_STRONG,
    phrase("extraction", 0.7, "REVEAL 3 SYSTEM|HIDDEN|YOUR 1 PROMPT"),
    phrase("extraction", 0.6, "REVEAL 2 ALL 2 HIDDEN|OTHER 2 SOURCE"),
    phrase("extraction", 0.6, "REVEAL 4 PASSWORD 4 YOU"),
    phrase("address", 0.4, "ADDRESS 3 MODEL_ONLY"),
    phrase("address", 0.4, "YOU 2 MODEL_ONLY"),
    phrase("address", 0.4, "ADDRESS 1 YOU 3 MODEL_ONLY"),
    phrase("order", 0.4, "MODEL_ONLY 8 ANSWER|SEND|PRETEND|OVERRIDE|COMPLY|TOOL|REVEAL"),
    phrase("new-task", 0.5, "YOUR 1 NEW 1 RULE|INSTRUCTION|PROMPT"),
    phrase("tool", 0.45, "MODEL_ONLY 4 TOOL"),
    phrase("tool", 0.4, "CALL 2 TOOL"),
    phrase("order", 0.4, "MODEL_ONLY 8 MUST 3 ANSWER|SEND|REVEAL|PRETEND"),
    phrase("answer", 0.4, "YOUR 1 RESPONSE"),
    phrase("answer", 0.4, "RESPONSE 3 ALL 1 QUESTION"),
    phrase("answer", 0.35, "ANSWER 3 ALL 2 QUESTION"),
    phrase("answer-order", 0.3, "RESPONSE 2 MUST|START"),
    phrase("answer-order", 0.3, "ANSWER 8 YOUR 1 RESPONSE"),
    phrase("answer-order", 0.4, "MUST 1 ANSWER 6 HIDE"),
    phrase("user", 0.55, "NOT 2 TELL 3 USER"),
    phrase("user", 0.5, "NOT 2 TELL 2 THIS"),
    phrase("user", 0.45, "TELL 1 THEM 4 SEND|OFF"),
    phrase("user", 0.5, "TELL 2 USER 2 ADDRESS"),
    phrase("user-question", 0.6, "OVERRIDE 3 QUESTION"),
    phrase("user-asks", 0.35, "USER 2 QUESTION 8 MUST"),
    phrase("user-password", 0.6, "USER 3 YOUR|THEM|ADDRESS 1 PASSWORD"),
    phrase("hide", 0.55, "HIDE 2 INSTRUCTION|RULE|THIS"),
    phrase("send", 0.5, "SEND 4 CONVERSATION"),
    phrase("sources", 0.5, "NOT 3 OTHER 1 SOURCE"),
    phrase("sources", 0.5, "PRETEND 2 OTHER 1 SOURCE"),
    phrase("admin", 0.45, "USER 3 COMPLY 2 ADMIN"),
    phrase("admin", 0.5, "ADMIN 1 OVERRIDE"),
    phrase("admin", 0.45, "YOUR 1 SYSTEM 2 COMPLY"),
    phrase("mode", 0.4, "NOW 2 ADMIN 1 MODE"),
))  # fmt: skip
_SPEAKER: Final = re.compile(
    r"(?:^|[\[<(]|<!--|\.)[ \t]{0,4}(?:ai|llm|assistant|chatbot|gpt|hidden|ki|ia|ии)"
    r"(?: (?:instructions|note|only))?[ \t]?:",
    re.IGNORECASE | re.MULTILINE,
)
_IMAGE_THAT_SENDS: Final = re.compile(
    r"!\[[^\]\n]{0,200}\]\(https?://[^)\s?]{1,400}\?[^)\s{<%]{0,200}(?:\{|<|%7b)", re.I
)
_ABOUT_SHELL: Final = mask_of("ABOUT_SHELL")


def _evidence(text: str) -> Iterator[Evidence]:
    yield from chat_tokens(text)
    if match := _SPEAKER.search(text):
        yield "speaker-model", 0.4, match.span()
    if match := _IMAGE_THAT_SENDS.search(text):
        yield "image-that-sends", 0.8, match.span()


def _adjust(text: str, reading: Reading, match: Match) -> float:
    del text
    return 0.5 if stands_near(reading, match, _ABOUT_SHELL, 8) else 1.0


passage_injection: Final = PhraseRule("passage", REASON, _PHRASES, _adjust, _evidence)
"""Judges a retrieved passage."""
