"""The app over a small shelf of passages and a model that a question directs: in this process, or as one of its own.

As a command it serves until SIGTERM: `python chat_app.py PORT`, with the app's own environment variables.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from numpy.typing import NDArray

import sightline
from sightline_app.api import create_app
from sightline_app.corpus import Passage, make_passage
from sightline_app.embeddings import LexicalEmbedding
from sightline_app.errors import RetrievalUnavailable
from sightline_app.generator import Generator
from sightline_app.index import CorpusRecord, Manifest
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.pipeline import Pipeline
from sightline_app.retriever import Hit
from sightline_app.serving import run
from sightline_app.settings import AppSettings
from sightline_roles.host_gate import HostGate
from sightline_roles.serving import listen

WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
"""What the model says, round and round; no numbers, since the guard of answers holds them back."""

USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
"""What the model reports for every whole answer."""


TEXTS = {"os.path.join": "Join pathname components.", "json.loads": "Deserialize a JSON document."}
"""Names and texts of two passages."""


class Shelf:
    """A vector store that returns all its passages.

    Args:
        texts: name -> text of each passage.
    """

    backend = "weaviate"
    operation = "hybrid"
    collection = "Documents_test"

    def __init__(self, texts: Mapping[str, str] = TEXTS) -> None:
        self.passages: list[Passage] = [
            make_passage(title=f"{name}()", text=text, names=[name], module=name.split(".")[0], date="2026-01-02")
            for name, text in texts.items()
        ]
        self.searches: list[tuple[str, str, datetime.date | None]] = []
        """Question, tenant and first date of each search."""
        self.failing = False
        """Whether it does not answer."""
        self.uploaded: dict[str, list[Passage]] = {}
        """Passages of each uploaded document; a search does not return them."""

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return all passages."""
        del vector
        self.searches.append((question, tenant, since))
        if self.failing:
            raise RetrievalUnavailable("Weaviate did not answer")
        return [Hit(p.id, p.title, p.text, p.names, p.module, p.date, 0.5) for p in self.passages][:limit]

    async def ready(self) -> bool:
        """Whether it would answer."""
        return self.reachable()

    def reachable(self) -> bool:
        """Whether it would answer."""
        return not self.failing

    def insert(self, collection: str, passages: Sequence[Passage], vectors: NDArray[Any]) -> None:
        """Keep the passages of uploaded documents."""
        assert (collection, len(passages)) == (self.collection, len(vectors))
        for document in {each.document for each in passages}:
            self.uploaded[document] = [each for each in passages if each.document == document]

    def delete(self, collection: str, *documents: str) -> None:
        """Forget the passages of uploaded documents."""
        assert collection == self.collection
        for document in documents:
            self.uploaded.pop(document, None)

    async def close(self) -> None:
        """Nothing to let go of."""


def build(settings: AppSettings, shelf: Shelf | None = None) -> Pipeline:
    """The real pipeline over a shelf."""
    shelf = shelf or Shelf()
    basis = shelf.passages
    lexicon = Lexicon.fit(weighted_terms(each) for each in basis)
    embedding = LexicalEmbedding.fit(basis, lexicon, "content", 8)
    record = CorpusRecord("test", "f", "c", len(basis))
    manifest = Manifest("v1", "weaviate", shelf.collection, "lexical", embedding.version, 2, "", {"public": record})
    return Pipeline(
        settings, manifest, embedding=embedding, lexicon=lexicon, retriever=shelf, generator=Generator(settings)
    )


class NoTracing(sightline.Tracing):
    """The library's handle, without an exporter."""

    def __init__(self) -> None:
        pass

    def force_flush(self, timeout_s: float = 5.0) -> bool:
        """Nothing to send."""
        del timeout_s
        return True

    def stats(self) -> sightline.Stats:
        """Nothing was sent."""
        return sightline.Stats(0, 0, 0, 0)


class Model:
    """An OpenAI-compatible model on a port of its own. A question may direct it.

    `[words=N]` sets the words of the answer, `[pause=S]` the seconds before each, `[break]` breaks the stream off after
    half of them, `[cite]` makes the last one a citation, `[echo]` makes each the question.
    """

    def __init__(self) -> None:
        self.prompts: list[list[dict[str, str]]] = []
        """Messages of each call."""
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def complete(request: Request) -> StreamingResponse:
            messages = (await request.json())["messages"]
            self.prompts.append(messages)
            return StreamingResponse(self._chunks(messages[-1]["content"]), media_type="text/event-stream")

        @app.get("/v1/models")
        async def models() -> dict[str, Any]:
            return {"object": "list", "data": []}

        self.served = Served(app)
        self.url = f"{self.served.url}/v1"

    async def _chunks(self, asked: str) -> AsyncIterator[str]:
        words = int(_directive(asked, "words", "4"))
        for number in range(words):
            await asyncio.sleep(float(_directive(asked, "pause", "0")))
            if "[break]" in asked and number == words // 2:
                raise ConnectionError("the model broke off")
            word = "[1]" if "[cite]" in asked and number == words - 1 else WORDS[number % len(WORDS)]
            word = asked if "[echo]" in asked else word
            yield _chunk([{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}])
        yield _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        yield _chunk([], USAGE)
        yield "data: [DONE]\n\n"


def _directive(asked: str, name: str, default: str) -> str:
    found = re.search(rf"\[{name}=([\d.]+)\]", asked)
    return found[1] if found else default


def _chunk(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> str:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps(head | {'choices': choices, 'usage': usage})}\n\n"


class Served:
    """An ASGI application on a free port of loopback, in a thread."""

    def __init__(self, app: Any) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Stop and wait."""
        self._server.should_exit = True
        self._thread.join(10)


def serve(settings: AppSettings, shelf: Shelf | None = None) -> Served:
    """Serve the app in this process, with what stands before it as a command."""
    shelf = shelf or Shelf()
    app = create_app(settings, NoTracing(), lambda settings: build(settings, shelf), lambda *_: shelf)
    return Served(HostGate(app, settings, origins=settings.api.allowed_origins))


def events(text: str) -> list[tuple[str, Any]]:
    """Name and data of the server-sent events of a text."""
    return [(name, data) for _, name, data in numbered_events(text)]


def numbered_events(text: str) -> list[tuple[int, str, Any]]:
    """Number, name and data of the server-sent events of a text; what has not ended is left out."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


if __name__ == "__main__":
    app_settings = replace(AppSettings.from_env(os.environ), port=int(sys.argv[1]))
    opened = listen(app_settings)
    app = create_app(app_settings, NoTracing(), build)
    sys.exit(
        run(
            app,
            opened,
            "the app",
            app_settings,
            max_message_bytes=app_settings.max_body_bytes,
            origins=app_settings.api.allowed_origins,
            grace_s=1,
            drain=app.state.drain,
        )
    )
