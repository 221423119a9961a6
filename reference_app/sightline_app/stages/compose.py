"""Compose: builds the messages for the model, with what it may see of them."""

from __future__ import annotations

from collections.abc import Sequence

import sightline
from sightline import semconv
from sightline_app import prompt
from sightline_app.privacy.residency import Sees
from sightline_app.retriever import Hit
from sightline_app.stages import mask
from sightline_app.stages.events import Question


@sightline.trace("prompt", stage=semconv.STAGE_PROMPT, capture="recorded")
def compose(
    question: Question, hits: list[Hit], masked: mask.Masked, destinations: Sequence[str] = (mask.MODEL,)
) -> list[dict[str, str]]:
    """Return the messages.

    Args:
        question: with its history.
        hits: passages, best first.
        masked: what each destination may see.
        destinations: the models that may be asked: what one of them may not see, none of them gets.
    """
    strictest = next((each for each in destinations if masked.sees(each) is Sees.MASKED), destinations[0])
    return prompt.build(
        masked.text_for(strictest, question.text),
        masked.hits_for(strictest, hits),
        masked.history_for(strictest, question.history),
    )
