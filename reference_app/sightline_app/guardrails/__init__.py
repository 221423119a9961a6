"""Guardrails: what may be asked, what may stand in a prompt, and what may leave in an answer.

Each family of rules is a pure function from a text to a :class:`Decision`, in a file of its own; `docs/guardrails.md`
has the whole picture.
"""

from sightline_app.guardrails.answers import AnswerGuard, guard_whole
from sightline_app.guardrails.decision import PASSED, Decision
from sightline_app.guardrails.injection import injection
from sightline_app.guardrails.jailbreak import jailbreak
from sightline_app.guardrails.passages import passage_injection
from sightline_app.guardrails.personal_data import personal_data
from sightline_app.guardrails.questions import REFUSALS, QuestionRules
from sightline_app.guardrails.secrets import secrets
from sightline_app.guardrails.topics import TopicLimits, topics

__all__ = [
    "PASSED",
    "REFUSALS",
    "AnswerGuard",
    "Decision",
    "QuestionRules",
    "TopicLimits",
    "guard_whole",
    "injection",
    "jailbreak",
    "passage_injection",
    "personal_data",
    "secrets",
    "topics",
]
