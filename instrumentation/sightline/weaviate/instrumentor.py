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
from sightline.weaviate.call import ACTIVE, Options, run, run_async, settings
from sightline.weaviate.documents import BM25, FUSION, ONE_MINUS_DISTANCE, CollectionNotes
from sightline.weaviate.hooks import HOOKS
from sightline.weaviate.operation import Operation

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
    searches = [(name, Operation(name, score=score, reads=True)) for name, score in _SEARCHES.items()]
    fetches = [(name, Operation(name, reads=True)) for name in _FETCHES]
    writes = [(name, Operation(name, http=True)) for name in _WRITES]
    writes += [("insert_many", Operation("insert_many", many="objects"))]
    writes += [("ingest", Operation("ingest", many="objs")), ("delete_many", Operation("delete_many"))]
    writes += [("reference_add_many", Operation("reference_add_many", http=True, many="refs"))]
    return [
        ("weaviate.collections.query", "_QueryCollection", searches + fetches),
        (
            "weaviate.collections.generate",
            "_GenerateCollection",
            [*searches, *(each for each in fetches if each[0] != "fetch_object_by_id")],
        ),
        (
            "weaviate.collections.aggregate",
            "_AggregateCollection",
            [(name, Operation(f"aggregate.{name}", reads=True)) for name in _AGGREGATES],
        ),
        ("weaviate.collections.data", "_DataCollection", writes),
        (
            "weaviate.collections.tenants",
            "_Tenants",
            [
                (name, Operation(f"tenants.{name}", http=not name.startswith("get"), many=many))
                for name, many in _TENANTS.items()
            ],
        ),
        (
            "weaviate.collections.config",
            "_ConfigCollection",
            [(name, Operation(f"config.{name}", http=True)) for name in _CONFIG],
        ),
        (
            "weaviate.collections.collections",
            "_Collections",
            [
                (name, Operation(f"collections.{name}", http=True, names_collection=name not in _WITHOUT_NAME))
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
    """Tell what the spans of a collection's searches should carry. May be called again: the last word holds.

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
    """Class, attribute, what the class itself had there (``_NOTHING``: inherited), what stands there now."""
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
            ask_for_scores: let searches return the score or distance to tracing although the caller did not ask.
            sketch_queries: write a sketch of the query's vector (``sightline.sketch``), for drift.
            options: accepted for the sake of OpenTelemetry's interface; spans go where ``sightline.configure()`` says.

        Returns:
            False when there is nothing to trace: no ``weaviate-client`` of version 4 is installed. The log says so.
        """
        with self._lock:
            settings.options = Options(propagate, ask_for_scores, sketch_queries)
            unknown = sorted(options.keys() - _HARMLESS)
            if unknown:
                _logger.warning("sightline: WeaviateInstrumentor knows no %s; ignored", ", ".join(unknown))
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
            options: accepted for the sake of OpenTelemetry's interface.
        """
        del options
        with self._lock:
            self._restore()

    def _restore(self) -> None:
        self._on = False
        while self._patches:
            owner, name, before, ours = self._patches.pop()
            if vars(owner).get(name) is not ours:
                continue  # somebody has wrapped ours; it lets calls through while instrumentation is off
            if before is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def _patch_all(self) -> None:
        missing = []
        for module, name, methods in _operations():
            for suffix, runner in (("", run), ("Async", run_async)):
                owner = _find(module, f"{name}{suffix}")
                for method, operation in methods:
                    if owner is None or not self._patch_method(owner, method, operation, runner):
                        missing.append(f"{name}{suffix}.{method}")
        for name, runner in (("WeaviateClient", run), ("WeaviateAsyncClient", run_async)):
            client = _find("weaviate.client", name)
            if client is not None:
                self._patch_method(client, "graphql_raw_query", Operation("graphql_raw_query", http=True), runner)
        missing += [place for place, patched in self._patch_below() if not patched]
        if missing:
            _logger.info("sightline: this weaviate-client has no %s; the rest is traced", ", ".join(missing))

    def _patch_method(self, owner: type, name: str, operation: Operation, runner: Callable[..., Any]) -> bool:
        original = getattr(owner, name, None)
        if not callable(original):
            return False
        try:
            names = tuple(inspect.signature(original).parameters)[1:]
        except (TypeError, ValueError):
            names = ()
        known = Operation(
            operation.name,
            names,
            operation.score,
            operation.reads,
            operation.http,
            operation.many,
            operation.names_collection,
        )

        def traced(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
            if ACTIVE.get() is not None:
                return original(instance, *args, **kwargs)
            return runner(known, original, instance, args, kwargs)

        return self._patch(owner, name, traced)

    def _patch_below(self) -> list[tuple[str, bool]]:
        """Patch what the client does below its public methods; each of these is optional."""
        done = []
        for module, owners, name, wrapper in HOOKS:
            found = [owner for owner in (_find(module, each) for each in owners.split("|")) if owner is not None]
            patched = [self._patch(owner, name, wrapper) for owner in found]
            done.append((f"{owners}.{name}", any(patched)))
        return done

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

        self._patches.append((owner, name, vars(owner).get(name, _NOTHING), patched))
        setattr(owner, name, patched)
        return True


_NOTHING: Final = object()
_HARMLESS: Final = {"skip_dep_check", "raise_exception_on_conflict"}  # given by opentelemetry-instrument


def _find(module: str, name: str) -> type | None:
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None
