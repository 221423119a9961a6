"""The client's own classes, patched in place and given back: which of their methods become which spans."""

import functools
import importlib
import importlib.metadata
import inspect
import logging
import threading
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Final

from sightline import faults, semconv
from sightline.weaviate.call import ACTIVE, run, run_async
from sightline.weaviate.documents import BM25, FUSION, ONE_MINUS_DISTANCE, CollectionNotes
from sightline.weaviate.hooks import HOOKS
from sightline.weaviate.operation import Operation
from sightline.weaviate.options import Options, settings

_logger = logging.getLogger("sightline")
_Wrapper = Callable[[Callable[..., Any], Any, Any, Any], Any]
"""Gets the original, the instance, args and kwargs."""

_SEARCHES: Final = {
    "near_vector": ONE_MINUS_DISTANCE,
    "near_text": ONE_MINUS_DISTANCE,
    "near_object": ONE_MINUS_DISTANCE,
    "near_image": ONE_MINUS_DISTANCE,
    "near_media": ONE_MINUS_DISTANCE,
    "hybrid": FUSION,
    "bm25": BM25,
}
_FETCHES: Final = ("fetch_objects", "fetch_object_by_id", "fetch_objects_by_ids")
_AGGREGATES: Final = ("over_all", "near_vector", "near_text", "near_object", "near_image", "hybrid")
_WRITES: Final = {
    "insert": None,
    "replace": None,
    "update": None,
    "exists": None,
    "delete_by_id": None,
    "reference_add": None,
    "reference_delete": None,
    "reference_replace": None,
}
_TENANTS: Final = {
    "create": "tenants",
    "remove": "tenants",
    "update": "tenants",
    "activate": "tenant",
    "deactivate": "tenant",
    "offload": "tenant",
    "get": None,
    "get_by_name": None,
    "get_by_names": "tenants",
    "exists": None,
}
_COLLECTIONS: Final = ("create", "delete", "exists", "export_config", "list_all", "delete_all", "create_from_config")
_CONFIG: Final = ("get", "update", "add_property", "add_reference", "add_vector", "get_shards", "update_shards")


def _operations() -> list[tuple[str, str, list[tuple[str, Operation]]]]:
    """Return the client's public methods: module, sync class (the async one ends in ``Async``), method, operation."""
    searches = [(name, Operation(name, score_kind=score_kind, is_query=True)) for name, score_kind in _SEARCHES.items()]
    fetches = [(name, Operation(name, is_query=True)) for name in _FETCHES]
    writes = [(name, Operation(name, over_http=True)) for name in _WRITES]
    writes += [("insert_many", Operation("insert_many", batch_argument="objects"))]
    writes += [("ingest", Operation("ingest", batch_argument="objs")), ("delete_many", Operation("delete_many"))]
    writes += [("reference_add_many", Operation("reference_add_many", over_http=True, batch_argument="refs"))]
    return [
        ("weaviate.collections.query", "_QueryCollection", searches + fetches),
        (
            "weaviate.collections.generate",
            "_GenerateCollection",
            [*searches, *(fetch for fetch in fetches if fetch[0] != "fetch_object_by_id")],
        ),
        (
            "weaviate.collections.aggregate",
            "_AggregateCollection",
            [(name, Operation(f"aggregate.{name}", is_query=True)) for name in _AGGREGATES],
        ),
        ("weaviate.collections.data", "_DataCollection", writes),
        (
            "weaviate.collections.tenants",
            "_Tenants",
            [
                (
                    name,
                    Operation(f"tenants.{name}", over_http=not name.startswith("get"), batch_argument=batch_argument),
                )
                for name, batch_argument in _TENANTS.items()
            ],
        ),
        (
            "weaviate.collections.config",
            "_ConfigCollection",
            [(name, Operation(f"config.{name}", over_http=True)) for name in _CONFIG],
        ),
        (
            "weaviate.collections.collections",
            "_Collections",
            [
                (
                    name,
                    Operation(f"collections.{name}", over_http=True, has_collection_argument=name not in _WITHOUT_NAME),
                )
                for name in _COLLECTIONS
            ],
        ),
    ]


_WITHOUT_NAME: Final = ("list_all", "delete_all", "create_from_config")


def describe(
    collection: str,
    *,
    index_version: str | None = None,
    embedding: str | None = None,
    embedding_version: str | None = None,
    content: str | None = None,
    title: str | None = None,
) -> None:
    """Describe a collection: what the spans of its searches carry. A later call replaces an earlier one.

    Args:
        collection: the collection's name.
        index_version: ``sightline.index.version``.
        embedding: name of the embedding that the vectors come from, ``sightline.embedding.name``.
        embedding_version: its version (fit), ``sightline.embedding.version``.
        content: property that holds a document's text; the usual names (text, content, ...) are tried otherwise.
        title: property that holds its title.
    """
    versions = {
        semconv.INDEX_VERSION: index_version,
        semconv.EMBEDDING_NAME: embedding,
        semconv.EMBEDDING_VERSION: embedding_version,
    }
    notes = CollectionNotes({key: value for key, value in versions.items() if value}, content, title)
    with settings.lock:
        settings.collections = {**settings.collections, collection[:1].upper() + collection[1:]: notes}


