"""Input guard: judges the question before anything is searched or sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sightline
from sightline import semconv
from sightline_app.guardrails import PASSED, Decision, QuestionRules, TopicLimits, secrets
from sightline_app.guardrails.decision import strongest
from sightline_app.guardrails.nemo import NemoEngine
from sightline_app.guardrails.topics import parse_topics
from sightline_app.settings import GuardrailSettings
from sightline_app.stages.events import Question

NAME = "question-guard"
"""Name on spans."""
HISTORY_NAME = "history-guard"
"""Name on the spans that are made where earlier messages are left out."""
RULE = "sightline_app.guardrail.rule"
"""Attribute: the rule that decided, such as ``injection.override``."""
SCORE = "sightline_app.guardrail.score"
"""Attribute: how sure the rule is, from 0 to 1."""
_LEFT_OUT = "sightline_app.guardrail.messages_left_out"
_HISTORY_FAMILIES = frozenset({"injection", "jailbreak"})


def annotate(decision: Decision) -> None:
    """Write a decision onto the span of the guardrail."""
    sightline.annotate(
        {
            semconv.GUARDRAIL_FLAGGED: decision.flagged,
            semconv.GUARDRAIL_REASON: decision.reason or None,
            RULE: decision.rule or None,
            SCORE: decision.score if decision.rule else None,
        }
    )


class InputGuard:
    """The guard on questions.

    Args:
        settings: families, threshold, topics and engine.

    Raises:
        MissingExtra: the engine is not installed.
    """

    def __init__(self, settings: GuardrailSettings) -> None:
        self._on = settings.question
        limits = TopicLimits(parse_topics(settings.deny_topics), parse_topics(settings.allow_topics))
        self.rules = QuestionRules(settings.question_families, settings.question_kinds, settings.threshold, limits)
        self._history_rules = replace(self.rules, families=_HISTORY_FAMILIES.intersection(settings.question_families))
        self.nemo: NemoEngine | None = None
        """The engine, where NeMo Guardrails is set."""
        if settings.engine == "nemo":
            self.nemo = NemoEngine(self.rules.judge, secrets, settings.nemo_config)

    async def judge(self, text: str) -> Decision:
        """Judge a question; a guard that is turned off makes no span."""
        return await self._judge(text) if self._on else PASSED

    def clean(self, question: Question) -> Question:
        """Return the question without earlier messages that are attacks, since a client may send any history."""
        if not self._on or not question.history:
            return question
        decisions = [self._history_rules.judge(message["content"]) for message in question.history]
        if not any(decision.flagged for decision in decisions):
            return question
        return self._clean(question, decisions)

    @sightline.guardrail(HISTORY_NAME, capture="none")
    def _clean(self, question: Question, decisions: Sequence[Decision]) -> Question:
        annotate(strongest(decisions))
        kept = [message for message, decision in zip(question.history, decisions, strict=True) if not decision.flagged]
        sightline.annotate({_LEFT_OUT: len(decisions) - len(kept)})
        return replace(question, history=kept)

    @sightline.guardrail(NAME)
    async def _judge(self, text: str) -> Decision:
        decision = self.rules.judge(text) if self.nemo is None else await self.nemo.question(text)
        annotate(decision)
        return decision
