"""How many tokens a call may cost before its answer, and has cost when no usage was reported. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sightline_app import prompt
from sightline_app.pipeline import Question
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings
from sightline_app.state.token_estimate import estimate_tokens

_FRAME_TOKENS = 50
"""What roles and separators add to a prompt."""
_TITLE_CHARS = 80
"""Long title of a passage."""


def most_tokens(question: Question, settings: AppSettings, *, has_session: bool) -> int:
    """Return about the most that the answer to a question can cost, before its sources are known.

    Args:
        question: with the history that the request brought along.
        settings: bounds of sources, history and answer.
        has_session: whether a stored history may take the place of the request's own.
    """
    passages = settings.top_k * estimate_tokens("x" * (_TITLE_CHARS + settings.passage_chars))
    stored = settings.state.history_tokens + settings.state.summary_tokens if has_session else 0
    return _prompt(question) + max(stored - _history(question), 0) + passages + settings.max_output_tokens


def spent_tokens(question: Question, hits: Sequence[Hit], answer: str) -> int:
    """Return about what an answer has cost whose usage the model did not report, for example a broken-off one."""
    passages = sum(estimate_tokens(hit.title + hit.text) for hit in hits)
    return _prompt(question) + passages + estimate_tokens(answer)


def _prompt(question: Question) -> int:
    return _FRAME_TOKENS + estimate_tokens(prompt.SYSTEM) + estimate_tokens(question.text) + _history(question)


def _history(question: Question) -> int:
    recent = question.history[-prompt.MAX_HISTORY_MESSAGES :]
    return sum(estimate_tokens(message["content"]) for message in recent)
