"""Jailbreaks: a question that gives the model another self, without limits, or switches its limits off."""

from __future__ import annotations

from typing import Final

from sightline_app.guardrails.phrases import Match, PhraseRule, Phrases, asked_how, phrase
from sightline_app.guardrails.reading import Reading
from sightline_app.guardrails.vocabulary import mask_of

REASON: Final = "jailbreak"
"""Reason of a flagged decision."""

_PHRASES: Final = Phrases((
    phrase("unlimited-self", 0.7, "PRETEND 6 FREE"),
    phrase("unlimited-self", 0.7, "PRETEND 8 WITHOUT|NOT 3 LIMIT"),
    phrase("unlimited-self", 0.65, "MODEL_ONLY 6 WITHOUT|NOT 3 LIMIT"),
    phrase("unlimited-self", 0.7, "YOU 3 NOW 8 WITHOUT|NOT 3 LIMIT"),
    phrase("unlimited-self", 0.7, "NOW 3 YOU 8 WITHOUT|NOT|FREE 3 LIMIT"),
    phrase("unlimited-self", 0.7, "YOU 4 FREE 2 MODEL"),
    phrase("unlimited-self", 0.55, "YOU 8 WITHOUT 3 SAFETY"),
    phrase("unlimited-self", 0.6, "ANSWER 3 WITHOUT 2 LIMIT"),
    phrase("unlimited-self", 0.65, "FREE 3 MODEL_ONLY"),
    phrase("unlimited-self", 0.65, "MODEL_ONLY 6 FREE"),
    phrase("unlimited-self", 0.65, "LIMIT 3 WITHOUT 3 MODEL_ONLY"),
    phrase("persona", 0.75, "YOU 3 NOW 3 PERSONA"),
    phrase("persona", 0.75, "NOW 3 YOU 3 PERSONA"),
    phrase("persona", 0.6, "YOU|PRETEND 3 PERSONA"),
    phrase("persona", 0.6, "DO 1 ANYTHING 1 NOW"),
    phrase("persona", 0.55, "EVIL 1 TWIN"),
    phrase("persona", 0.5, "PERSONA 3 TWIN"),
    phrase("answers-all", 0.3, "YOU|MODEL 8 ANYTHING|ALL"),
    phrase("mode", 0.45, "ENABLE 4 GOD 1 MODE"),
    phrase("mode", 0.4, "GOD 1 MODE 1 ENABLE"),
    phrase("limits-off", 0.7, "OFF 3 YOUR 3 LIMIT"),
    phrase("limits-off", 0.7, "YOUR 3 SAFETY 4 OFF"),
    phrase("limits-off", 0.45, "SAFETY 1 OFF"),
    phrase("limits-off", 0.5, "LIMIT 5 OFF 3 YOU|MODEL"),
    phrase("limits-off", 0.55, "OFF 2 ALL 2 LIMIT 4 YOUR"),
    phrase("never-refuse", 0.4, "NOT|WITHOUT 4 REFUSE"),
    phrase("never-refuse", 0.45, "YOU 1 REFUSE 6 LOSE"),
    phrase("never-refuse", 0.5, "NOT 2 TELL 6 SORRY"),
    phrase("no-warnings", 0.4, "WITHOUT|NOT 3 SAFETY"),
    phrase("forced-start", 0.45, "START 2 SURE"),
    phrase("forced-start", 0.45, "START 3 SURE"),
    phrase("story", 0.6, "FICTION 10 HARM"),
    phrase("story", 0.55, "FICTION 12 WITHOUT|NOT 3 LIMIT"),
    phrase("story", 0.45, "RULE|LIMIT 8 FICTION"),
    phrase("escaped", 0.55, "MODEL 5 ESCAPED"),
    phrase("escaped", 0.4, "OVERRIDE 3 LIMIT"),
))  # fmt: skip
_ADDRESSED: Final = mask_of("YOU", "YOUR", "MODEL_ONLY")


def _adjust(text: str, reading: Reading, match: Match) -> float:
    del text
    return asked_how(reading, match, _ADDRESSED)


jailbreak: Final = PhraseRule("jailbreak", REASON, _PHRASES, _adjust)
"""Judges a question."""
