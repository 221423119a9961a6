"""Uploaded documents through the app's HTTP interface, into a real Weaviate and into ClickHouse."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import chat_app
import httpx
import pytest
from chat_app import Model, Served, Shelf
from role_process import Role, free_port
from weaviate_place import Place

from sightline import semconv
from sightline.testing import Spans
from sightline_app.api import create_app
from sightline_app.documents import DocumentFolder
from sightline_app.index import ingest
from sightline_app.ingestion.indexing import PASSAGES, SECTIONS
from sightline_app.limits import attributes
from sightline_app.limits.api_keys import EDITOR, SERVICE, KeyRing
from sightline_app.settings import (
    AppSettings,
    CacheSettings,
    IngestionSettings,
    LimitSettings,
    StateSettings,
    UploadSettings,
)
from sightline_demo_corpus.standard_library import StandardLibrary
from sightline_roles.host_gate import HostGate

SOURCE = StandardLibrary(("bisect",))
ACME, GLOBEX = {"x-tenant-id": "acme"}, {"x-tenant-id": "globex"}
PLAN = "# Travel plan\nThe zebra excursion starts in Nairobi at nine.\n"
ASKED = "How is the sorted list of the excursion in Nairobi kept?"
"""It has words of the corpus, so the lexical embedding gives it a vector, and the cache an answer."""

Start = Callable[..., str]


@pytest.fixture(name="start")
def _start(serve: Start) -> Start:
    """Serve the app over a shelf in this process; returns its address."""

    def start(
        shelf: Shelf | None = None, limits: LimitSettings | None = None, batch_documents: int = 32, **uploads: Any
    ) -> str:
        patient = UploadSettings(**{"wait_s": 30.0, **uploads})
        ingestion = IngestionSettings(batch_documents=batch_documents)
        return serve(shelf, limits=limits or LimitSettings(), uploads=patient, ingestion=ingestion)

    return start


def upload(url: str, text: str = PLAN, name: str = "plan.md", headers: dict[str, str] = ACME) -> httpx.Response:
    """Upload a text."""
    return httpx.post(f"{url}/v1/documents", json={"name": name, "text": text}, headers=headers, timeout=60)


def state(url: str, path: str, headers: dict[str, str] = ACME) -> str:
    """How far a document is; '' where it is not there."""
    found = httpx.get(f"{url}{path}", headers=headers, timeout=30)
    return str(found.json()["state"]) if found.status_code == 200 else ""


def until(url: str, path: str, wanted: str) -> None:
    """Wait until a document is that far."""
    deadline = time.monotonic() + 60
    while (seen := state(url, path)) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def test_upload_is_stored_and_the_same_one_again_changes_nothing(start: Start) -> None:
    """201 with its state and address; then 200 and the same id; it is in the list of its tenant."""
    shelf = Shelf()
    url = start(shelf)
    first, second = upload(url), upload(url, name="other.md")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    told = first.json()
    assert (told["name"], told["state"], told["passages"], told["embedded"]) == ("plan.md", "stored", 1, 1)
    assert first.headers["location"] == f"/v1/documents/{told['id']}"
    assert httpx.get(f"{url}/v1/documents", headers=ACME).json() == {"documents": [told]}
    assert list(shelf.uploaded) == [told["id"]]


@pytest.mark.parametrize(
    ("name", "media_type", "content", "expected"),
    [
        ("a.md", "text/markdown", b"# Title\nWords.", ["Title"]),
        ("a", "text/html; charset=utf-8", b"<h1>Title</h1><script>no()</script><p>Words.", ["Title"]),
        ("a.txt", "", "Wörter".encode("utf-16"), ["a.txt"]),
    ],
)
def test_document_itself_is_a_body(
    start: Start, name: str, media_type: str, content: bytes, expected: list[str]
) -> None:
    """With its type and a name; it is read as `ingest` reads files."""
    shelf = Shelf()
    sent = {**ACME, "content-type": media_type} if media_type else ACME
    answer = httpx.post(
        f"{start(shelf)}/v1/documents", params={"name": name}, content=content, headers=sent, timeout=60
    )
    assert answer.status_code == 201, answer.text
    (passages,) = shelf.uploaded.values()
    assert [each.title for each in passages] == expected
    assert "no()" not in passages[0].text


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        (
            {"json": {"name": "a.md", "text": "x" * 1001}},
            413,
            "document_too_large",
            "SIGHTLINE_APP_UPLOAD_MAX_BYTES=1000",
        ),
        ({"content": b"{" * 20_000}, 413, "document_too_large", "SIGHTLINE_APP_UPLOAD_MAX_BYTES=1000"),
        ({"json": {"name": "a.docx", "text": "x"}}, 415, "content_type_not_supported", "text/markdown"),
        (
            {"json": {"name": "a.md", "text": "x", "content_type": "image/png"}},
            415,
            "content_type_not_supported",
            "image/png",
        ),
        ({"json": {"name": "a.md", "text": "  \n"}}, 422, "document_unreadable", "is empty"),
        ({"json": {"name": "a.md", "text": "a\0b"}}, 422, "document_unreadable", "is binary"),
        ({"json": {"name": "a.md", "text": "# Title"}}, 422, "document_unreadable", "holds no text"),
        ({"json": {"name": "a.md"}}, 400, "invalid_document", "'text'"),
        ({"json": {"text": "x"}}, 400, "invalid_document", "'name'"),
        ({"json": {"name": "", "text": "x", "content_type": "text/plain"}}, 400, "invalid_name", "'name'"),
        ({"content": b'"\\ud800"'}, 400, "invalid_json", "JSON object"),
        ({"content": b'{"name": "a.md", "text": "\\ud800"}'}, 400, "invalid_document", "surrogate"),
    ],
)
def test_document_that_cannot_be_is_refused(
    start: Start, body: dict[str, Any], status: int, kind: str, said: str
) -> None:
    """With its reason and, where there is one, the limit; nothing is indexed."""
    shelf = Shelf()
    url = start(shelf, max_bytes=1000)
    answer = httpx.post(f"{url}/v1/documents", **body, headers={**ACME, "content-type": "application/json"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert said in answer.json()["error"]["message"]
    assert shelf.uploaded == {}


def test_documents_never_cross_tenants(start: Start) -> None:
    """Equal content of two tenants is two documents; one neither sees nor deletes the other's."""
    shelf = Shelf()
    url = start(shelf)
    mine, theirs = upload(url).headers["location"], upload(url, headers=GLOBEX).headers["location"]
    assert mine != theirs
    for method in ("GET", "DELETE"):
        for headers in (GLOBEX, {}, {"x-tenant-id": "public"}):
            answer = httpx.request(method, f"{url}{mine}", headers=headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (404, "document_unknown")
    assert [each["id"] for each in httpx.get(f"{url}/v1/documents", headers=GLOBEX).json()["documents"]] == [
        theirs.rpartition("/")[2]
    ]
    assert httpx.delete(f"{url}{theirs}", headers=GLOBEX).status_code == 204
    assert [each[0].tenant for each in shelf.uploaded.values()] == ["acme"]


def test_documents_are_changed_with_a_role_that_may(start: Start, tmp_path: Path) -> None:
    """A member reads, an editor changes its own tenant's, a service those of the tenant that it names."""
    ring = KeyRing(tmp_path / "keys")
    member, editor, service = (
        {"x-api-key": ring.create("k", "acme", role=role)} for role in ("member", EDITOR, SERVICE)
    )
    url = start(limits=LimitSettings(keys_file=tmp_path / "keys"))
    path = upload(url, headers=editor).headers["location"]
    assert state(url, path, member) == "stored"
    for refused in (upload(url, headers=member), httpx.delete(f"{url}{path}", headers=member)):
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "role_forbidden")
    assert upload(url, headers={**editor, "x-tenant-id": "globex"}).status_code == 403
    assert upload(url, headers={}).status_code == 401
    assert upload(url, headers={**service, **GLOBEX}).status_code == 201
    assert httpx.delete(f"{url}{path}", headers=editor).status_code == 204


