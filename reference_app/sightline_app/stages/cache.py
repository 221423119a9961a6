"""Semantic cache: gives an answer again when nearly the same question comes, and keeps answers that may be given again.

Two questions are compared only if nothing between them can make a difference: the tenant, the index and the embedding,
the models and the prompt, the rules of guardrails and residency, the filter, and what a vector blurs: numbers, names of
code, quoted texts and negations. Their digest is the scope.

A vector hardly tells opposites apart: encode and decode, up and down. So by default two questions must have the same
words too, but for their endings and for words that say nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sightline
from sightline import semconv
from sightline_app.analysis import stem
from sightline_app.embeddings import Embedded
from sightline_app.embeddings.minilm import TOKENS_CUT
from sightline_app.errors import StateAway
from sightline_app.privacy.finder import ALL_KINDS, find
from sightline_app.retriever import Hit
from sightline_app.settings import CacheSettings
from sightline_app.stages.events import Question
from sightline_app.stages.generate import Generation
from sightline_app.stages.guard_output import GuardedAnswer
from sightline_app.stages.mask import Masked
from sightline_app.state.answer_store import AnswerStore, CachedAnswer, Nearest

DECISION = "sightline_app.cache.decision"
"""Attribute: `hit`, `miss` or `skipped` of a look-up, `kept` or `skipped` of what follows a miss; `away` of both."""
REASON = "sightline_app.cache.reason"
"""Attribute: why the cache was not asked, or no near answer was given, or the answer not kept."""
SIMILARITY = "sightline_app.cache.similarity"
"""Attribute: cosine of the question and the nearest one in its scope; left out where there is none."""
THRESHOLD = "sightline_app.cache.threshold"
"""Attribute: similarity that a hit needs."""
AGE = "sightline_app.cache.age"
"""Attribute: seconds since the answer was kept."""
TRACE = "sightline_app.cache.trace_id"
"""Attribute: trace of the request that the answer was made for."""
SAVED_INPUT_TOKENS = "sightline_app.cache.saved_input_tokens"
"""Attribute: tokens of the prompt that was not sent."""
SAVED_OUTPUT_TOKENS = "sightline_app.cache.saved_output_tokens"
"""Attribute: tokens that the model did not write again."""
SAVED_SECONDS = "sightline_app.cache.saved_seconds"
"""Attribute: seconds that the answer took when it was made, less those of the look-up."""
STORE = "sightline_app.cache.store"
"""Attribute: `redis` or `process`."""

_MAX_ANSWER_CHARS = 65_536
_FILLER_TEXT = """
a an the do does did i we you me us my our your can could would should will is are was to
please hi hello hey thanks thank
"""
_FILLERS = frozenset(_FILLER_TEXT.split())
_MARKS = re.compile(
    r"""(?P<quoted>"[^"]{1,200}"|`[^`]{1,200}`|(?<!\w)'[^']{1,200}'(?!\w))
    |(?P<code>\b[^\W\d]\w*(?:\.\w+)+|\b\w*_\w+|\b[a-z]+[A-Z]\w*|\b\w+\(\))
    |(?P<number>\d+(?:\.\d+)*)
    |\b(?P<negation>(?i:not|no|never|none|without|except|neither|nor|cannot|\w+n['\u2019]t))\b""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class LookUp:
    """What the cache knew of a question, and what it needs to keep the answer."""

    question: Question
    scope: str
    vector: NDArray[np.float32]
    began_s: float
    answer: CachedAnswer | None = None
    may_keep: bool = False


class CacheStage:
    """The semantic cache of one index.

    Args:
        settings: threshold and bounds.
        store: where answers are kept; None turns the stage off.
        basis: what all answers of this process depend on: versions, models, settings.
        generation: returns the number that rises when what a tenant may find changes; asked at each look-up.
    """

    def __init__(
        self,
        settings: CacheSettings,
        store: AnswerStore | None,
        basis: Sequence[object],
        generation: Callable[[str], object],
    ) -> None:
        self._settings = settings
        self._store = store
        self._basis = list(basis)
        self._generation = generation

    async def look_up(self, question: Question, embedded: Embedded, masked: Masked) -> LookUp:
        """Return an answer to nearly the same question, or none; a stage that is turned off makes no span."""
        began_s = time.monotonic()
        if self._store is None:
            return LookUp(question, "", embedded.vector, began_s)
        return await self._look_up(self._store, question, embedded, masked, began_s)

    async def keep(self, found: LookUp, hits: list[Hit], answer: GuardedAnswer, generation: Generation) -> None:
        """Keep an answer that ended, after a look-up that found none; never raises because of the store."""
        if self._store is not None and found.may_keep:
            await self._keep(self._store, found, hits, answer, generation)

    async def forget(self, tenant: str, trace_id: str) -> bool:
        """Forget the answer that a request of a tenant got, since a reader found it wrong.

        Returns:
            whether it was kept; False as well while Redis is away.
        """
        try:
            return self._store is not None and await self._store.forget(tenant, trace_id)
        except StateAway:
            return False

    async def close(self) -> None:
        """Let go of connections."""
        if self._store is not None:
            await self._store.close()

    @sightline.trace("cache.look_up", stage=semconv.STAGE_CACHE, capture="recorded")
    async def _look_up(
        self, store: AnswerStore, question: Question, embedded: Embedded, masked: Masked, began_s: float
    ) -> LookUp:
        told: dict[str, object] = {STORE: store.kind, THRESHOLD: self._settings.threshold}
        found = LookUp(question, self._scope(question, masked), embedded.vector, began_s)
        if reason := unfit(question, embedded, masked, self._settings.max_question_chars):
            _tell(told | {DECISION: "skipped", REASON: reason})
            return found
        try:
            nearest = await store.nearest(
                question.tenant, found.scope, embedded.vector, _trace_id(), lambda kept: self._accepts(question, kept)
            )
        except StateAway as exc:
            _tell(told | {DECISION: "away", REASON: str(exc)})
            return found
        _tell(told | _of(nearest, time.monotonic() - began_s))
        return LookUp(question, found.scope, embedded.vector, began_s, nearest.answer, may_keep=nearest.answer is None)

    @sightline.trace("cache.keep", stage=semconv.STAGE_CACHE, capture="recorded")
    async def _keep(
        self, store: AnswerStore, found: LookUp, hits: list[Hit], answer: GuardedAnswer, generation: Generation
    ) -> None:
        told: dict[str, object] = {STORE: store.kind}
        if reason := unkept(hits, answer, generation):
            sightline.annotate(told | {DECISION: "skipped", REASON: reason})
            return
        question = found.question
        kept = CachedAnswer(
            question.text,
            answer.text,
            hits,
            generation.answer_usage.get("input_tokens", 0),
            generation.answer_usage.get("output_tokens", 0),
            time.monotonic() - found.began_s,
            generation.note,
            _trace_id(),
        )
        try:
            is_kept = await store.keep(question.tenant, found.scope, found.vector, kept)
        except StateAway as exc:
            sightline.annotate(told | {DECISION: "away", REASON: str(exc)})
            return
        no_room = {DECISION: "skipped", REASON: "store_full"}
        sightline.annotate(told | ({DECISION: "kept"} if is_kept else no_room))

    def _accepts(self, question: Question, kept: CachedAnswer) -> bool:
        return self._settings.words == "any" or content_words(question.text) == content_words(kept.question)

    def _scope(self, question: Question, masked: Masked) -> str:
        rulings = sorted((name, each.sees, each.kinds) for name, each in masked.rulings.items())
        parts = [self._basis, self._generation(question.tenant), rulings, str(question.since), marks(question.text)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def unfit(question: Question, embedded: Embedded, masked: Masked, max_chars: int) -> str:
    """Return why the cache cannot be asked for a question; '' where it can.

    Args:
        question: with its history.
        embedded: its vector.
        masked: what was masked in the question, if anything: two names may have become one placeholder.
        max_chars: longest question.
    """
    if question.history:
        return "history"
    if len(question.text) > max_chars or embedded.attributes.get(TOKENS_CUT, 0):
        return "long_question"
    if find(question.text, ALL_KINDS) or len(masked.placeholders):
        return "personal_data"
    if not np.isfinite(embedded.vector).all() or not embedded.vector.any():
        return "no_vector"
    return ""


def unkept(hits: Sequence[Hit], answer: GuardedAnswer, generation: Generation) -> str:
    """Return why an answer is not kept; '' where it is: only a whole one, as the chosen model made it."""
    if answer.flagged:
        return "guarded"
    if generation.finish_reason != "stop":
        return f"finish_reason {generation.finish_reason or 'missing'}"
    if generation.is_fallback:
        return "fallback"
    if not hits:
        return "no_passages"
    if not answer.text.strip():
        return "empty"
    return "long_answer" if len(answer.text) > _MAX_ANSWER_CHARS else ""


def marks(text: str) -> list[str]:
    """Return what makes similar questions different ones: quoted texts, names of code, numbers and negations, sorted.

    >>> marks("How do I open port 8080 without os.path.join?")
    ['8080', 'os.path.join', 'without']
    """
    found = _MARKS.finditer(text)
    return sorted({match[0].casefold() if match["negation"] else match[0] for match in found})


def content_words(text: str) -> list[str]:
    """Return the stems of a question's words in their order, without those that say nothing.

    >>> content_words("How can I copy the files?") == content_words("how do i copy a file")
    True
    """
    words = re.findall(r"\w+", text.casefold())
    found = []
    for word, following in pairwise([*words, ""]):
        is_name = word == "a" and (not following or following in _FILLERS)  # "from a to b"
        if is_name or word not in _FILLERS:
            found.append(stem(word))
    return found


def pieces(text: str) -> list[str]:
    """Return a text as a stream has it: word by word, each with the blanks behind it."""
    return re.findall(r"\S+\s*|\s+", text)


def _of(nearest: Nearest, took_s: float) -> dict[str, object]:
    """Attributes of what was found."""
    told: dict[str, object] = {SIMILARITY: nearest.similarity or None}
    answer = nearest.answer
    if answer is None:
        return told | {DECISION: "miss", REASON: "other_words" if nearest.refused else None}
    return told | {
        DECISION: "hit",
        AGE: answer.age_s,
        TRACE: answer.trace_id or None,
        SAVED_INPUT_TOKENS: answer.input_tokens,
        SAVED_OUTPUT_TOKENS: answer.output_tokens,
        SAVED_SECONDS: max(0.0, answer.took_s - took_s),
    }


def _tell(told: dict[str, Any]) -> None:
    """Write a decision onto the look-up's span, and what it was onto the request's."""
    sightline.annotate(told)
    names = (DECISION, SAVED_INPUT_TOKENS, SAVED_OUTPUT_TOKENS, SAVED_SECONDS)
    sightline.annotate_request({name: told[name] for name in names if name in told})


def _trace_id() -> str:
    return sightline.request_ids()[0] or ""
