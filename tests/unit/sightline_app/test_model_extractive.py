"""The extractive model: what it picks, and its OpenAI-compatible interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sightline_app.model_server.extractive import DONT_KNOW, answer, count_prompt_tokens, parse_prompt, tokens
from sightline_app.model_server.extractive_api import MODEL, NOTE, create_app
from sightline_app.settings import ModelSettings

PROMPT = (
    "Passages:\n\n[1] os.path.join(a, *p)\nJoin two or more pathname components. Inserts a slash as needed.\n\n"
    "[2] json.loads(s)\nDeserialize a JSON document.\n\nQuestion: How do I join path components?"
)
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}


@given(st.text(max_size=300))
def test_tokens_joined_are_the_text(text: str) -> None:
    """No sign is lost or added by the tokenizer."""
    assert "".join(tokens(text)) == text


def test_token_counts_follow_the_documented_rule() -> None:
    """Six letters or three digits a token, one leading space inside; four for each message and three for the start."""
    assert tokens("Join pathnames, 12345") == ["Join", " pathna", "mes", ",", " 123", "45"]
    assert count_prompt_tokens([("user", "Join pathnames")]) == 3 + 4 + 3


def test_answer_is_taken_from_the_passage_and_cites_it() -> None:
    """The best passage's sentences come back word for word, with its number."""
    said = answer([("system", "Answer."), ("user", PROMPT)])
    assert said.startswith("os.path.join: Join two or more pathname components.")
    assert said.endswith("[1]")
    assert "[2]" not in said
    assert answer([("user", PROMPT)]) == said


@pytest.mark.parametrize(
    "prompt",
    [
        "Passages:\n\n(none were found)\n\nQuestion: How do I bake bread?",
        "[1] json.loads\nDeserialize a JSON document.\n\nQuestion: my sourdough starter smells odd",
        "Hello",
        "",
    ],
)
def test_nothing_in_the_context_is_answered_with_i_do_not_know(prompt: str) -> None:
    """Without a passage that fits, nothing is invented."""
    assert answer([("user", prompt)]) == DONT_KNOW


def test_context_without_numbers_counts_as_one_passage() -> None:
    """Other people's prompts work too: paragraphs, then a question."""
    question, blocks = parse_prompt([("user", "Cats sleep all day.\n\nWhen do cats sleep?")])
    assert question == "When do cats sleep?"
    assert [block.text for block in blocks] == ["Cats sleep all day."]


@pytest.fixture(name="client")
def _client() -> Iterator[TestClient]:
    with TestClient(create_app(ModelSettings(tokens_per_s=0))) as client:
        yield client


def test_model_has_the_name_that_it_is_given() -> None:
    """It answers under that one only, and every response has it."""
    with TestClient(create_app(ModelSettings(tokens_per_s=0), "extractive-v0")) as client:
        assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["extractive-v0"]
        answer = client.post("/v1/chat/completions", json=CHAT | {"model": "extractive-v0"})
        assert answer.json()["model"] == "extractive-v0"
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 404


def events(text: str) -> list[Any]:
    """The data of a stream."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ") and "[DONE]" not in line]


def test_stream_and_whole_response_agree_and_label_themselves(client: TestClient) -> None:
    """Both give the same text and usage, and say that no language model is behind them."""
    whole = client.post("/v1/chat/completions", json=CHAT).json()
    body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    streamed = client.post("/v1/chat/completions", json=body)
    assert streamed.text.rstrip().endswith("data: [DONE]")
    chunks = events(streamed.text)
    text = "".join(each["choices"][0]["delta"].get("content", "") for each in chunks if each["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert {each["system_fingerprint"] for each in [whole, *chunks]} == {NOTE}
    assert whole["usage"]["completion_tokens"] == len(tokens(text))


def test_token_limit_ends_the_answer_with_length(client: TestClient) -> None:
    """max_tokens cuts, and the finish reason says so."""
    whole = client.post("/v1/chat/completions", json=CHAT | {"max_tokens": 3}).json()
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ("{", 400, None),
        ("[]", 400, None),
        ({"messages": [{"role": "user", "content": "x"}]}, 400, "model"),
        ({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}, 404, "model"),
        ({"model": MODEL, "messages": []}, 400, "messages"),
        ({"model": MODEL, "messages": ["x"]}, 400, "messages[0].role"),
        ({"model": MODEL, "messages": [{"role": "user", "content": 5}]}, 400, "messages[0].content"),
        (CHAT | {"n": 2}, 400, "n"),
        (CHAT | {"max_tokens": 0}, 400, "max_tokens"),
        (CHAT | {"tools": [{}]}, 400, "tools"),
        (CHAT | {"stream": True, "response_format": {"type": "json_object"}}, 400, "response_format"),
    ],
)
def test_malformed_requests_get_openai_style_errors(
    client: TestClient, body: Any, status: int, param: str | None
) -> None:
    """Each is refused before a stream starts, with a message and the parameter."""
    content = body if isinstance(body, str) else json.dumps(body)
    refused = client.post("/v1/chat/completions", content=content)
    assert refused.status_code == status
    error = refused.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert error["param"] == param


def test_health_models_and_unknown_paths(client: TestClient) -> None:
    """Health and models name the model and its note; other paths are errors in the same form."""
    assert client.get("/healthz").json()["note"] == NOTE
    assert MODEL in {each["id"] for each in client.get("/v1/models").json()["data"]}
    assert "error" in client.get("/v1/nothing").json()
