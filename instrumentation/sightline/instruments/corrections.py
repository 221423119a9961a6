"""Corrections of third-party instrumentations that fail silently.

Each was reproduced with the real packages (the table in the distribution's README names the versions):

* Some replace a name in a module (``flask.Flask``, ``confluent_kafka.Producer``): a module that imported the name
  earlier is not traced, without a warning. ``PatchRecord`` finds such modules.
* Some leave patches in place when they are turned off: ``PatchRecord.put_back`` restores the originals.
* Some make useless spans, with no option against them: one for each streamed chunk (Starlette), two for one
  published message (pika). ``CORRECTIONS`` prevent them.
* Some write content whatever the settings are (Chroma, Milvus, Pinecone: documents, filters, vectors). Unless the
  capture setting allows content, ``CORRECTIONS`` leave ids, scores and counts.

All of it uses private names, so each step is skipped where a name does not exist.
"""

import functools
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any, Final

from sightline.instruments.libraries import LIBRARIES, Library
from sightline.runtime import runtime

_PACKAGES_WITH_OWN_ROW: Final = {each.name.replace("-", "_") for each in LIBRARIES} | {"opentelemetry", "sightline"}
"""Packages whose imports of a replaced name do not count: FastAPI imports Starlette's names and has its own row."""


def built_in_tracing(library: Library, version: str) -> str:
    """Return name and version of a library that makes spans itself; '' when it does not."""
    file, variable = library.built_in_spans
    if file and os.environ.get(variable, "").lower() != "false":
        for name in library.distributions:
            try:
                marker_file = metadata.distribution(name).locate_file(file)
            except metadata.PackageNotFoundError:
                continue
            # The library is not imported to find out: most clients take long to import.
            if getattr(marker_file, "exists", lambda: False)():
                return f"{name} {version}"
    return ""


class PatchRecord:
    """The names that one library's instrumentation replaces and patches: made before it starts, read afterwards."""

    def __init__(self, library: Library) -> None:
        """Note the originals of the names that are imported now. Imports nothing."""
        self._originals = dict(_present_places(library.replaced_names))
        self._unrestored_patches = library.unrestored_patches
        self._patches: dict[str, object] = {}

    def note_patches(self) -> None:
        """Note the patches that the instrumentation does not restore when it is turned off."""
        self._patches = dict(_present_places(self._unrestored_patches))

    def imported_before(self) -> str:
        """Return the modules that hold an original that was replaced: ``Flask in app.main``; '' when there are none."""
        now = dict(_present_places(tuple(self._originals)))
        holders_by_name = []
        for place, original in self._originals.items():
            if now.get(place, original) is original:
                continue
            module, _, name = place.partition(":")
            family = module.partition(".")[0]
            holders = sorted(
                other
                for other, loaded in list(sys.modules.items())
                if other.partition(".")[0] not in (family, *_PACKAGES_WITH_OWN_ROW)
                and any(value is original for value in list(getattr(loaded, "__dict__", {}).values()))
            )
            if holders:
                holders_by_name.append(f"{name} in {', '.join(holders[:3])}{', ...' if len(holders) > 3 else ''}")
        return "; ".join(holders_by_name)

    def put_back(self) -> None:
        """Restore the originals of the noted patches that are still in place."""
        for place, patched in self._patches.items():
            owner, name = _owner(place)
            original = getattr(patched, "__wrapped__", None)
            if owner is not None and original is not None and vars(owner).get(name) is patched:
                setattr(owner, name, original)


def _owner(place: str) -> tuple[Any, str]:
    """Return the module or class that holds a place (``module:Class.method``), None where there is none, and a name."""
    module, _, path = place.partition(":")
    owner: Any = sys.modules.get(module)
    *classes, name = path.split(".")
    for class_name in classes:
        owner = getattr(owner, class_name, None)
    return owner, name


