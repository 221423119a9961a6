"""Compose: builds the messages for the model, with what it may see of them."""

from __future__ import annotations

import sightline
from sightline import semconv
from sightline_app import prompt
from sightline_app.retriever import Hit
from sightline_app.stages import mask
from sightline_app.stages.events import Question


@sightline.trace("prompt", stage=semconv.STAGE_PROMPT, capture="recorded")
def compose(question: Question, hits: list[Hit], masked: mask.Masked) -> list[dict[str, str]]:
    """Return the messages."""
    return prompt.build(
        masked.text_for(mask.MODEL, question.text),
        masked.hits_for(mask.MODEL, hits),
        masked.history_for(mask.MODEL, question.history),
    )