class WeaviateInstrumentor:
    """Turns tracing of the client on and off. One a process, with the interface of OpenTelemetry's instrumentors."""

    _instance: ClassVar["WeaviateInstrumentor | None"] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __new__(cls) -> "WeaviateInstrumentor":
        """Return the only instance."""
        with cls._lock:
            if cls._instance is None:
                cls._instance = super().__new__(cls)
                cls._instance._patches = []
                cls._instance._on = False
        return cls._instance

    _patches: list[tuple[type, str, Any, Any]]
    """Class, attribute, the class's own attribute before (``_INHERITED``: none), the patch."""
    _on: bool

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether the client is traced now."""
        return self._on

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what it instruments, as a requirement."""
        return ("weaviate-client >= 4.19, < 5",)

    def instrument(
        self, *, propagate: bool = True, ask_for_scores: bool = True, sketch_queries: bool = True, **options: object
    ) -> bool:
        """Trace the client from now on, clients that are already connected too.

        Args:
            propagate: send ``traceparent`` to Weaviate, so that its own spans join the trace.
            ask_for_scores: request score or distance for tracing although the caller did not.
            sketch_queries: write a sketch of the query's vector (``sightline.sketch``), for drift.
            options: accepted for OpenTelemetry's interface; the exporter is that of ``sightline.configure()``.

        Returns:
            False when no ``weaviate-client`` of version 4 is installed, which is logged.
        """
        with self._lock:
            settings.options = Options(propagate, ask_for_scores, sketch_queries)
            unknown = sorted(options.keys() - _KNOWN_OPTIONS)
            if unknown:
                _logger.warning("sightline: WeaviateInstrumentor has no option %s; ignored", ", ".join(unknown))
            if self._on:
                return True
            try:
                version = importlib.metadata.version("weaviate-client")
            except importlib.metadata.PackageNotFoundError:
                _logger.info("sightline: weaviate-client is not installed; nothing to trace there")
                return False
            if not version.startswith("4."):
                _logger.warning("sightline: weaviate-client %s is not of version 4: its calls are not traced", version)
                return False
            self._on = True
            try:
                self._patch_all()
            except Exception as fault:
                faults.report("instrument Weaviate", fault)
                self._restore()
            return self._on

    def uninstrument(self, **options: object) -> None:
        """Put the client's own methods back.

        Args:
            options: accepted for OpenTelemetry's interface.
        """
        del options
        with self._lock:
            self._restore()

    def _restore(self) -> None:
        self._on = False
        while self._patches:
            owner, name, own_attribute, wrapper = self._patches.pop()
            if vars(owner).get(name) is not wrapper:
                continue  # the patch was wrapped by other code; it passes calls through while instrumentation is off
            if own_attribute is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, own_attribute)

    def _patch_all(self) -> None:
        missing = []
        for module, name, methods in _operations():
            for suffix, runner in (("", run), ("Async", run_async)):
                owner = _class_of(module, f"{name}{suffix}")
                for method, operation in methods:
                    if owner is None or not self._patch_method(owner, method, operation, runner):
                        missing.append(f"{name}{suffix}.{method}")
        for name, runner in (("WeaviateClient", run), ("WeaviateAsyncClient", run_async)):
            client = _class_of("weaviate.client", name)
            if client is not None:
                self._patch_method(client, "graphql_raw_query", Operation("graphql_raw_query", over_http=True), runner)
        missing += [place for place, patched in self._patch_below() if not patched]
        if missing:
            _logger.info("sightline: this weaviate-client has no %s; the rest is traced", ", ".join(missing))

    def _patch_method(self, owner: type, name: str, operation: Operation, runner: Callable[..., Any]) -> bool:
        original = getattr(owner, name, None)
        if not callable(original):
            return False
        try:
            parameter_names = tuple(inspect.signature(original).parameters)[1:]
        except (TypeError, ValueError):
            parameter_names = ()
        named_operation = Operation(
            operation.name,
            parameter_names,
            operation.score_kind,
            operation.is_query,
            operation.over_http,
            operation.batch_argument,
            operation.has_collection_argument,
        )

        def traced(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
            if ACTIVE.get() is not None:
                return original(instance, *args, **kwargs)
            return runner(named_operation, original, instance, args, kwargs)

        return self._patch(owner, name, traced)

    def _patch_below(self) -> list[tuple[str, bool]]:
        """Patch the private methods of ``HOOKS``; each of them is optional."""
        results = []
        for module, owners, name, wrapper in HOOKS:
            classes = [
                owner for owner in (_class_of(module, owner) for owner in owners.split("|")) if owner is not None
            ]
            patched = [self._patch(owner, name, wrapper) for owner in classes]
            results.append((f"{owners}.{name}", any(patched)))
        return results

    def _patch(self, owner: type, name: str, wrapper: _Wrapper) -> bool:
        original = getattr(owner, name, None)
        if not callable(original):
            return False
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def patched(instance: Any, *args: Any, **kwargs: Any) -> Any:
                if not self._on:
                    return await original(instance, *args, **kwargs)
                return await wrapper(original, instance, args, kwargs)

        else:

            @functools.wraps(original)
            def patched(instance: Any, *args: Any, **kwargs: Any) -> Any:
                if not self._on:
                    return original(instance, *args, **kwargs)
                return wrapper(original, instance, args, kwargs)

        self._patches.append((owner, name, vars(owner).get(name, _INHERITED), patched))
        setattr(owner, name, patched)
        return True


_INHERITED: Final = object()
_KNOWN_OPTIONS: Final = {"skip_dep_check", "raise_exception_on_conflict"}  # given by opentelemetry-instrument


def _class_of(module: str, name: str) -> type | None:
    try:
        value = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return value if isinstance(value, type) else None
