"""The description of the HTTP interface, held against what the app does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_app import numbered_events
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator

from sightline.testing import Spans
from sightline_app.api import schema
from sightline_app.limits.api_keys import EDITOR, KeyRing
from sightline_app.settings import ApiSettings, LimitSettings

Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(serve: Start) -> Start:
    """Serve the app in this process; returns its address."""

    def start(api: ApiSettings | None = None, **limits: Any) -> str:
        return serve(limits=LimitSettings(**limits), api=api or ApiSettings())

    return start


def described(url: str) -> dict[str, Any]:
    """The description that the app serves."""
    told: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
    return told


def operations(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All operations by method and path."""
    return {f"{method} {path}": each for path, methods in told["paths"].items() for method, each in methods.items()}


def validator(told: dict[str, Any], model: str) -> Draft202012Validator:
    """Checks a value against a model of the description."""
    return Draft202012Validator({**told, "$ref": f"#/components/schemas/{model}"})


def references(value: Any) -> Iterator[str]:
    """All references in a description."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_description_is_valid_and_whole(start: Start) -> None:
    """It is OpenAPI 3.1; every operation has words, a tag, and a name; every reference leads somewhere."""
    told = described(start())
    OpenAPI.model_validate(told)
    found = operations(told)
    assert set(found) == {
        "post /v1/chat",
        "get /v1/chat/ws",
        "get /v1/chat/streams/{stream_id}",
        "delete /v1/chat/streams/{stream_id}",
        "delete /v1/conversation",
        "post /v1/feedback",
        "post /v1/documents",
        "get /v1/documents",
        "get /v1/documents/{document_id}",
        "delete /v1/documents/{document_id}",
        "get /healthz",
        "get /readyz",
        "get /stats",
        "get /metrics",
    }
    assert len({each["operationId"] for each in found.values()}) == len(found)
    for name, each in found.items():
        assert each["summary"], name
        assert each["description"], name
        assert each["tags"][0] in {"chat", "documents", "operations"}, name
        assert ("security" in each) == (each["tags"] != ["operations"]), name
    for model in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(model)
    names = set(told["components"]["schemas"])
    assert {ref.removeprefix("#/components/schemas/") for ref in references(told)} <= names


def test_examples_of_requests_are_accepted(start: Start) -> None:
    """Each one is sent, and fits its model."""
    url = start()
    told = described(url)
    sent = 0
    for name, operation in operations(told).items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            method, path = name.split()
            answer = httpx.request(method, f"{url}{path}", json=example["value"], timeout=30)
            assert answer.status_code in {200, 201, 204}, answer.text
            assert str(answer.status_code) in operation["responses"]
            validator(told, content["schema"]["$ref"].rpartition("/")[2]).validate(example["value"])
            sent += 1
    assert sent == 5


def test_examples_of_models_fit_them(start: Start) -> None:
    """Those of events, too."""
    told = described(start())
    checked = 0
    for name, model in told["components"]["schemas"].items():
        for example in model.get("examples", []):
            validator(told, name).validate(example)
            checked += 1
    assert checked >= 10
    for _, name, data in numbered_events(schema.EVENT_TEXT):
        for each in data if name == "sources" else [data]:
            schema.EVENTS.get(name, schema.Source).model_validate(each, extra="forbid")


@pytest.mark.parametrize("question", ["Tell me", "Tell me [words=8] [break]"])
def test_events_are_as_described(start: Start, question: str) -> None:
    """Those of a real stream hold nothing that their models do not name."""
    answer = httpx.post(f"{start()}/v1/chat", json={"question": question, "session_id": "s1"}, timeout=30)
    told = numbered_events(answer.text)
    assert {name for _, name, _ in told} - set(schema.EVENTS) == {"sources"}
    for _, name, data in told:
        for each in data if name == "sources" else [data]:
            schema.EVENTS.get(name, schema.Source).model_validate(each, extra="forbid")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("chat", schema.ChatRequest),
        ("feedback", schema.FeedbackRequest),
        ("documents", schema.DocumentRequest),
    ],
)
def test_every_described_field_is_read(start: Start, path: str, told: Any) -> None:
    """A value of a type that it cannot have is refused, each field alone."""
    url = start()
    good = told.model_config["json_schema_extra"]["examples"][-1]
    assert set(good) == set(told.model_fields)
    for name in told.model_fields:
        refused = httpx.post(f"{url}/v1/{path}", json={**good, name: 7}, timeout=30)
        assert refused.status_code == 400, name
        schema.ErrorBody.model_validate(refused.json(), extra="forbid")


def test_bodies_of_whole_answers_and_probes_are_as_described(start: Start) -> None:
    """They hold nothing that their models do not name."""
    url = start()
    body = {"question": "Tell me", "stream": False, "session_id": "s1"}
    schema.AnswerBody.model_validate(httpx.post(f"{url}/v1/chat", json=body, timeout=30).json(), extra="forbid")
    schema.HealthBody.model_validate(httpx.get(f"{url}/healthz").json(), extra="forbid")
    schema.ReadyBody.model_validate(httpx.get(f"{url}/readyz").json(), extra="forbid")
    schema.StatsBody.model_validate(httpx.get(f"{url}/stats").json(), extra="forbid")
    uploaded = httpx.post(f"{url}/v1/documents", json={"name": "a.md", "text": "Some words."}, timeout=30).json()
    schema.DocumentBody.model_validate(uploaded, extra="forbid")
    schema.DocumentList.model_validate(httpx.get(f"{url}/v1/documents").json(), extra="forbid")


def test_failures_are_as_described(start: Start, tmp_path: Path) -> None:
    """Status, type and body of each kind of failure are in the description."""
    ring = KeyRing(tmp_path / "keys")
    key = {"x-api-key": ring.create("web", "acme", requests_per_minute=1)}
    editor = {"x-api-key": ring.create("editor", "acme", role=EDITOR)}
    url = start(keys_file=tmp_path / "keys")
    upload = "post /v1/documents"
    chat, stream = "post /v1/chat", "get /v1/chat/streams/{stream_id}"
    asked = httpx.post(f"{url}/v1/chat", json={"question": "What?"}, headers=key, timeout=30)
    address = f"{url}{asked.headers['content-location']}"
    failures = [
        (chat, 400, httpx.post(f"{url}/v1/chat", json={}, headers=key)),
        (chat, 401, httpx.post(f"{url}/v1/chat", json={"question": "What?"})),
        (chat, 401, httpx.post(f"{url}/v1/chat", content="{" * 300_000)),  # nobody reads it
        (chat, 403, httpx.post(f"{url}/v1/chat", json={"question": "What?"}, headers={**key, "x-tenant-id": "other"})),
        (chat, 413, httpx.post(f"{url}/v1/chat", json={"question": "x" * 5000}, headers=key)),
        (chat, 429, httpx.post(f"{url}/v1/chat", json={"question": "What?"}, headers=key)),
        (stream, 404, httpx.get(f"{url}/v1/chat/streams/x", headers=key)),
        (stream, 409, httpx.get(address, headers={**key, "last-event-id": "999"})),
        (upload, 400, httpx.post(f"{url}/v1/documents", json={"name": "a.md"}, headers=editor)),
        (upload, 403, httpx.post(f"{url}/v1/documents", json={"name": "a.md", "text": "x"}, headers=key)),
        (upload, 413, httpx.post(f"{url}/v1/documents?name=a.md", content=b"x" * 5_000_001, headers=editor)),
        (upload, 415, httpx.post(f"{url}/v1/documents", json={"name": "a.docx", "text": "x"}, headers=editor)),
        (upload, 422, httpx.post(f"{url}/v1/documents", json={"name": "a.md", "text": " "}, headers=editor)),
        ("get /v1/documents/{document_id}", 404, httpx.get(f"{url}/v1/documents/x", headers=key)),
        ("get /stats", 422, httpx.get(f"{url}/stats?flush=x")),
    ]
    found = operations(described(url))
    for name, status, answer in failures:
        assert answer.status_code == status, answer.text
        assert str(status) in found[name]["responses"]
        schema.ErrorBody.model_validate(answer.json(), extra="forbid")
        if status == 429:
            assert int(answer.headers["retry-after"]) > 0


def test_description_is_open_and_can_be_turned_off(start: Start, tmp_path: Path, spans: Spans) -> None:
    """With API keys, too; it says whether a key is needed. The page has no script and nothing from elsewhere."""
    url = start()
    KeyRing(tmp_path / "keys").create("web", "acme")
    keyed = start(keys_file=tmp_path / "keys")
    assert operations(described(url))["post /v1/chat"]["security"][0] == {}
    assert {} not in operations(described(keyed))["post /v1/chat"]["security"]
    page = httpx.get(f"{keyed}/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "src=" not in page.text.replace("copytree(src", "")
    for told in ("/v1/chat/streams/{stream_id}", "Last-Event-ID", "Needs an API key", "How do I copy a folder?"):
        assert told in page.text
    off = start(ApiSettings(docs=False))
    assert [httpx.get(f"{off}{path}").status_code for path in ("/docs", "/openapi.json", "/redoc")] == [404, 404, 404]
    assert len(spans) <= 1  # of the last three: what is not served is traced


def test_description_names_no_address_of_the_installation(start: Start) -> None:
    """Nothing in it comes from settings."""
    one = json.dumps(described(start()))
    other = json.dumps(described(start(ApiSettings(resume_s=3, heartbeat_s=2, allowed_origins=("https://a.example",)))))
    assert one == other