def test_uploads_count_against_the_rate_of_requests_alone(start: Start, spans: Spans) -> None:
    """429 says when to come back, and nothing is kept; tokens are the model's."""
    shelf = Shelf()
    url = start(shelf, limits=LimitSettings(requests_per_minute=1, tokens_per_day=1))
    first, second = upload(url), upload(url, "Other words.")
    assert (first.status_code, second.status_code) == (201, 429)
    assert first.headers["ratelimit-policy"] == '"requests_per_minute";q=1;w=60'
    assert second.json()["error"]["type"] == "requests_per_minute"
    assert int(second.headers["retry-after"]) > 0
    assert len(shelf.uploaded) == 1
    assert upload(url, headers=GLOBEX).status_code == 201
    assert not [each.name for each in spans if attributes.LIMIT_DECISION in (each.attributes or {})]


def test_document_that_takes_long_is_a_202_and_goes_on(start: Start, spans: Spans) -> None:
    """Its address says how far it is and why it waits; /readyz, too; the trace is one, from the upload on."""
    shelf = Shelf()
    shelf.failing = True
    url = start(shelf, batch_documents=1, wait_s=0)
    answer = upload(url)
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    path = answer.headers["location"]
    deadline = time.monotonic() + 30
    while not (error := httpx.get(f"{url}{path}", headers=ACME).json()["error"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert error == "weaviate does not answer; it is tried again"
    waits = httpx.get(f"{url}/readyz").json()["parts"]["documents"]
    assert not waits["needed"]
    shelf.failing = False
    upload(url, "Something else.")  # the worker looks at once
    until(url, path, "stored")
    document_spans = [span for span in spans if (span.attributes or {}).get(semconv.TENANT_ID) == "acme"]
    first = next(span for span in document_spans if span.name == "document.upload")
    trace = [span for span in document_spans if span.context.trace_id == first.context.trace_id]
    assert first.parent is None
    assert [span.name for span in trace][1:] == [
        "document.parse",
        "document.chunk",
        "embeddings lexical",
        "document.insert",
    ]
    assert {span.parent.span_id for span in trace if span.parent} == {first.context.span_id}
    assert (trace[1].attributes or {})[SECTIONS] == (trace[-1].attributes or {})[PASSAGES] == 1


def test_many_uploads_at_once_are_all_stored(start: Start) -> None:
    """Twelve of them, each twice, at the same time: twelve documents."""
    shelf = Shelf()
    url = start(shelf)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: upload(url, f"Text {n % 12}."), range(24)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len(shelf.uploaded) == len({answer.json()["id"] for answer in answers}) == 12


def test_document_that_was_acknowledged_outlives_its_process(start: Start, tmp_path: Path) -> None:
    """Kill -9 after the 202, before the vector store ever answered: the next process stores it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "SIGHTLINE_APP_DATA_DIR": str(tmp_path),
        "SIGHTLINE_APP_STATE": "process",
        "SIGHTLINE_APP_UPLOAD_WAIT_S": "0",
        "SIGHTLINE_WEAVIATE_PORT": str(free_port()),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = Role(["python", str(Path(chat_app.__file__)), str(port)], env, f"{url}/stats", tmp_path / "log")
    try:
        process.start()
        answer = upload(url)
        process.kill()
    finally:
        process.stop()
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    shelf = Shelf()
    until(start(shelf), answer.headers["location"], "stored")
    assert list(shelf.uploaded) == [answer.json()["id"]]


class Backend:
    """An app over a real vector store, with an ingested corpus."""

    def __init__(self, settings: AppSettings) -> None:
        self.settings = settings
        ingest(settings, SOURCE)
        self._served = Served(HostGate(create_app(settings, chat_app.NoTracing()), settings))
        self.url = self._served.url

    def sources(self, question: str = ASKED, headers: dict[str, str] = ACME) -> str:
        """All texts that a question finds."""
        body = {"question": question, "stream": False}
        answer = httpx.post(f"{self.url}/v1/chat", json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return " ".join(source["text"] for source in answer.json()["sources"])

    def stop(self) -> None:
        """Stop the app."""
        self._served.stop()


@pytest.fixture(scope="module", name="backend", params=["weaviate", "clickhouse"])
def _backend(
    request: pytest.FixtureRequest, model_session: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    settings = AppSettings(
        data_dir=tmp_path_factory.mktemp("app"),
        model_base_url=model_session.url,
        embedding="lexical",
        lexical_dimensions=16,
        top_k=30,  # all that the tenant may see: ranks do not matter here
        collection=f"Uploads{request.param}",
        retrieval=request.param,
        state=StateSettings(mode="process"),
        uploads=UploadSettings(wait_s=60),
        cache=CacheSettings(on=True),
    )
    if request.param == "weaviate":
        place: Place = request.getfixturevalue("weaviate_place")
        settings = replace(settings, local_weaviate_port=place.http, local_weaviate_grpc_port=place.grpc)
    else:
        settings = replace(settings, store_url=request.getfixturevalue("store_url"))
    backend = Backend(settings)
    yield backend
    backend.stop()


def test_question_finds_an_upload_until_it_is_deleted(backend: Backend, tmp_path: Path) -> None:
    """By its tenant alone; through the next ingests; cached answers from before it or from its time are not given."""
    assert "zebra" not in backend.sources()
    answer = upload(backend.url)
    assert answer.status_code == 201, answer.text
    assert "zebra" in backend.sources()
    assert "zebra" not in backend.sources(headers=GLOBEX)
    assert not ingest(backend.settings, SOURCE)[1]
    (tmp_path / "other.md").write_text("# Other\nThe giraffe is tall.\n")
    manifest, built = ingest(backend.settings, DocumentFolder(tmp_path, tenant="acme"), tenant="acme")
    assert built
    deadline = time.monotonic() + 60
    while httpx.get(f"{backend.url}/healthz", timeout=30).json()["index"]["version"] != manifest.version:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "zebra" in backend.sources()
    assert "giraffe" in backend.sources("How tall is the giraffe?")
    again = upload(backend.url, PLAN + "\n# Return\nThe zebra excursion returns at noon.\n")
    path = answer.headers["location"]
    assert httpx.delete(f"{backend.url}{path}", headers=ACME, timeout=60).status_code == 204
    assert "excursion" in backend.sources()
    assert httpx.delete(f"{backend.url}{again.headers['location']}", headers=ACME, timeout=60).status_code == 204
    assert "excursion" not in backend.sources()
    assert "giraffe" in backend.sources("How tall is the giraffe?")
    assert not ingest(backend.settings, SOURCE)[1]
