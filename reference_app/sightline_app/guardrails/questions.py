"""The guard on questions: all families of rules in a fixed order; the first that flags decides."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from sightline_app.guardrails.decision import Decision, strongest
from sightline_app.guardrails.injection import injection
from sightline_app.guardrails.jailbreak import jailbreak
from sightline_app.guardrails.personal_data import personal_data
from sightline_app.guardrails.phrases import DEFAULT_THRESHOLD
from sightline_app.guardrails.reading import read
from sightline_app.guardrails.secrets import secrets
from sightline_app.guardrails.topics import TopicLimits, topics

FAMILIES: Final = ("injection", "jailbreak", "secret", "personal_data", "topic")
"""Families of rules for questions."""

REFUSALS: Final = {
    "prompt_injection": "I can't follow instructions that try to change how I work. Please ask about the documents.",
    "jailbreak": "I can't take another role or work without my limits. Please ask about the documents.",
    "secret": "Your question seems to hold a key or a password. Replace it where it is used, and ask without it.",
    "personal_data": "Your question seems to hold a card, account or identity number. Please ask without it.",
    "denied_topic": "I can't answer questions about this topic.",
    "not_an_allowed_topic": "I answer questions about the topics of these documents only.",
    "system_prompt": "I can't show the instructions that I work by.",
    "nemo_rail": "I can't answer this question. Please ask about the documents.",
}
"""What the user reads, by reason."""


@dataclass(frozen=True)
class QuestionRules:
    """Which rules judge a question.

    Args:
        families: of `FAMILIES`.
        kinds: personal data that a question may not hold.
        threshold: score from which injection and jailbreak are flagged.
        limits: topics.
    """

    families: Collection[str] = FAMILIES
    kinds: Collection[str] = ("card", "iban", "national_id")
    threshold: float = DEFAULT_THRESHOLD
    limits: TopicLimits = field(default_factory=TopicLimits)

    def judge(self, text: str) -> Decision:
        """Judge a question; where nothing is flagged, the decision has the highest score."""
        return strongest(self._decisions(text))

    def _decisions(self, text: str) -> Iterator[Decision]:
        families = self.families
        readings = read(text) if "injection" in families or "jailbreak" in families else []
        if "injection" in families:
            yield injection(text, self.threshold, readings)
        if "jailbreak" in families:
            yield jailbreak(text, self.threshold, readings)
        if "secret" in families:
            yield secrets(text)
        if "personal_data" in families:
            yield personal_data(text, self.kinds)
        if "topic" in families:
            yield topics(text, self.limits)
