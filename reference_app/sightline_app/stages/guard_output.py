"""Output guard: judges the answer while it is streamed, and puts masked values back.

The span of the guard is made at the end of the answer, when its decision is known: around the stream it would be as
long as the model. What it costs the reader is on it, as the most characters that waited at one time.
"""

from __future__ import annotations

from collections.abc import Sequence

import sightline
from sightline_app import prompt
from sightline_app.guardrails import PASSED, REFUSALS, AnswerGuard, Decision, guard_whole
from sightline_app.guardrails.nemo import NemoEngine
from sightline_app.privacy.finder import find, same
from sightline_app.retriever import Hit
from sightline_app.settings import GuardrailSettings
from sightline_app.stages.events import Question
from sightline_app.stages.guard_input import annotate
from sightline_app.stages.mask import Masked

NAME = "answer-guard"
"""Name on spans."""
_REPLACED = "sightline_app.guardrail.replaced"
_HELD = "sightline_app.guardrail.most_held_chars"


class OutputGuard:
    """The guard on answers; it makes one :class:`GuardedAnswer` for each.

    Args:
        settings: what is looked for.
        nemo: engine whose output rails judge each answer as a whole; None where they do not.
    """

    def __init__(self, settings: GuardrailSettings, nemo: NemoEngine | None = None) -> None:
        self._settings = settings
        self._nemo = nemo if settings.nemo_answers else None

    def begin(self, question: Question, hits: Sequence[Hit], masked: Masked) -> GuardedAnswer:
        """Return the guard of one answer."""
        settings = self._settings
        guard = None
        if settings.answer:
            kinds = () if settings.answer_permits == "all" else settings.answer_kinds
            permitted = _known(kinds, question, hits) if settings.answer_permits == "known" else frozenset()
            guard = AnswerGuard(find_secrets=True, kinds=kinds, permitted=permitted, prompt=prompt.SYSTEM)
        return GuardedAnswer(question.text, guard, masked, self._nemo)


class GuardedAnswer:
    """One answer on its way to the reader."""

    def __init__(self, question: str, guard: AnswerGuard | None, masked: Masked, nemo: NemoEngine | None) -> None:
        self._question = question
        self._guard = guard
        self._unmasking = masked.unmasking()
        self._nemo = nemo
        self._whole: list[str] = []
        self._sent: list[str] = []
        self.flagged = False
        """Whether the guard found something, be it replaced or refused."""
        self.refused = False
        """Whether the answer was ended by the guard; its finish reason is ``content_filter``."""

    @property
    def text(self) -> str:
        """What has left."""
        return "".join(self._sent)

    @property
    def ended(self) -> bool:
        """Whether nothing more of the model's answer can leave."""
        return self._guard is not None and self._guard.ended

    def feed(self, text: str) -> str:
        """Take a piece of the model's answer and return what can leave now."""
        if self._nemo is not None:
            self._whole.append(text)
            return ""
        self._sent.append(self._unmasking.feed(text if self._guard is None else self._guard.feed(text)))
        return self._sent[-1]

    async def finish(self) -> str:
        """Return what was held back, and a refusal where the guard ended the answer."""
        unguarded = self._guard is None and self._nemo is None
        self._sent.append(self._unmasking.finish() if unguarded else await self._finish())
        return self._sent[-1]

    @sightline.guardrail(NAME, capture="none")
    async def _finish(self) -> str:
        decision = PASSED
        left = ""
        if self._nemo is not None:
            whole = "".join(self._whole)
            decision = await self._nemo.answer(self._question, whole)
            # Secrets are our own rule's: it replaces them instead of refusing the answer.
            if decision.flagged and decision.reason != "secret":
                self.refused = self.flagged = True
                annotate(decision)
                return REFUSALS.get(decision.reason, REFUSALS["nemo_rail"])
            left = whole
        if self._guard is not None:
            left = guard_whole(left, self._guard)
            decision = self._guard.decision if self._guard.decision.flagged else decision
            sightline.annotate({_REPLACED: self._guard.replaced or None, _HELD: self._guard.most_held_chars})
        annotate(decision)
        self.flagged, self.refused = decision.flagged, self.ended
        return self._unmasking.feed(left) + self._unmasking.finish() + self._refusal(decision)

    def _refusal(self, decision: Decision) -> str:
        return f"\n{REFUSALS[decision.reason]}" if self.refused else ""


def _known(kinds: Sequence[str], question: Question, hits: Sequence[Hit]) -> frozenset[str]:
    """Return the personal data that the answer may repeat."""
    texts = [question.text, *(message["content"] for message in question.history)]
    texts += [text for hit in hits for text in (hit.title, hit.text)]
    return frozenset(same(text[each.start : each.end]) for text in texts for each in find(text, kinds))
