"""Model clients under ``instrument()``: the real clients over HTTP against a server that speaks as the providers do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_peers import Quiet, serving
from instrument_trial import CALLER, SECRET, needs, trial

_MESSAGE = {"role": "assistant", "content": SECRET}
_OPENAI = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": _MESSAGE}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "/v1/messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": SECRET}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 7},
    },
    "/chat/completions": _OPENAI,
    ":generateContent": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": SECRET}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12},
        "modelVersion": "m-1",
    },
    "/api/chat": {
        "model": "m-1",
        "created_at": "2026-01-01T00:00:00Z",
        "message": _MESSAGE,
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 5,
        "eval_count": 7,
    },
    "/v1/chat": {
        "text": SECRET,
        "generation_id": "g",
        "finish_reason": "COMPLETE",
        "meta": {"billed_units": {"input_tokens": 5, "output_tokens": 7}},
    },
    "/converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": SECRET}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12},
        "metrics": {"latencyMs": 1},
    },
}
"""What a provider answers, by the end of the address; five tokens in, seven out."""


class _Provider(Quiet):
    """Answers every question alike."""

    def reply(self, body: bytes) -> None:
        self.answer(json.dumps(next(answer for end, answer in ANSWERS.items() if self.path.endswith(end))).encode())


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of all providers."""
    with serving(_Provider) as url:
        yield url


ASKED: Any = [{"role": "user", "content": SECRET}]


def use_openai(url: str) -> None:
    """One question."""
    import openai

    with openai.OpenAI(api_key="x", base_url=url) as client:
        client.chat.completions.create(model="m", messages=ASKED)


def use_anthropic(url: str) -> None:
    """One question."""
    import anthropic

    with anthropic.Anthropic(api_key="x", base_url=url) as client:
        client.messages.create(model="m", max_tokens=9, messages=ASKED)


def use_groq(url: str) -> None:
    """One question."""
    import groq

    with groq.Groq(api_key="x", base_url=url) as client:
        client.chat.completions.create(model="m", messages=ASKED)


def use_mistral(url: str) -> None:
    """One question."""
    from mistralai.client import Mistral

    with Mistral(api_key="x", server_url=url) as client:
        client.chat.complete(model="m", messages=ASKED)


def use_google(url: str) -> None:
    """One question."""
    from google import genai

    client = genai.Client(api_key="x", http_options={"base_url": url})
    client.models.generate_content(model="m", contents=SECRET)


def use_ollama(url: str) -> None:
    """One question."""
    import ollama

    ollama.Client(host=url).chat(model="m", messages=ASKED)


def use_cohere(url: str) -> None:
    """One question."""
    import cohere

    cohere.Client(api_key="x", base_url=url).chat(model="m", message=SECRET)


def use_bedrock(url: str) -> None:
    """One question."""
    import boto3

    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client = boto3.client("bedrock-runtime", endpoint_url=url, **keys)
    client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": SECRET}]}])


def use_litellm(url: str) -> None:
    """One question."""
    import litellm

    litellm.completion(model="openai/m", api_base=url, api_key="x", messages=ASKED)


def _tokens(attributes: dict[str, Any]) -> set[tuple[Any, Any]]:
    """Input and output tokens, as the three families of instrumentations name them."""
    names = (
        ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
        ("llm.token_count.prompt", "llm.token_count.completion"),
    )
    return {(attributes[one], attributes[other]) for one, other in names if one in attributes}


@pytest.mark.parametrize(
    ("library", "act"),
    [
        pytest.param("openai", use_openai, marks=needs("openai", "openinference-instrumentation-openai")),
        pytest.param("groq", use_groq, marks=needs("groq", "openinference-instrumentation-groq")),
        pytest.param("mistralai", use_mistral, marks=needs("mistralai", "openinference-instrumentation-mistralai")),
        pytest.param(
            "google-genai", use_google, marks=needs("google-genai", "openinference-instrumentation-google-genai")
        ),
        pytest.param("ollama", use_ollama, marks=needs("ollama", "opentelemetry-instrumentation-ollama")),
        pytest.param(
            "cohere",
            use_cohere,
            marks=needs("cohere", "opentelemetry-instrumentation-cohere", below={"cohere": (6,)}),
        ),
        pytest.param("bedrock", use_bedrock, marks=needs("boto3", "openinference-instrumentation-bedrock")),
        pytest.param("litellm", use_litellm, marks=needs("litellm", "openinference-instrumentation-litellm")),
    ],
)
def test_a_question_is_one_span_with_its_tokens_and_without_its_text(
    library: str, act: Callable[..., Any], provider: str
) -> None:
    """Below the caller, with who it is for; what was asked and answered is not there unless capture allows it."""
    (span,) = trial(act, library, told=(provider,), LITELLM_LOCAL_MODEL_COST_MAP="True").spans
    assert (span.parent, span.status in ("OK", "UNSET")) == (CALLER, True)
    assert _tokens(span.attributes) == {(5, 7)}


@needs("anthropic", "openinference-instrumentation-anthropic")
def test_a_client_that_makes_spans_itself_is_not_instrumented_besides(provider: str) -> None:
    """Anthropic's does: with an instrumentation besides, each question and its tokens would be recorded twice."""
    done = trial(use_anthropic, "anthropic", told=(provider,), by_itself=True)
    (span,) = done.spans
    assert (span.scope, span.parent) == ("com.anthropic.sdk.python", CALLER)
    assert _tokens(span.attributes) == {(5, 7)}
    assert "openinference-instrumentation-anthropic" in done.entries["anthropic"]["reason"]
    done = trial(use_anthropic, "anthropic", told=(provider,), ANTHROPIC_OPEN_TELEMETRY="false")
    (span,) = done.spans
    assert (span.scope, span.parent) == ("openinference.instrumentation.anthropic", CALLER)
    assert _tokens(span.attributes) == {(5, 7)}
