"""The content of one span: what went in, what came out, the passages that it found.

The keys stand in `conventions/contents.py`. Of several spellings in a span the most exact one counts: messages before
the value of a whole step, since the latter is the same again in the framework's own JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sightline import semconv
from sightline_store.contents import indexed, messages, passages, streamed_calls, values
from sightline_store.contents.part_shapes import parts_of, tool_call
from sightline_store.contents.parts import Message, Part, PartKind, Passage
from sightline_store.conventions import contents

_RERANKER = re.compile(r"(Rerank\w*|Post[Pp]rocessor|Reorder)([.]task)?$")
_SPLITTER = re.compile(r"(Splitter|NodeParser)([.]task)?$")
"""Names of steps whose text is a part of a document, and no answer."""
_BODY = "body"


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """What the store keeps of a span's content."""

    span_id: str
    parent_id: str
    start_ns: int
    stage: str
    attributes: Mapping[str, str]
    events: Sequence[tuple[str, Mapping[str, str]]] = ()
    """Name and attributes of the span's events, and of the logs that were written inside it: their body is `body`."""
    end_ns: int = 0
    """0 where it is unknown: the span then counts as one that ended when it began."""


@dataclass(frozen=True, slots=True)
class SpanContent:
    """What people and models wrote in one span."""

    span: StoredSpan
    input: tuple[Message, ...] = ()
    output: tuple[Message, ...] = ()
    query: str = ""
    """Of a search, where it stands by itself."""
    passages: tuple[Passage, ...] = ()
    has_passages: bool = False
    """Whether the span says what a search or a reranker gave back, be it nothing."""
    is_reranked: bool = False
    has_answer: bool = False
    """Whether `output` is what a model said, and not what a step came to."""
    is_cut: bool = field(default=False, compare=False)
    """Whether a limit on the length of attributes cut the end of `output` off."""

    @property
    def is_own_request(self) -> bool:
        """Whether the span is a request of this project's library."""
        return self.span.attributes.get(semconv.STAGE) == semconv.STAGE_REQUEST


def read(span: StoredSpan) -> SpanContent:
    """Read a span, whatever convention it uses."""
    return _Reading(span).content()


