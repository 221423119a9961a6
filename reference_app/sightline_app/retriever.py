"""Hybrid search in Weaviate: the app's own vectors beside BM25 over stems, filtered by tenant and date.

Tenants share the public corpus. Weaviate's multi-tenancy would keep a copy of it for each tenant (or ask two
collections for each question and merge scores that do not compare), so one collection holds everything, every passage
names the tenants that may see it, and every query filters on "this tenant or public". The filter is put on here, in the
only place that queries, and can't be left out by a caller.

BM25 runs over stemmed copies of the fields, made by :mod:`sightline_app.analysis`, because Weaviate does not stem.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import weaviate
from numpy.typing import NDArray
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.classes.query import Filter, HybridFusion, MetadataQuery
from weaviate.config import GrpcConfig
from weaviate.exceptions import WeaviateBaseError

from sightline_app.analysis import expansions, name_terms, terms
from sightline_app.corpus import Passage
from sightline_app.errors import RetrievalUnavailable
from sightline_app.settings import AppSettings

PUBLIC = "public"
"""Tenant name of what everybody may see."""

_BATCH = 500
_FIELD_WEIGHTS = ["names_stems", "title_stems", "text_stems^2", "context_stems^0.5"]
_SHOWN = ["title", "text", "names", "module", "date", "context", "kind"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hit:
    """A passage that was found; ``score`` is higher for better, in the backend's own scale."""

    id: str
    title: str
    text: str
    names: list[str]
    module: str
    date: str
    score: float
    context: str = ""
    kind: str = "text"

    def as_document(self, content_chars: int = 2000) -> dict[str, Any]:
        """Return the form in which spans hold retrieved documents."""
        return {"id": self.id, "score": round(self.score, 6), "title": self.title, "content": self.text[:content_chars]}


class Retriever(Protocol):
    """Finds passages; one instance serves all requests."""

    backend: str
    """``weaviate`` or ``clickhouse``."""
    operation: str
    """``hybrid``: vectors beside words."""
    collection: str
    """Physical collection or table."""

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the best passages that the tenant may see, best first.

        Raises:
            RetrievalUnavailable: the backend did not answer in time.
        """

    async def ready(self) -> bool:
        """Tell whether the backend answers now."""

    async def close(self) -> None:
        """Let go of connections."""


def visible_to(tenant: str) -> list[str]:
    """Return the tenants whose passages a tenant may see."""
    return [PUBLIC] if tenant in {"", PUBLIC} else [PUBLIC, tenant]


def keyword_query(question: str) -> str:
    """Return the stems that BM25 is asked for: the question's own, then related ones."""
    return " ".join([*terms(question), *expansions(question)])


def _location(settings: AppSettings) -> dict[str, Any]:
    """Return how to reach Weaviate, in the words of ``connect_to_custom``."""
    host, port, secure = settings.local_weaviate_host, settings.local_weaviate_port, False
    grpc_port = settings.local_weaviate_grpc_port
    if settings.weaviate_url:
        parts = urlsplit(settings.weaviate_url if "//" in settings.weaviate_url else f"http://{settings.weaviate_url}")
        secure = parts.scheme == "https"
        host, port = parts.hostname or host, parts.port or (443 if secure else 80)
        grpc_port = settings.weaviate_grpc_port or (443 if secure else 50051)
    wait_s = max(1, round(settings.search_timeout_s))
    return {
        "http_host": host,
        "http_port": port,
        "http_secure": secure,
        "grpc_host": host,
        "grpc_port": grpc_port,
        "grpc_secure": secure,
        "auth_credentials": Auth.api_key(settings.weaviate_api_key) if settings.weaviate_api_key else None,
        "additional_config": AdditionalConfig(
            timeout=Timeout(init=wait_s, query=wait_s, insert=120),
            # A shared channel would remember a server that was down and not try again for up to two minutes.
            grpc_config=GrpcConfig(channel_options=[("grpc.use_local_subchannel_pool", 1)]),
        ),
    }


