"""What the search in Weaviate does while the server takes too long."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.weaviate_search import WeaviateRetriever


class Server:
    """A Weaviate that hangs until a test lets it answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.hangs = True
        self.now_s = 0.0
        self.retriever = WeaviateRetriever(AppSettings(search_timeout_s=0.01), "Documents_1", lambda: self.now_s)
        monkeypatch.setattr(self.retriever, "_connected", self._connected)

    async def _connected(self) -> Any:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        query = SimpleNamespace(hybrid=self._hybrid)
        return SimpleNamespace(collections=SimpleNamespace(get=lambda _: SimpleNamespace(query=query)), is_ready=_true)

    @staticmethod
    async def _hybrid(**_: Any) -> Any:
        return SimpleNamespace(objects=[])

    async def search(self) -> list[Hit]:
        """Ask something."""
        return await self.retriever.search("sorted list", np.ones(2), tenant="acme", since=None, limit=3)

    async def fails(self, times: int) -> None:
        """Ask, in vain."""
        for _ in range(times):
            with pytest.raises(RetrievalUnavailable, match="did not answer"):
                await self.search()


async def _true() -> bool:
    return True


@pytest.fixture(name="server")
def _server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


async def test_server_that_hangs_is_waited_for_by_one_question_a_second(server: Server) -> None:
    """The others fail at once; the first answer lets all of them through."""
    await server.fails(10)
    assert server.asked == 3
    server.now_s = 1.0
    await server.fails(10)
    assert server.asked == 4
    server.now_s, server.hangs = 2.0, False
    for _ in range(3):
        assert await server.search() == []
    assert server.asked == 7


async def test_probe_that_is_answered_lets_questions_through(server: Server) -> None:
    """Load balancers send questions again after it: they must not be refused."""
    await server.fails(3)
    server.hangs = False
    assert await server.retriever.ready()
    assert await server.search() == []