class _Reading:
    def __init__(self, span: StoredSpan) -> None:
        self._span = span
        self._attributes = dict(span.attributes)
        for name, attributes in span.events:
            if name in contents.DETAIL_EVENTS:
                self._attributes |= {key: value for key, value in _event(attributes).items() if value}
        self._is_cut = False
        self._may_rerank = span.stage == "rerank" or bool(
            _RERANKER.search(self._attributes.get("traceloop.entity.name", ""))
        )
        self._searches = span.stage == "search" or self._may_rerank

    def content(self) -> SpanContent:
        conversation = self._conversation()
        is_conversation_cut = self._is_cut
        found, has_passages, is_reranked = self._passages()
        given = self._first(
            *(partial(self._messages_of, key) for key in contents.MESSAGE_INPUTS),
            *(partial(self._numbered, prefix, "user") for prefix in contents.MESSAGE_PREFIXES["Input"]),
            lambda: messages.up_to_the_answer(conversation),
            partial(self._value, "request_data", messages.given),
            self._asked_in_events,
            self._tool_arguments,
            self._embedded_texts,
            partial(self._step, contents.STEP_INPUTS, messages.given),
        )
        self._is_cut = is_conversation_cut
        said = self._first(
            partial(self._messages_of, semconv.GEN_AI_OUTPUT_MESSAGES, "assistant"),
            *(partial(self._numbered, prefix, "assistant") for prefix in contents.MESSAGE_PREFIXES["Output"]),
            self._answer_texts,
            self._said_in_events,
            lambda: messages.after_the_question(conversation) if conversation else [],
            partial(self._value, "response_data", messages.returned),
        )
        came_out: list[Message] = []
        is_splitter = bool(_SPLITTER.search(self._attributes.get("traceloop.entity.name", "")))
        if not (said or is_splitter or (self._searches and found)):
            step = partial(self._step, contents.STEP_OUTPUTS, messages.returned)
            came_out = self._first(self._tool_result, step)
        return SpanContent(
            self._span,
            input=(*self._system(given), *given),
            output=(*(said or came_out), *streamed_calls.read(self._span.events)),
            query=self._query(),
            passages=tuple(found),
            has_passages=has_passages,
            is_reranked=is_reranked,
            has_answer=bool(said),
            is_cut=self._is_cut,
        )

    def _first(self, *readers: Callable[[], list[Message]]) -> list[Message]:
        """What the first reader finds that is no mere data; else the first data."""
        data: list[Message] = []
        for reader in readers:
            found = reader()
            if any(part.kind is not PartKind.DATA for message in found for part in message.parts):
                return found
            data = data or found
        return data

    def _loaded(self, key: str) -> Any:
        """What a key's value says; '' where it has none."""
        text = self._attributes.get(key, "")
        if values.is_nothing(text):
            return ""
        value = values.loaded(text)
        self._is_cut |= value.is_cut
        return value.content

    def _value(self, key: str, reader: Callable[[Any], list[Message]]) -> list[Message]:
        value = self._loaded(key)
        return reader(value) if value != "" else []

    def _step(self, keys: Iterable[str], reader: Callable[[Any], list[Message]]) -> list[Message]:
        for key in keys:
            if found := self._value(key, reader):
                if self._span.stage != "tool":
                    return found
                kind = PartKind.TOOL_CALL if reader is messages.given else PartKind.TOOL_RESULT
                text = self._loaded(key)
                return [Message("tool", (Part(kind, values.dumped(text), name=self._tool_name()),))]
        return []

    def _messages_of(self, key: str, role: str = "") -> list[Message]:
        value = self._loaded(key)
        if value == "":
            return []
        if found := messages.listed_messages(value, role):
            return found
        return messages.returned(value) if role == "assistant" else messages.given(value)

    def _numbered(self, prefix: str, role: str) -> list[Message]:
        elements = indexed.listed(self._attributes, prefix)
        self._is_cut |= any(
            len(value) >= values.MAX_VALUE_CHARS for key, value in self._attributes.items() if key.startswith(prefix)
        )
        found: list[Message] = []
        for element in elements:
            is_wrapped = not isinstance(element, Mapping) or {"message", "prompt", "completion"} & element.keys()
            shaped = element if is_wrapped else {"role": role, **element}
            found += messages.listed_messages(shaped, role)
        return found

    def _conversation(self) -> list[Message]:
        for key in contents.CONVERSATIONS:
            if found := messages.listed_messages(self._loaded(key)):
                return found
        return []

    def _system(self, given: Sequence[Message]) -> list[Message]:
        if any(message.role == "system" for message in given):
            return []
        value = self._loaded(semconv.GEN_AI_SYSTEM_INSTRUCTIONS)
        parts = parts_of(value)
        return [Message("system", tuple(parts))] if parts else []

    def _asked_in_events(self) -> list[Message]:
        return [message for name, message in self._event_messages() if name != "gen_ai.choice"]

    def _said_in_events(self) -> list[Message]:
        return [message for name, message in self._event_messages() if name == "gen_ai.choice"]

    def _event_messages(self) -> Iterable[tuple[str, Message]]:
        for name, attributes in self._span.events:
            if name not in contents.MESSAGE_EVENTS:
                continue
            event = {key: _structured(value) for key, value in _event(attributes).items()}
            inner = event.get("message")
            shaped = dict(inner) if isinstance(inner, Mapping) else {**event, "content": event.get("content", inner)}
            shaped["role"] = shaped.get("role") or contents.MESSAGE_EVENTS[name]
            for message in messages.listed_messages(shaped):
                yield name, message

    def _answer_texts(self) -> list[Message]:
        parts: list[Part] = []
        if not values.is_nothing(reasoning := self._attributes.get("ai.response.reasoning", "")):
            parts.append(Part(PartKind.REASONING, reasoning))
        for key in contents.ANSWER_TEXTS:
            if not values.is_nothing(self._attributes.get(key, "")):
                text = self._loaded(key) if key == "gen_ai.response.text" else self._attributes[key]
                parts += parts_of(text)
                self._is_cut |= len(self._attributes[key]) >= values.MAX_VALUE_CHARS
                break
        for key in contents.ANSWER_CALLS:
            calls = self._loaded(key)
            if isinstance(calls, list) and calls:
                parts += [tool_call(call) for call in calls]
                break
        files = self._loaded("ai.response.files")
        parts += parts_of([{"type": "file", **file} for file in files if isinstance(file, Mapping)]) if files else []
        return [Message("assistant", tuple(parts))] if parts else []

    def _tool_name(self) -> str:
        names = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "traceloop.entity.name")
        return next((self._attributes[name] for name in names if self._attributes.get(name)), "")

    def _tool_arguments(self) -> list[Message]:
        return self._of_tool(contents.CONTENT["ToolArguments"], PartKind.TOOL_CALL)

    def _tool_result(self) -> list[Message]:
        return self._of_tool(contents.CONTENT["ToolResult"], PartKind.TOOL_RESULT)

    def _of_tool(self, keys: Iterable[str], kind: PartKind) -> list[Message]:
        for key in keys:
            if (value := self._loaded(key)) != "":
                identity = self._attributes.get("gen_ai.tool.call.id") or self._attributes.get("ai.toolCall.id", "")
                return [Message("tool", (Part(kind, values.dumped(value), self._tool_name(), identity),))]
        return []

    def _embedded_texts(self) -> list[Message]:
        elements = indexed.listed(self._attributes, "embedding.embeddings")
        texts = [element.get("embedding", {}).get("text") for element in elements if isinstance(element, Mapping)]
        return [Message("", tuple(parts)) for text in texts if (parts := parts_of(text))]

    def _query(self) -> str:
        keys = [key for key in contents.CONTENT["Query"] if key != contents.DATABASE_QUERY]
        return next((text for key in keys if not values.is_nothing(text := self._attributes.get(key, ""))), "")

    def _passages(self) -> tuple[list[Passage], bool, bool]:
        """Passages, whether the span says anything about them, and whether a reranker left them."""
        for prefix in contents.DOCUMENT_PREFIXES:
            found = passages.passages_of(indexed.listed(self._attributes, prefix))
            if found:
                return found, True, self._may_rerank or prefix.startswith("reranker.")
        events = [_event(attributes) for name, attributes in self._span.events if name in contents.DOCUMENT_EVENTS]
        found = passages.passages_of(
            [{key.removeprefix("db.query.result."): value for key, value in event.items()} for event in events]
        )
        if found:
            return found, True, self._may_rerank
        keys = [semconv.RERANK_DOCUMENTS, *contents.CONTENT["Documents"]]
        if self._searches:
            keys += contents.STEP_OUTPUTS
        for key in keys:
            value = self._loaded(key)
            if value == "":
                continue
            found = passages.passages_of(value)
            is_reranked = key == semconv.RERANK_DOCUMENTS or (self._may_rerank and bool(found))
            if found or passages.is_list_of_passages(value):
                return found, True, is_reranked
        return [], False, False


def _event(attributes: Mapping[str, str]) -> dict[str, str]:
    """An event's attributes, with the members of its body or of the JSON that holds all of it."""
    event = dict(attributes)
    for key in (_BODY, "gen_ai.event.content"):
        if (text := event.pop(key, "")) and not values.is_nothing(text):
            body = values.loaded(text).content
            if isinstance(body, Mapping):
                event |= {name: values.dumped(value) for name, value in body.items()}
            else:
                event.setdefault("content", text)
    return event


def _structured(text: str) -> Any:
    """A value of an event that may be JSON of parts, of a message or of calls; a text stays a text."""
    if text[:1] in {"{", "["}:
        content = values.loaded(text).content
        if isinstance(content, list) or (isinstance(content, Mapping) and ("role" in content or "content" in content)):
            return content
    return text