def weaviate_address(settings: AppSettings) -> str:
    """Return the HTTP address of the Weaviate that the settings mean."""
    where = _location(settings)
    return f"{'https' if where['http_secure'] else 'http'}://{where['http_host']}:{where['http_port']}"


class WeaviateRetriever:
    """The serving side.

    Args:
        settings: where Weaviate is, and the weight of the vector side.
        collection: physical collection, from the index manifest.
    """

    backend = "weaviate"
    operation = "hybrid"

    def __init__(self, settings: AppSettings, collection: str) -> None:
        self.collection = collection
        self._settings = settings
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._closed = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()

    async def _connected(self) -> Any:
        async with self._connecting:  # the first requests come together and must share one connection
            return self._client or await self._connect()

    async def _connect(self) -> Any:
        if self._client is None:
            # The checks at the start would wait for a server that is down; the query itself will tell.
            client = weaviate.use_async_with_custom(**_location(self._settings), skip_init_checks=True)
            await client.connect()
            self._client = client
        return self._client

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the best passages by relative-score fusion of BM25 and vector similarity."""
        wanted = Filter.by_property("tenants").contains_any(visible_to(tenant))
        if since is not None:
            moment = datetime.datetime.combine(since, datetime.time(), datetime.UTC)
            wanted = wanted & Filter.by_property("date").greater_or_equal(moment)
        query = keyword_query(question)
        known = bool((vector != 0).any())
        if not query and not known:
            return []
        alpha = 1.0 if not query else self._settings.alpha if known else 0.0
        try:
            # The client itself would retry for a minute while the server is down.
            async with asyncio.timeout(self._settings.search_timeout_s):
                client = await self._connected()
                collection = client.collections.get(self.collection)
                answer = await collection.query.hybrid(
                    query=query or None,
                    query_properties=_FIELD_WEIGHTS,
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
            raise RetrievalUnavailable(
                f"Weaviate at {weaviate_address(self._settings)} did not answer: {_brief(exc)}"
            ) from exc
        return [
            Hit(
                id=str(found.uuid),
                title=str(found.properties["title"]),
                text=str(found.properties["text"]),
                names=list(found.properties["names"] or []),
                module=str(found.properties["module"]),
                date=found.properties["date"].date().isoformat(),
                score=float(found.metadata.score or 0.0),
                context=str(found.properties["context"]),
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
        try:
            await client.close()
        except Exception as exc:  # it is broken already
            _log.debug("closing a broken Weaviate connection: %s", exc)

    async def ready(self) -> bool:
        """Tell whether Weaviate answers now."""
        try:
            async with asyncio.timeout(min(3.0, self._settings.search_timeout_s)):
                return bool(await (await self._connected()).is_ready())
        except (WeaviateBaseError, OSError, TimeoutError):
            self._forget()
            return False

    async def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        self._forget()
        await asyncio.gather(*self._leaving)


def _brief(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__


class WeaviateIndex:
    """The ingest side: builds one physical collection for each version of the index.

    A new version is built beside the one that is being served; only when it is complete are older ones dropped.
    """

    backend = "weaviate"

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings

    def _connect(self) -> Any:
        try:
            return weaviate.connect_to_custom(**_location(self._settings))
        except (WeaviateBaseError, OSError, ValueError) as exc:
            raise RetrievalUnavailable(
                f"Weaviate at {weaviate_address(self._settings)} did not answer: {_brief(exc)}"
            ) from exc

    def reachable(self) -> bool:
        """Tell whether Weaviate answers now."""
        try:
            with self._connect() as client:
                return bool(client.is_ready())
        except RetrievalUnavailable:
            return False

    def count(self, collection: str) -> int:
        """Return how many passages a collection holds; 0 when it is not there."""
        with self._connect() as client:
            if not client.collections.exists(collection):
                return 0
            return int(client.collections.get(collection).aggregate.over_all(total_count=True).total_count or 0)

    def name(self, version: str) -> str:
        """Return the physical collection of an index version."""
        return f"{self._settings.collection}_{version}"

    def build(
        self, version: str, passages: Sequence[Passage], vectors: NDArray[Any], progress: Callable[[int, int], None]
    ) -> str:
        """Write all passages into a fresh collection and wait until they are searchable.

        Returns:
            The physical collection's name.

        Raises:
            RetrievalUnavailable: Weaviate did not answer, or refused passages.
        """
        name = self.name(version)
        try:
            with self._connect() as client:
                client.collections.delete(name)
                collection = client.collections.create(
                    name,
                    properties=_properties(),
                    vector_config=Configure.Vectors.self_provided(
                        vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
                    ),
                )
                for start in range(0, len(passages), _BATCH):
                    batch = [
                        DataObject(uuid=passage.id, properties=_stored(passage), vector=row.tolist())
                        for passage, row in zip(
                            passages[start : start + _BATCH], vectors[start : start + _BATCH], strict=True
                        )
                    ]
                    answer = collection.data.insert_many(batch)
                    if answer.has_errors:
                        first = next(iter(answer.errors.values()))
                        raise RetrievalUnavailable(f"Weaviate refused {len(answer.errors)} passages: {first.message}")
                    progress(min(start + _BATCH, len(passages)), len(passages))
                self._wait_until_searchable(collection, passages, vectors)
        except (WeaviateBaseError, OSError) as exc:
            raise RetrievalUnavailable(f"writing to Weaviate failed: {_brief(exc)}") from exc
        return name

    def _wait_until_searchable(self, collection: Any, passages: Sequence[Passage], vectors: NDArray[Any]) -> None:
        """Wait until the count is right and sampled passages find themselves (a server may index asynchronously)."""
        sample = range(0, len(passages), max(1, len(passages) // 7))
        deadline = time.monotonic() + 120
        while True:
            total = int(collection.aggregate.over_all(total_count=True).total_count or 0)
            if total >= len(passages) and all(
                self._finds(collection, passages[row].id, vectors[row]) for row in sample
            ):
                return
            if time.monotonic() > deadline:
                raise RetrievalUnavailable(
                    f"Weaviate holds {total} of {len(passages)} passages and is not yet searchable"
                )
            time.sleep(0.2)

    @staticmethod
    def _finds(collection: Any, wanted: str, vector: NDArray[Any]) -> bool:
        if not vector.any():
            return True
        found = collection.query.near_vector(vector.tolist(), limit=1, return_metadata=MetadataQuery(distance=True))
        return any(str(each.uuid) == wanted or (each.metadata.distance or 0.0) < 1e-4 for each in found.objects)

    def drop_others(self, keep: Collection[str]) -> None:
        """Delete collections of older index versions."""
        with self._connect() as client:
            for name in client.collections.list_all():
                if name.startswith(f"{self._settings.collection}_") and name not in keep:
                    client.collections.delete(name)


def _properties() -> list[Property]:
    stems = [
        Property(name=name, data_type=DataType.TEXT, tokenization=Tokenization.WHITESPACE, index_filterable=False)
        for name in ("names_stems", "title_stems", "text_stems", "context_stems")
    ]
    shown = [
        Property(name=name, data_type=DataType.TEXT, index_filterable=False, index_searchable=False)
        for name in ("title", "text", "module", "context", "kind")
    ]
    listed = [
        Property(name=name, data_type=DataType.TEXT_ARRAY, tokenization=Tokenization.FIELD, index_searchable=False)
        for name in ("names", "tenants")
    ]
    return [*stems, *shown, *listed, Property(name="date", data_type=DataType.DATE, index_range_filters=True)]


def _stored(passage: Passage) -> dict[str, Any]:
    return {
        "title": passage.title,
        "text": passage.text,
        "module": passage.module,
        "context": passage.context,
        "kind": passage.kind,
        "names": passage.names,
        "tenants": [passage.tenant],
        "date": datetime.datetime.combine(datetime.date.fromisoformat(passage.date), datetime.time(), datetime.UTC),
        "names_stems": " ".join(dict.fromkeys(name_terms(passage.names[:6]))),
        "title_stems": " ".join(terms(passage.title)),
        "text_stems": " ".join(terms(passage.text)),
        "context_stems": " ".join(terms(passage.context)),
    }