def _present_places(places: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for place in places:
        owner, name = _owner(place)
        if owner is not None and name in vars(owner):
            yield place, vars(owner)[name]


def _starlette_without_chunks() -> Callable[[], None]:
    """Make Starlette's instrumentation trace a request with one span, without one for each streamed chunk."""
    holder: Any = importlib.import_module("opentelemetry.instrumentation.starlette")
    original = holder.OpenTelemetryMiddleware
    holder.OpenTelemetryMiddleware = functools.partial(original, exclude_spans=["send", "receive"])

    def undo() -> None:
        holder.OpenTelemetryMiddleware = original

    return undo


def _pika_without_duplicates() -> Callable[[], None]:
    """Make pika's instrumentation trace a blocking channel's messages once, not on its inner channel as well."""
    owner: Any = importlib.import_module("opentelemetry.instrumentation.pika").PikaInstrumentor
    name = "_instrument_basic_publish"
    own_attribute = vars(owner)[name]
    original = getattr(owner, name)

    def instrument_basic_publish(channel: Any, *args: Any, **kwargs: Any) -> None:
        inner_channel = getattr(channel, "_impl", None)
        publish = getattr(getattr(inner_channel, "basic_publish", None), "_original_function", None)
        if inner_channel is not None and publish is not None:
            inner_channel.basic_publish = publish
        original(channel, *args, **kwargs)

    setattr(owner, name, staticmethod(instrument_basic_publish))

    def undo() -> None:
        setattr(owner, name, own_attribute)

    return undo


class _SpanWithoutContent:
    """A span that takes no content while the capture setting allows none."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def set_attribute(self, key: str, value: Any) -> None:
        if not runtime.capture.content and _FILTER_KEYS.search(key):
            value = "?"
        self._span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        if not runtime.capture.content:
            attributes = {
                key: value for key, value in (attributes or {}).items() if key.rpartition(".")[2] in _IDS_AND_SCORES
            }
            if not attributes:
                return
        self._span.add_event(name, attributes, *args, **kwargs)


_FILTER_KEYS: Final = re.compile("filter|where|expr")
"""Attributes that hold literals of filters."""
_IDS_AND_SCORES: Final = frozenset({"id", "distance", "score"})
"""Last parts of the attribute names that an event about a retrieved document may keep."""


def _without_content(module: str, *names: str) -> Callable[[], Callable[[], None]]:
    """Make functions of an instrumentation, whose first argument is a span, write content only where it is allowed."""

    def correct() -> Callable[[], None]:
        holder: Any = importlib.import_module(module)
        originals = {name: getattr(holder, name) for name in names if hasattr(holder, name)}
        for name, original in originals.items():
            setattr(
                holder,
                name,
                lambda span, *args, _do=original, **kwargs: _do(_SpanWithoutContent(span), *args, **kwargs),
            )

        def undo() -> None:
            for name, original in originals.items():
                setattr(holder, name, original)

        return undo

    return correct


CORRECTIONS: Final[dict[str, Callable[[], Callable[[], None]]]] = {
    "opentelemetry-instrumentation-starlette": _starlette_without_chunks,
    "opentelemetry-instrumentation-pika": _pika_without_duplicates,
    "opentelemetry-instrumentation-chromadb": _without_content(
        "opentelemetry.instrumentation.chromadb.wrapper",
        "_add_query_result_events",
        "_add_segment_query_embeddings_events",
        "_set_delete_attributes",
        "_set_get_attributes",
        "_set_query_attributes",
    ),
    "opentelemetry-instrumentation-milvus": _without_content(
        "opentelemetry.instrumentation.milvus.wrapper",
        "_add_query_result_events",
        "_add_search_result_events",
        "_set_delete_attributes",
        "_set_get_attributes",
        "_set_hybrid_search_attributes",
        "_set_query_attributes",
        "_set_search_attributes",
    ),
    "opentelemetry-instrumentation-pinecone": _without_content(
        "opentelemetry.instrumentation.pinecone", "set_query_input_attributes", "set_query_response"
    ),
}
"""Package of an instrumentation -> the correction to apply before it starts; it returns its own undo."""
