"""Where other people's instrumentations fall short in silence, and what is done about it.

Each was seen with the real packages (the table in the distribution's README says which versions):

* Some exchange a name in a module (``flask.Flask``, ``confluent_kafka.Producer``): whoever imported it before is not
  traced and is not told. ``Watch`` finds such modules.
* Some do not put back all that they have patched: ``Watch.put_back`` does.
* Some make spans that nobody wants, with no option against it: one for each streamed chunk (Starlette), two for one
  published message (pika). ``CORRECTIONS`` keep them from it.
* Some write content whatever they are told (Chroma, Milvus, Pinecone: found documents, filters, vectors). Unless the
  capture setting allows content, ``CORRECTIONS`` leave ids, scores and counts.

All of it works on private names, so each step is left out where a name is not there.
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

_TRACED_APART: Final = {each.name.replace("-", "_") for each in LIBRARIES} | {"opentelemetry", "sightline"}
"""Packages that may hold what is exchanged: FastAPI, say, which is built on Starlette and has a row of its own."""


def traces_itself(library: Library, version: str) -> str:
    """Return who makes a library's spans when it does so itself: its name and version; '' when it does not."""
    file, variable = library.own_spans
    if file and os.environ.get(variable, "").lower() != "false":
        for name in library.distributions:
            try:
                found = metadata.distribution(name).locate_file(file)
            except metadata.PackageNotFoundError:
                continue
            # Not imported to find out: that takes most clients longer than all the rest here.
            if getattr(found, "exists", lambda: False)():
                return f"{name} {version}"
    return ""


class Watch:
    """What one library's instrumentation exchanges and patches: look before it starts, ask when it has."""

    def __init__(self, library: Library) -> None:
        """Note the names that are imported now. Loads nothing."""
        self._before = dict(_found(library.exchanged))
        self._sticky = library.not_put_back
        self._patched: dict[str, object] = {}

    def started(self) -> None:
        """Note what stands in the places that the instrumentation does not put back."""
        self._patched = dict(_found(self._sticky))

    def imported_before(self) -> str:
        """Return who holds what was exchanged since, for people: ``Flask in app.main``; '' when nobody does."""
        now = dict(_found(tuple(self._before)))
        told = []
        for place, original in self._before.items():
            if now.get(place, original) is original:
                continue
            module, _, name = place.partition(":")
            family = module.partition(".")[0]
            holders = sorted(
                other
                for other, loaded in list(sys.modules.items())
                if other.partition(".")[0] not in (family, *_TRACED_APART)
                and any(value is original for value in list(getattr(loaded, "__dict__", {}).values()))
            )
            if holders:
                told.append(f"{name} in {', '.join(holders[:3])}{', ...' if len(holders) > 3 else ''}")
        return "; ".join(told)

    def put_back(self) -> None:
        """Put back what still stands where the instrumentation had put it."""
        for place, patched in self._patched.items():
            owner, name = _owner(place)
            original = getattr(patched, "__wrapped__", None)
            if owner is not None and original is not None and vars(owner).get(name) is patched:
                setattr(owner, name, original)


def _owner(place: str) -> tuple[Any, str]:
    """Return the module or class that holds a place (``module:Class.method``), None where there is none, and a name."""
    module, _, path = place.partition(":")
    owner: Any = sys.modules.get(module)
    *classes, name = path.split(".")
    for each in classes:
        owner = getattr(owner, each, None)
    return owner, name


def _found(places: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for place in places:
        owner, name = _owner(place)
        if owner is not None and name in vars(owner):
            yield place, vars(owner)[name]


def _starlette_without_chunks() -> Callable[[], None]:
    """Let Starlette's instrumentation make one span for a request, none for each streamed chunk."""
    holder: Any = importlib.import_module("opentelemetry.instrumentation.starlette")
    original = holder.OpenTelemetryMiddleware
    holder.OpenTelemetryMiddleware = functools.partial(original, exclude_spans=["send", "receive"])

    def undo() -> None:
        holder.OpenTelemetryMiddleware = original

    return undo


def _pika_once() -> Callable[[], None]:
    """Let pika's instrumentation see a blocking channel's messages once, not on the channel inside it as well."""
    owner: Any = importlib.import_module("opentelemetry.instrumentation.pika").PikaInstrumentor
    name = "_instrument_basic_publish"
    before = vars(owner)[name]
    original = getattr(owner, name)

    def once(channel: Any, *args: Any, **kwargs: Any) -> None:
        inner = getattr(channel, "_impl", None)
        publish = getattr(getattr(inner, "basic_publish", None), "_original_function", None)
        if inner is not None and publish is not None:
            inner.basic_publish = publish
        original(channel, *args, **kwargs)

    setattr(owner, name, staticmethod(once))

    def undo() -> None:
        setattr(owner, name, before)

    return undo


class _Reticent:
    """A span that takes no content while the capture setting allows none."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def set_attribute(self, key: str, value: Any) -> None:
        if not runtime.capture.content and _ASKED.search(key):
            value = "?"
        self._span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        if not runtime.capture.content:
            attributes = {
                key: value for key, value in (attributes or {}).items() if key.rpartition(".")[2] in _NO_CONTENT
            }
            if not attributes:
                return
        self._span.add_event(name, attributes, *args, **kwargs)


_ASKED: Final = re.compile("filter|where|expr")
"""Attributes that hold literals of filters."""
_NO_CONTENT: Final = frozenset({"id", "distance", "score"})
"""What an event about a found document may say: last parts of its attributes' names."""


def _reticent(module: str, *names: str) -> Callable[[], Callable[[], None]]:
    """Let functions of an instrumentation, whose first argument is a span, write no content unless it is allowed."""

    def correct() -> Callable[[], None]:
        holder: Any = importlib.import_module(module)
        originals = {name: getattr(holder, name) for name in names if hasattr(holder, name)}
        for name, original in originals.items():
            setattr(holder, name, lambda span, *args, _do=original, **kwargs: _do(_Reticent(span), *args, **kwargs))

        def undo() -> None:
            for name, original in originals.items():
                setattr(holder, name, original)

        return undo

    return correct


CORRECTIONS: Final[dict[str, Callable[[], Callable[[], None]]]] = {
    "opentelemetry-instrumentation-starlette": _starlette_without_chunks,
    "opentelemetry-instrumentation-pika": _pika_once,
    "opentelemetry-instrumentation-chromadb": _reticent(
        "opentelemetry.instrumentation.chromadb.wrapper",
        "_add_query_result_events",
        "_add_segment_query_embeddings_events",
        "_set_delete_attributes",
        "_set_get_attributes",
        "_set_query_attributes",
    ),
    "opentelemetry-instrumentation-milvus": _reticent(
        "opentelemetry.instrumentation.milvus.wrapper",
        "_add_query_result_events",
        "_add_search_result_events",
        "_set_delete_attributes",
        "_set_get_attributes",
        "_set_hybrid_search_attributes",
        "_set_query_attributes",
        "_set_search_attributes",
    ),
    "opentelemetry-instrumentation-pinecone": _reticent(
        "opentelemetry.instrumentation.pinecone", "set_query_input_attributes", "set_query_response"
    ),
}
"""Package of an instrumentation -> what is done before it starts; returns what undoes it after it has stopped."""
