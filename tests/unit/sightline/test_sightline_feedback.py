"""Feedback from people, links between spans, and capture modes everywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry.propagate import inject
from opentelemetry.trace import StatusCode

import sightline
from sightline import faults, masks, semconv
from sightline.export.ended_span import ended
from sightline.instruments.foreign_redaction import masked
from sightline.runtime import runtime
from sightline.testing import Spans, captured


def test_feedback_belongs_to_the_request_that_it_names(spans: Spans) -> None:
    """A thumb with the ids that the client got back is a human score of that span."""
    sightline.feedback(True, request_id=("0" * 31 + "7", "0" * 15 + "8"), user="u1", comment="good")
    (found,) = spans.scores
    assert (found["trace_id"], found["span_id"]) == (7, 8)
    assert found[semconv.EVALUATION_SOURCE] == "human"
    assert found[semconv.GEN_AI_EVALUATION_NAME] == "feedback"
    assert found[semconv.GEN_AI_EVALUATION_SCORE_VALUE] == 1.0
    assert found[semconv.GEN_AI_EVALUATION_SCORE_LABEL] == "thumbs_up"
    assert found[semconv.GEN_AI_EVALUATION_EXPLANATION] == "good"
    assert found[semconv.USER_ID] == "u1"


def test_feedback_inside_a_request(spans: Spans) -> None:
    """Without ids it belongs to the running request and to who that is for."""
    with sightline.request("r"):
        sightline.identify(user="u2", session="s2", tenant="t2")
        with sightline.tool("t"):
            sightline.feedback(0.4, name="helpful", label="meh")
            sightline.feedback(False)
            sightline.feedback(label="wrong_source")
    first, second, third = spans.scores
    assert first["span_id"] == 1
    assert first[semconv.USER_ID] == "u2"
    assert first[semconv.SESSION_ID] == "s2"
    assert first[semconv.TENANT_ID] == "t2"
    assert first[semconv.GEN_AI_EVALUATION_SCORE_VALUE] == 0.4
    assert second[semconv.GEN_AI_EVALUATION_SCORE_LABEL] == "thumbs_down"
    assert semconv.GEN_AI_EVALUATION_SCORE_VALUE not in third
    assert third[semconv.GEN_AI_EVALUATION_SCORE_LABEL] == "wrong_source"


def test_feedback_by_trace_id_alone_masks_comments() -> None:
    """A trace id is enough; what people write is masked and cut like all content."""
    with captured(redact=masks.ALL) as spans:
        sightline.feedback(1, request_id="ab" * 16, comment="mail me: a@b.example " + "x" * 10_000)
    (found,) = spans.scores
    assert found["trace_id"] == int("ab" * 16, 16)
    assert found[semconv.GEN_AI_EVALUATION_EXPLANATION].startswith("mail me: [email] x")
    assert len(found[semconv.GEN_AI_EVALUATION_EXPLANATION]) < 4200


def test_feedback_never_raises() -> None:
    """Nonsense and a missing configure() are faults, not errors."""
    faults.reset()
    assert runtime.emit_score is None
    sightline.feedback(1)
    with captured():
        sightline.feedback(request_id="nonsense")
        sightline.feedback("many", request_id=("", ""))  # type: ignore[arg-type]
    assert faults.counts() == {"send feedback": 3}
    faults.reset()


def test_links(spans: Spans) -> None:
    """A span can name others: by ids, by headers, by context."""
    carrier: dict[str, str] = {}
    with sightline.request("other") as other:
        inject(carrier)
    with sightline.workflow("batch"):
        sightline.link(carrier, kind="message")
        sightline.link(other.get_span_context())
        sightline.link("ab" * 16, "cd" * 8)
        sightline.link({})
    links = spans.single("invoke_workflow batch").links
    assert [f"{link.context.span_id:x}" for link in links] == ["1", "1", "cd" * 8]
    assert dict(links[0].attributes or {}) == {"kind": "message"}


TEXT = "." * 300 + " secret"


def _forms() -> dict[str, Callable[[Any], Any]]:
    """Return each way in which a decorated thing can be used, all given and returning the same text."""

    def make(scope: Any) -> list[Callable[[], Any]]:
        @scope
        def plain(text: str) -> str:
            sightline.record_messages(text, text)
            return text

        @scope
        async def coroutine(text: str) -> str:
            sightline.record_documents([{"id": 1, "score": 1, "content": text}])
            return text

        @scope
        def stream(text: str) -> Iterator[str]:
            sightline.annotate({semconv.INPUT: text})
            yield text

        @scope
        async def astream(text: str) -> AsyncIterator[str]:
            yield text

        async def consume() -> list[str]:
            return [item async for item in astream(TEXT)]

        return [
            lambda: plain(TEXT),
            lambda: asyncio.run(coroutine(TEXT)),
            lambda: list(stream(TEXT)),
            lambda: asyncio.run(consume()),
        ]

    names = ("trace", "request", "retrieval", "embedding", "rerank", "llm", "guardrail", "tool", "agent", "workflow")
    return {name: lambda capture, name=name: make(getattr(sightline, name)(capture=capture)) for name in names}  # type: ignore[misc]


@pytest.mark.parametrize("decorator", list(_forms()))
@pytest.mark.parametrize("mode", ["none", "lengths", "truncated", "full"])
@pytest.mark.parametrize("where", ["decorator", "process"])
def test_capture_modes_hold_everywhere(decorator: str, mode: str, where: str) -> None:
    """The mode of a decorator or of the process holds for its call, its stream and annotations inside."""
    process = mode if where == "process" else ("none" if mode == "full" else "full")
    with captured(capture=process, capture_max_chars=3) as spans:
        for call in _forms()[decorator](mode if where == "decorator" else None):
            call()
    assert len(spans) == 4
    for span in spans:
        attributes = dict(span.attributes or {})
        content = [str(value) for value in attributes.values() if "secret" in str(value)]
        if mode == "full":
            assert content
        else:
            assert content == []
        told = {semconv.INPUT, semconv.OUTPUT, semconv.GEN_AI_INPUT_MESSAGES} & set(attributes)
        lengths = {semconv.INPUT_LENGTH, semconv.OUTPUT_LENGTH} & set(attributes)
        assert bool(told) is (mode in ("truncated", "full"))
        assert bool(lengths) is (mode == "lengths")


def test_errors_are_masked() -> None:
    """What an exception quotes is masked like all content, in message, status and stack."""
    with captured(redact=masks.ALL) as spans, pytest.raises(ValueError, match="a@b"), sightline.tool("t"):
        raise ValueError("no such user: a@b.example")
    span = spans.single()
    event = dict(span.events[0].attributes or {})
    assert event[semconv.EXCEPTION_MESSAGE] == "no such user: [email]"
    assert "a@b.example" not in str(event)
    assert span.status.description == "ValueError: no such user: [email]"


def test_nothing_is_left_standing_at_the_cut() -> None:
    """A card that the cut goes through is masked before it is cut."""
    with captured(capture="truncated", capture_max_chars=20, redact=masks.ALL) as spans:

        @sightline.tool("t")
        def call(text: str) -> None:
            """Take a text."""

        call("my number is: 4111 1111 1111 1111 thanks")
        call("plain")
    first, second = spans
    assert "4111" not in str((first.attributes or {})[semconv.INPUT])
    assert (second.attributes or {})[semconv.INPUT] == "plain"


def test_numbers_and_keys_are_masked() -> None:
    """A card as a number and an e-mail address as a key are masked too."""
    with captured(redact=masks.ALL) as spans:

        @sightline.tool("t")
        def call(value: object) -> None:
            """Take a value."""

        call({"a@b.example": 4111111111111111, "n": 12})
    assert spans.attributes()[semconv.INPUT] == '{"[email]":"[card]","n":12}'


def test_searches(spans: Spans) -> None:
    """Query, target and options of a search are on the retrieval span; a vector only as its sketch."""
    with sightline.retrieval():
        sightline.record_search(
            query="why?",
            vector=[0.1] * 64,
            top_k=5,
            filters={"year": {"gt": 2020}},
            alpha=1,
            system="weaviate",
            collection="Documents",
            operation="hybrid",
            tenant="acme",
            returned=3,
            index_version="7",
            embedding_name="e",
            embedding_version="2",
        )
    attributes = spans.attributes("retrieval Documents")
    assert attributes[semconv.RETRIEVAL_QUERY_TEXT] == "why?"
    assert attributes[semconv.RETRIEVAL_FILTER] == '{"year":{"gt":2020}}'
    assert attributes[semconv.RETRIEVAL_ALPHA] == 1.0
    assert attributes[semconv.DB_NAMESPACE] == "acme"
    assert attributes[semconv.INDEX_VERSION] == "7"
    assert attributes[semconv.EMBEDDING_VERSION] == "2"
    assert attributes[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 64
    assert semconv.QUERY_SKETCH in attributes
    with captured(capture="none") as quiet:
        with sightline.retrieval("D"):
            sightline.record_search(query="secret", top_k=5)
        assert semconv.RETRIEVAL_QUERY_TEXT not in quiet.attributes()
        assert quiet.attributes()[semconv.GEN_AI_REQUEST_TOP_K] == 5


def test_content_of_other_instrumentations_is_masked_on_its_way_out(spans: Spans) -> None:
    """What others captured is masked in what is sent; addresses, ids and our own spans stay as they are."""
    tracer = spans.provider.get_tracer("somebody.else")
    attributes = {
        "gen_ai.input.messages": "I am a@b.example",
        "server.address": "10.0.0.1",
        "llm.tags": ["a@b.example"],
    }
    with tracer.start_as_current_span("theirs", attributes=attributes) as span:
        with sightline.tool("ours"):
            sightline.annotate({"input.value": "c@d.example"})
        span.record_exception(ValueError("a@b.example"))
        span.set_status(StatusCode.ERROR, "a@b.example")
    sent = {span.name: span for span in masked(list(map(ended, spans)), masks.ALL)}
    theirs = dict(sent["theirs"].attributes or {})
    assert theirs["gen_ai.input.messages"] == "I am [email]"
    assert theirs["llm.tags"] == ("[email]",)
    assert theirs["server.address"] == "10.0.0.1"
    assert "a@b.example" not in str(dict(sent["theirs"].events[0].attributes or {}))
    assert sent["theirs"].status.description == "[email]"
    assert sent["theirs"].context == spans.single("theirs").context
    assert (spans.single("theirs").attributes or {})["gen_ai.input.messages"] == "I am a@b.example"
    assert sent["execute_tool ours"] == ended(spans.single("execute_tool ours"))


def test_a_mask_that_fails_loses_one_text_and_no_span(spans: Spans) -> None:
    """The text is left out rather than sent unmasked; the fault is counted."""

    def narrow(text: str) -> str:
        if "a@b" in text:
            raise ValueError(text)
        return text

    attributes = {"gen_ai.input.messages": "I am a@b.example", "gen_ai.output.messages": "Hello"}
    with spans.provider.get_tracer("somebody.else").start_as_current_span("theirs", attributes=attributes):
        pass
    sent = dict(masked(list(map(ended, spans)), narrow)[0].attributes or {})
    assert (sent["gen_ai.input.messages"], sent["gen_ai.output.messages"]) == ("", "Hello")
    assert faults.counts() == {"redact": 1}
    faults.reset()
