"""What code tells about the span it is in: attributes, usage, messages, documents, scores, who it is for."""

import sightline
from sightline import semconv
from sightline.testing import Spans, captured


def test_annotations_go_to_the_innermost_span(spans: Spans) -> None:
    """annotate(), record_*() write where they are called; values that do not fit become JSON."""
    with sightline.request("r"), sightline.llm("m"):
        sightline.annotate({"a.b": 1, "none": None}, c=[1, 2], d={"x": object()}, e=float("nan"))
        sightline.record_usage(input_tokens=3, output_tokens=2, finish_reasons=["stop"])
        sightline.record_messages(input="hi", output=[{"role": "assistant"}])
    attributes = spans.attributes("chat m")
    assert attributes["a.b"] == 1
    assert attributes["c"] == (1, 2)
    assert attributes["d"] == '{"x":"<builtins.object>"}'
    assert {"none", "e"} & set(attributes) == set()
    assert attributes[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 3
    assert attributes[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert attributes[semconv.GEN_AI_INPUT_MESSAGES] == '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'
    assert "a.b" not in spans.attributes("r")


def test_usage_objects_of_providers(spans: Spans) -> None:
    """Anthropic's input tokens leave the cache out; the conventions include it."""
    usage = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 1}
    with sightline.llm("m"):
        sightline.record_usage(usage)
    attributes = spans.attributes()
    assert attributes[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 16
    assert attributes[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 10


def test_documents(spans: Spans) -> None:
    """Documents are written in rank order; unknown scores are null."""
    documents = [{"id": 1, "score": 0.5, "content": "text", "title": "t"}, {"id": "b", "score": float("nan")}]
    with sightline.retrieval("D"):
        sightline.record_documents(documents)
    assert spans.attributes()[semconv.RETRIEVAL_DOCUMENTS] == (
        '[{"id":"1","score":0.5,"title":"t","content":"text"},{"id":"b","score":null}]'
    )
    with captured(capture="lengths") as own:
        with sightline.rerank("r"):
            sightline.record_documents(documents[:1], key=semconv.RERANK_DOCUMENTS)
        assert own.attributes()[semconv.RERANK_DOCUMENTS] == '[{"id":"1","score":0.5,"length":4}]'


def test_scores(spans: Spans) -> None:
    """Scores belong to the running request, or to the ids that are given; unknown values are absent."""
    with sightline.request("r"):
        sightline.score("a", 0.5, label="pass", run_id="run")
        sightline.score("b", float("nan"), error="TimeoutError")
    sightline.score("c", 1, trace_id="0" * 31 + "7", span_id="0" * 15 + "8", source="human")
    first, second, third = spans.scores
    assert (first["trace_id"], first["span_id"]) == (1, 1)
    assert first[semconv.GEN_AI_EVALUATION_SCORE_VALUE] == 0.5
    assert first[semconv.EVALUATION_RUN_ID] == "run"
    assert semconv.GEN_AI_EVALUATION_SCORE_VALUE not in second
    assert second[semconv.ERROR_TYPE] == "TimeoutError"
    assert (third["trace_id"], third["span_id"]) == (7, 8)
    assert third[semconv.EVALUATION_SOURCE] == "human"


def test_identity_ends_with_its_context(spans: Spans) -> None:
    """identify() holds inside the call that made it, and below."""

    @sightline.request("r")
    def ask() -> None:
        sightline.identify(session="s", user=None)
        with sightline.trace("below"):
            pass

    ask()
    with sightline.trace("next"):
        pass
    assert spans.attributes("below")[semconv.SESSION_ID] == "s"
    assert spans.attributes("r")[semconv.SESSION_ID] == "s"
    assert semconv.USER_ID not in spans.attributes("below")
    assert semconv.SESSION_ID not in spans.attributes("next")


def test_spans_are_numbered(spans: Spans) -> None:
    """Every span of the process has the next number, those of others too."""
    tracer = spans.provider.get_tracer("other")
    with sightline.trace("a"), tracer.start_as_current_span("b"):
        pass
    assert [(span.attributes or {})[semconv.SPAN_SEQUENCE] for span in spans] == [2, 1]
