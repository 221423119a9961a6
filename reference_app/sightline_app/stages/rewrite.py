"""Rewriting: from a follow-up to a question that can be searched for alone."""

from __future__ import annotations

from sightline_app import prompt
from sightline_app.stages.events import Question


def rewrite(question: Question) -> str:
    """Return the text that is searched for."""
    return prompt.stand_alone(question.text, question.history)
