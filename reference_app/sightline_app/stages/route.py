"""Routing: which of two models is asked first, and which one when that fails; the reason is on the span.

The rule is made of plain signs that can be read off the question and its passages. Any one of them makes a question
hard. Nothing is learned and nothing is asked of a model, so the same question always goes the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sightline
from sightline_app.generator import Generator
from sightline_app.privacy.residency import Sees
from sightline_app.retriever import Hit
from sightline_app.settings import RouteSettings
from sightline_app.stages import mask
from sightline_app.stages.events import Question
from sightline_app.stages.mask import Masked
from sightline_app.state.circuit import Circuit

SIZE = "sightline_app.route.size"
"""Attribute: `small` or `large`: the model that is asked first."""
REASONS = "sightline_app.route.reasons"
"""Attribute: array of what decided, such as `hard: words 41`."""
MODELS = "sightline_app.route.models"
"""Attribute: array of models in the order in which they are asked."""


@dataclass(frozen=True)
class Candidate:
    """A model that may answer."""

    size: str
    """`small` or `large`."""
    generator: Generator
    circuit: Circuit
    destination: str
    """Whose ruling decides what it may see."""


@dataclass(frozen=True)
class Route:
    """The models for one answer, in the order in which they are asked."""

    candidates: Sequence[Candidate]
    fallback: bool = False
    """Whether the next one is asked when one fails before its first token."""
    hedge_after_s: float = 0.0
    """Seconds without a first token after which the next one is asked as well; 0 never does."""

    @property
    def destinations(self) -> list[str]:
        """Where the prompt may go."""
        return [each.destination for each in self.candidates]


class RouteStage:
    """Chooses between models.

    Args:
        settings: the rule, and when a model is left alone.
        small: the model that answers where there is one only.
        large: the model for hard questions; None turns the stage off.
    """

    def __init__(self, settings: RouteSettings, small: Generator, large: Generator | None) -> None:
        self._settings = settings
        self._small = self._candidate("small", small, mask.MODEL)
        self._large = self._candidate("large", large, mask.LARGE_MODEL) if large is not None else None

    def choose(self, question: Question, hits: Sequence[Hit], masked: Masked) -> Route:
        """Return which models are asked; a stage that is turned off makes no span."""
        if self._large is None:
            return Route([self._small])
        return self._choose(self._large, question, hits, masked)

    @sightline.trace("route", capture="recorded")
    def _choose(self, large: Candidate, question: Question, hits: Sequence[Hit], masked: Masked) -> Route:
        size, reasons = decide(self._settings, question, hits)
        order = [self._small, large] if size == "small" else [large, self._small]
        if masked.sees(mask.LARGE_MODEL) is Sees.NOTHING:
            order, reasons = [self._small], ["data_residency: large"]
        elif not self._settings.fallback and not self._settings.hedge_after_s:
            order = order[:1]
        elif not order[0].circuit.admits():
            reasons = [*reasons, f"circuit_open: {order[0].size}"]
            order.reverse()
        told = {
            SIZE: order[0].size,
            REASONS: reasons,
            MODELS: [each.generator.endpoint.model for each in order],
        }
        sightline.annotate(told)
        sightline.annotate_request(told)
        return Route(order, self._settings.fallback, self._settings.hedge_after_s)

    def _candidate(self, size: str, generator: Generator, destination: str) -> Candidate:
        circuit = Circuit(self._settings.circuit_failures, self._settings.circuit_s)
        return Candidate(size, generator, circuit, destination)


def decide(settings: RouteSettings, question: Question, hits: Sequence[Hit]) -> tuple[str, list[str]]:
    """Return `small` or `large`, and why. Pure.

    Args:
        settings: the bounds.
        question: with its history.
        hits: passages of the prompt, best first.
    """
    if settings.rule != "rule":
        return settings.rule, [f"SIGHTLINE_APP_ROUTE={settings.rule}"]
    words = len(question.text.split())
    top_score = max((hit.score for hit in hits), default=0.0)
    phrases = [phrase for phrase in settings.hard_phrases if _holds(question.text, phrase)]
    signs = [
        (f"words {words}", 0 < settings.hard_words <= words),
        (f"phrase {phrases[0] if phrases else ''}", bool(phrases)),
        (f"messages {len(question.history)}", 0 < settings.hard_messages <= len(question.history)),
        (f"passages {len(hits)}", len(hits) < settings.hard_passages),
        (f"top_score {top_score:.2f}", top_score < settings.hard_top_score),
    ]
    reasons = [f"hard: {sign}" for sign, holds in signs if holds]
    return ("large", reasons) if reasons else ("small", ["easy: no sign of a hard question"])


def _holds(text: str, phrase: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE) is not None
