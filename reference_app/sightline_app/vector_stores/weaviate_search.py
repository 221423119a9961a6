"""Hybrid search in Weaviate: the app's own vectors beside BM25 over stems, filtered by tenant and date.

Weaviate's multi-tenancy would keep a copy of the public corpus for each tenant (or ask two collections for each
question and merge scores that do not compare), so one collection holds everything; `sightline-app tune` compares both.

BM25 runs over stemmed copies of the fields, made by :mod:`sightline_app.analysis`, because Weaviate does not stem.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import weaviate
from numpy.typing import NDArray
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery
from weaviate.config import GrpcConfig
from weaviate.exceptions import WeaviateBaseError

from sightline_app.analysis import expansions, terms
from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Hit, visible_to
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.connection import brief, search_circuit

FIELD_WEIGHTS = ["names_stems", "title_stems", "text_stems^2", "context_stems^0.5"]
"""Fields of BM25."""
_SHOWN = ["title", "text", "names", "module", "kind"]
_log = logging.getLogger(__name__)


def keyword_query(question: str) -> str:
    """Return the stems that BM25 is asked for: the question's own, then related ones."""
    return " ".join([*terms(question), *expansions(question)])


def location(settings: AppSettings) -> dict[str, Any]:
    """Return how to reach Weaviate, in the words of ``connect_to_custom``."""
    host, port, secure = settings.local_weaviate_host, settings.local_weaviate_port, False
    grpc_port = settings.local_weaviate_grpc_port
    if settings.weaviate_url:
        parts = urlsplit(settings.weaviate_url if "//" in settings.weaviate_url else f"http://{settings.weaviate_url}")
        secure = parts.scheme == "https"
        host, port = parts.hostname or host, parts.port or (443 if secure else 80)
        grpc_port = settings.weaviate_grpc_port or (443 if secure else 50051)
    wait_s = math.ceil(settings.search_timeout_s)  # not less: the search itself says when the time is up
    return {
        "http_host": host,
        "http_port": port,
        "http_secure": secure,
        "grpc_host": host,
        "grpc_port": grpc_port,
        "grpc_secure": secure,
        # The client's own checks wait for a server that is down, and ask the package index for a newer client.
        "skip_init_checks": True,
        "auth_credentials": Auth.api_key(settings.weaviate_api_key) if settings.weaviate_api_key else None,
        "additional_config": AdditionalConfig(
            timeout=Timeout(init=wait_s, query=wait_s, insert=120),
            # A shared channel would remember a server that was down and not try again for up to two minutes.
            grpc_config=GrpcConfig(channel_options=[("grpc.use_local_subchannel_pool", 1)]),
        ),
    }


def weaviate_address(settings: AppSettings) -> str:
    """Return the HTTP address of the Weaviate that the settings mean."""
    where = location(settings)
    return f"{'https' if where['http_secure'] else 'http'}://{where['http_host']}:{where['http_port']}"


class WeaviateRetriever:
    """The serving side.

    Args:
        settings: where Weaviate is, and the weight of the vector side.
        collection: physical collection, from the index manifest.
        clock: seconds that never go back.
    """

    backend = "weaviate"
    operation = "hybrid"

    def __init__(self, settings: AppSettings, collection: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.collection = collection
        self._settings = settings
        self._circuit = search_circuit(clock)
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._closed = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()

    async def _connected(self) -> Any:
        async with self._connecting:  # the first requests come together and must share one connection
            return self._client or await self._connect()

    async def _connect(self) -> Any:
        if self._client is None:
            client = weaviate.use_async_with_custom(**location(self._settings))
            try:
                await client.connect()
            except BaseException:  # also where the time was up: it has opened sockets by then
                await _close(client)
                raise
            self._client = client
        return self._client

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the best passages by relative-score fusion of BM25 and vector similarity.

        Raises:
            RetrievalUnavailable: Weaviate did not answer in time, or has not for a while and was not asked.
        """
        wanted = Filter.by_property("tenants").contains_any(visible_to(tenant))
        if since is not None:
            moment = datetime.datetime.combine(since, datetime.time(), datetime.UTC)
            wanted = wanted & Filter.by_property("date").greater_or_equal(moment)
        query = keyword_query(question)
        known = bool((vector != 0).any())
        if not query and not known:
            return []
        alpha = 1.0 if not query else self._settings.alpha if known else 0.0
        if not self._circuit.admits():
            raise RetrievalUnavailable(
                f"Weaviate at {weaviate_address(self._settings)} did not answer the last questions in time"
            )
        try:
            # The client itself would retry for a minute while the server is down.
            async with asyncio.timeout(self._settings.search_timeout_s):
                client = await self._connected()
                collection = client.collections.get(self.collection)
                answer = await collection.query.hybrid(
                    query=query or None,
                    query_properties=FIELD_WEIGHTS,
                    vector=vector.tolist() if known else None,
                    alpha=alpha,
                    fusion_type=HybridFusion.RELATIVE_SCORE,
                    filters=wanted,
                    limit=limit,
                    return_metadata=MetadataQuery(score=True),
                    return_properties=_SHOWN,
                )
        except (WeaviateBaseError, OSError, TimeoutError) as exc:
            self._forget()
            if isinstance(exc, TimeoutError):  # other failures are quick
                self._circuit.failed()
            raise RetrievalUnavailable(
                f"Weaviate at {weaviate_address(self._settings)} did not answer: {brief(exc)}"
            ) from exc
        self._circuit.worked()
        return [
            Hit(
                id=str(found.uuid),
                title=str(found.properties["title"]),
                text=str(found.properties["text"]),
                names=list(found.properties["names"] or []),
                module=str(found.properties["module"]),
                date="",
                score=float(found.metadata.score or 0.0),
                kind=str(found.properties["kind"]),
            )
            for found in answer.objects
        ]

    def _forget(self) -> None:
        """Let the next request make a new connection; those that are on the old one may end on it."""
        client, self._client = self._client, None
        if client is not None:
            leaving = asyncio.create_task(self._leave(client))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _leave(self, client: Any) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), self._settings.search_timeout_s)
        await _close(client)

    async def ready(self) -> bool:
        """Tell whether Weaviate answers now."""
        try:
            async with asyncio.timeout(min(3.0, self._settings.search_timeout_s)):
                is_ready = bool(await (await self._connected()).is_ready())
        except (WeaviateBaseError, OSError, TimeoutError):
            self._forget()
            return False
        if is_ready:
            self._circuit.worked()
        return is_ready

    async def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        self._forget()
        await asyncio.gather(*self._leaving)


async def _close(client: Any) -> None:
    try:
        await client.close()
    except Exception as exc:  # it is broken already
        _log.debug("closing a broken Weaviate connection: %s", exc)
