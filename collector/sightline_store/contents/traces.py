"""What was asked in a trace, what was answered, and the passages that the answer was written from.

The question is the retrieval's, else the request's, else what went into the chain around the calls, else into a
retriever, else the user's last message to the model that answered. The answer is that of the model call that ended
last, of calls that ended together the outermost one's; else what came out of the chain. Passages are the reranked ones
where a reranker has them, else those of the retrievals, of two inside each other the outer one's. Nothing is made up:
redacted content counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sightline_store.contents import messages, passages, spans
from sightline_store.contents.parts import Message, PartKind, Passage
from sightline_store.contents.spans import SpanContent, StoredSpan

_AROUND = ("", "agent", "workflow", "request")
"""Stages of the spans around the calls."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A trace's content."""

    question: str = ""
    answer: str = ""
    passages: tuple[Passage, ...] = ()
    model_span_id: str = ""
    """The span of the call that answered; '' where a chain did, or nobody."""
    asked: tuple[Message, ...] = ()
    """What the answering model was given; of a trace without such a call, what went into its outermost span."""
    answered: tuple[Message, ...] = ()
    """The answer with all its parts: calls of tools, thinking, media, data."""
    is_answer_cut: bool = False
    """Whether a limit on the length of attributes cut it off."""


def read(stored: Iterable[StoredSpan]) -> list[SpanContent]:
    """Read the spans of one trace, in the order in which they began; of those that began together the outer first."""
    listed = list(stored)
    parents = {span.span_id: span.parent_id for span in listed}

    def depth(span_id: str) -> int:
        above: set[str] = set()  # the parents of broken spans may form a circle
        while (span_id := parents.get(span_id, "")) and span_id not in above:
            above.add(span_id)
        return len(above)

    listed.sort(key=lambda span: (span.start_ns, depth(span.span_id), span.span_id))
    return [spans.read(span) for span in listed]


def conversation(read: Sequence[SpanContent]) -> Conversation:
    """Put together what was asked and answered.

    Args:
        read: the content of one trace's spans, in the order of `read`.
    """
    around = [content for content in read if content.span.stage in _AROUND]
    models = [content for content in read if content.span.stage == "model"]
    said = _last(_answering(read)) or _last(content for content in models if messages.answer_text(content.output))
    outcome = _first(around, lambda content: bool(messages.answer_text(content.output)))
    shown = said or outcome or _last(content for content in read if content.has_answer or _is_answer(content))
    shown = shown or _first(around, lambda content: bool(content.output))
    shown = shown or _last(content for content in read if content.span.stage == "cache" and content.output)
    asked = said or _last(content for content in models if content.input)
    question = _question(read, around, asked)
    asked = asked or _first(read, lambda content: bool(content.input))
    return Conversation(
        question=question,
        answer=messages.answer_text(shown.output) if shown else "",
        passages=tuple(_passages(read)),
        model_span_id=said.span.span_id if said else "",
        asked=asked.input if asked else (),
        answered=shown.output if shown else (),
        is_answer_cut=shown.is_cut if shown else False,
    )


def stored_spans(rows: Iterable[Mapping[str, Any]]) -> list[StoredSpan]:
    """Spans out of rows of the questions `trace_contents` and `samples`; the logs inside a span become events of it."""
    stored: dict[str, StoredSpan] = {}
    for row in sorted(rows, key=lambda row: (bool(row["is_log"]), row["start_ns"])):
        events = tuple(zip(row["event_names"], row["event_attributes"], strict=True))
        span_id = str(row["span_id"])
        if span_id in stored and not row["is_log"]:
            continue  # the same span, sent twice
        if span_id in stored:
            stored[span_id] = replace(stored[span_id], events=(*stored[span_id].events, *events))
        else:
            parent_id, stage = str(row["parent_id"]), str(row["stage"])
            start_ns, end_ns = int(row["start_ns"]), int(row["end_ns"])
            stored[span_id] = StoredSpan(span_id, parent_id, start_ns, stage, row["attributes"], events, end_ns)
    return list(stored.values())


_SPAN = (
    "span_id", "parent_id", "start_ns", "end_ns", "stage", "is_log", "attributes", "event_names", "event_attributes",
)  # fmt: skip
"""What the tuples of a sample's `spans` hold, in their order."""


def sampled_spans(row: Mapping[str, Any]) -> list[SpanContent]:
    """The content of the spans of a row of the question `samples`."""
    return read(stored_spans(dict(zip(_SPAN, span, strict=True)) for span in row["spans"]))


def sample(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the question `samples` with `question`, `answer` and `contexts` in place of its spans."""
    found = conversation(sampled_spans(row))
    calls = sorted(row["calls"], key=lambda call: (call[0] == found.model_span_id, call[1]))
    return {
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "timestamp": row["timestamp"],
        "tenant": row["tenant"],
        "question": found.question,
        # Half an answer is no answer to judge.
        "answer": "" if found.is_answer_cut else found.answer,
        "contexts": [passage.content for passage in found.passages if passage.content],
        "model": calls[-1][2] if calls else "",
        "note": calls[-1][3] if calls else "",
    }


def _question(read: Sequence[SpanContent], around: Sequence[SpanContent], model: SpanContent | None) -> str:
    own = _first([content for content in around if content.is_own_request], lambda content: bool(content.input))
    searches = [content for content in read if content.span.stage == "search"]
    readings: list[Callable[[], str]] = [
        lambda: next((content.query for content in read if content.query), ""),
        lambda: _asked(own.input, or_data=True) if own else "",
        lambda: next((text for content in around if (text := _asked(content.input))), ""),
        lambda: next((text for content in searches if (text := _asked(content.input))), ""),
        lambda: _asked(model.input) if model else "",
    ]
    return next((text for reading in readings if (text := reading())), "")


def _asked(given: Iterable[Message], *, or_data: bool = False) -> str:
    listed = list(given)
    text = messages.question_text(listed)
    if not text and or_data:
        return "\n".join(part.text for message in listed for part in message.parts if part.kind is PartKind.DATA)
    return text


def _is_answer(content: SpanContent) -> bool:
    return content.span.stage == "model" and bool(content.output)


def _passages(read: Sequence[SpanContent]) -> list[Passage]:
    reranked = [content for content in read if content.is_reranked]
    if reranked:
        return list(reranked[-1].passages)
    retrieved = [content for content in read if content.passages]
    ids = {content.span.span_id for content in retrieved}
    outer = [content for content in retrieved if content.span.parent_id not in ids]
    return passages.unique_texts(passage for content in outer for passage in content.passages)


def _answering(read: Sequence[SpanContent]) -> list[SpanContent]:
    """The spans with an answer in words; without the steps of an agent or a workflow that only pass a call's on."""
    spoken = [content for content in read if content.has_answer and messages.answer_text(content.output)]
    starts_ns = [content.span.start_ns for content in spoken if content.span.stage == "model"]
    return [
        content
        for content in spoken
        if content.span.stage == "model"
        or not any(content.span.start_ns <= start_ns < _end_ns(content) for start_ns in starts_ns)
    ]


def _first(read: Sequence[SpanContent], wanted: Callable[[SpanContent], bool]) -> SpanContent | None:
    return next((content for content in read if wanted(content)), None)


def _last(contents: Iterable[SpanContent]) -> SpanContent | None:
    """The one that ended last; of those that ended together the outermost, which comes first."""
    return max(contents, key=lambda content: (_end_ns(content), -content.span.start_ns), default=None)


def _end_ns(content: SpanContent) -> int:
    return max(content.span.end_ns, content.span.start_ns)
