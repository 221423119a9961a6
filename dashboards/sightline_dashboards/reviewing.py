"""A person's review of an answer, sent as scores through the collector.

A review is up to three scores with source `human` and the reviewer as their judge: `review` (1 good, 0 bad),
`review.groundedness` (the share of sentences that were not marked as wrong, with a line a sentence) and
`review.correction` (the answer as it should have been). Their note names the queue that the answer was taken from: only
answers from the queue `random` are a fair sample of the traffic.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

import sightline
from sightline_store.questions.people import REVIEW, REVIEW_CORRECTION, REVIEW_SENTENCES, Queue

SERVICE_NAME: Final = "sightline-dashboards"
"""`service.name` of the scores."""
MAX_TEXT_CHARS: Final = 20_000
"""Characters of a comment or a correction."""
_ACCEPT_S = 5.0
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|\n+")


class ReviewNotSent(Exception):
    """The collector did not accept a review; its message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a person says of an answer.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits of the request's span.
        reviewer: who says it.
        queue: by what the answer was chosen.
        is_good: whether the answer is good.
        sentences: of the answer, in order.
        wrong: places in `sentences` of those that the passages do not support.
        comment: why.
        correction: the answer as it should have been; '' where nothing was corrected.
    """

    trace_id: str
    span_id: str
    reviewer: str
    queue: Queue
    is_good: bool
    sentences: Sequence[str] = ()
    wrong: Collection[int] = ()
    comment: str = ""
    correction: str = ""


def sentences_of(answer: str) -> list[str]:
    """Return the sentences of an answer: lines, and parts of them that end with a full stop or its like."""
    return [part.strip() for part in _SENTENCE_END.split(answer) if part.strip()]


class Sender:
    """Sends the reviews of all sessions of the process; they may wait for the collector at the same time.

    Args:
        env: where OTEL_EXPORTER_OTLP_ENDPOINT and its siblings are read.

    Raises:
        ReviewNotSent: one of these settings cannot be used.
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._lock = threading.Lock()
        try:
            self._tracing = sightline.configure(service_name=SERVICE_NAME, env=env)
        except sightline.SettingsError as exc:
            raise ReviewNotSent(str(exc)) from exc

    def send(self, review: Review) -> int:
        """Send a review, and wait until the collector has accepted it.

        Returns:
            The number of its scores.

        Raises:
            ReviewNotSent: the collector did not accept all of them within five seconds. What waits is still tried.
        """
        with self._lock:
            before = self._tracing.score_stats()
            sent = _hand_over(review)
            handed = self._tracing.score_stats()
        self._tracing.force_flush(_ACCEPT_S)
        after = self._tracing.score_stats()
        # Scores leave in their order: those that an earlier review left waiting go before, and are not of this one.
        waiting = max(0, handed.emitted - after.exported - after.dropped)
        lost = sent - (handed.emitted - before.emitted) + after.dropped - before.dropped
        accepted = max(0, sent - waiting - lost)
        if accepted < sent:
            raise ReviewNotSent(
                f"The collector at {self._tracing.settings.logs_endpoint} accepted {accepted} of {sent} scores of this "
                "review. Start one with `sightline up`, or set OTEL_EXPORTER_OTLP_ENDPOINT of the dashboards to yours."
            )
        return sent

    def close(self) -> None:
        """End the sending; what was not accepted is lost."""
        self._tracing.shutdown()


@st.cache_resource(show_spinner=False)
def sender() -> Sender:
    """The process's sender."""
    return Sender()


def _hand_over(review: Review) -> int:
    """Hand the scores of a review to the library; returns how many."""

    def score(name: str, value: float | None, label: str, explanation: str) -> None:
        sightline.score(
            name,
            value,
            label=label,
            explanation=explanation[:MAX_TEXT_CHARS] or None,
            trace_id=review.trace_id,
            span_id=review.span_id or None,
            judge=review.reviewer,
            source="human",
            note=f"queue: {review.queue}",
        )

    # The verdict comes last: an answer counts as reviewed when all that was said of it is there.
    sent = 1
    if review.sentences:
        wrong = set(review.wrong)
        lines = [
            f"{'-' if place in wrong else '+'} {sentence} (marked by a person)"
            for place, sentence in enumerate(review.sentences)
        ]
        share = 1 - len(wrong) / len(review.sentences)
        score(REVIEW_SENTENCES, share, "unsupported" if wrong else "supported", "\n".join(lines))
        sent += 1
    if review.correction.strip():
        score(REVIEW_CORRECTION, None, "corrected", review.correction.strip())
        sent += 1
    score(REVIEW, float(review.is_good), "good" if review.is_good else "bad", review.comment.strip())
    return sent
