"""One library on trial: ``instrument()`` on, the library used, off, used again; in a process of its own.

Instrumentations patch whole libraries, so a test names a function of its module (the act) and ``trial`` runs it in a
child: once inside of a traced request with a session, user and tenant, once more after ``uninstrument()``, and a third
time after ``instrument()`` again. What a good instrumentation does is checked here for all; what its spans look like
is for the test.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

IDENTITY = {"session.id": "s-1", "user.id": "u-1", "tenant.id": "acme"}
CALLER = "caller"
SECRET = "secret-42"
"""What acts send as content: no span may hold it while ``capture`` does not allow content."""


@dataclass(frozen=True)
class Seen:
    """One ended span of the child."""

    name: str
    kind: str
    scope: str
    parent: str
    """Name of its parent, '' for a root."""
    same_trace: bool
    """Whether it is in the trace of the caller."""
    linked: bool
    """Whether it links to a span of the caller's trace."""
    status: str
    attributes: dict[str, Any]
    events: list[str]


@dataclass(frozen=True)
class Trial:
    """What a child did."""

    entries: dict[str, dict[str, str]]
    """What ``instrument()`` said of each library, by name."""
    spans: list[Seen]
    """What the act left behind, without the caller, in the order in which spans ended."""
    after: list[Seen]
    """The same after ``uninstrument()``."""
    again: list[Seen]
    """The same after ``instrument()`` once more."""
    log: str

    def named(self, name: str) -> Seen:
        """The only span of that name."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]


def needs(*distributions: str, below: Mapping[str, tuple[int, ...]] | None = None) -> pytest.MarkDecorator:
    """Skip, and say so, where a package is not installed or newer than its instrumentation takes.

    Args:
        distributions: packages that must be there.
        below: package -> first version that is not taken; that ``instrument()`` says so is tested beside it.
    """
    missing = []
    for name in distributions:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(f"{name} is not installed")
            continue
        limit = (below or {}).get(name)
        if limit is not None and tuple(map(int, version.split(".")[: len(limit)])) >= limit:
            missing.append(f"{name} {version} is one that its instrumentation does not take")
    return pytest.mark.skipif(bool(missing), reason=f"!!! SKIPPED: {', '.join(missing)}")


def trial(
    act: Callable[..., Any],
    *libraries: str,
    told: tuple[str, ...] = (),
    by_itself: bool = False,
    content: bool = False,
    apart: tuple[str, ...] = (),
    **env: str,
) -> Trial:
    """Run an act in a child and check what holds for every library.

    Args:
        act: a function of a test module, or a coroutine function; it gets `told`.
        libraries: what ``instrument(only=...)`` is told.
        told: arguments of the act.
        apart: names of spans that are known to be in a trace of their own.
        content: spans may hold what was said.
        by_itself: the library makes its spans itself: nothing is turned on, nor off.
        env: variables of the child.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    place = inspect.getfile(act)
    done = subprocess.run(
        [sys.executable, __file__, place, act.__name__, ",".join(libraries), *told],
        env=clean | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SIGHTLINE_EXIT_TIMEOUT_S": "0"} | env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    said = json.loads(done.stdout.splitlines()[-1])
    result = Trial(
        said["entries"],
        *([Seen(**span) for span in said[turn]] for turn in ("spans", "after", "again")),
        log=done.stderr,
    )
    for library in libraries:
        assert result.entries[library]["outcome"] == ("already on" if by_itself else "on"), result.entries[library]
    assert f"tracing {', '.join(libraries)}" in done.stderr
    assert "already instrumented" not in done.stderr
    assert said["faults"] == {}
    assert result.spans, "nothing was traced"
    for span in result.spans:
        assert span.same_trace or span.linked or span.name in apart, span
        assert content or SECRET not in json.dumps(vars(span)), f"content was recorded though nobody asked: {span}"
        if span.same_trace:
            assert {key: span.attributes.get(key) for key in IDENTITY} == IDENTITY, span
    assert by_itself or result.after == [], f"uninstrument() left something on: {result.after}"
    assert sorted(map(_shape, result.again)) == sorted(map(_shape, result.spans)), "it does not come on again as before"
    return result


def _shape(span: Seen) -> tuple[str, ...]:
    """What is the same in each turn; names may hold a queue's."""
    return (span.scope, span.kind, span.status, *sorted(span.attributes))


def elsewhere(do: Callable[[], Any]) -> Any:
    """Do something in a thread, which knows nothing of the caller: what comes there has travelled with the message."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(do()))
    thread.start()
    thread.join()
    return results[0]


def _child(place: str, name: str, libraries: list[str], told: list[str]) -> dict[str, Any]:
    """Use a library three times and tell what was traced."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    import sightline

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    tracing = sightline.configure(service_name="trial")
    report = sightline.instrument(only=libraries)
    spec = importlib.util.spec_from_file_location("act", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["act"] = module
    spec.loader.exec_module(module)
    act = getattr(module, name)

    def turn() -> list[dict[str, Any]]:
        exporter.clear()
        if inspect.iscoroutinefunction(act):

            async def inside() -> None:
                with sightline.request(CALLER):
                    sightline.identify(session="s-1", user="u-1", tenant="acme")
                    await act(*told)

            asyncio.run(inside())
        else:
            with sightline.request(CALLER):
                sightline.identify(session="s-1", user="u-1", tenant="acme")
                act(*told)
        return _told(exporter.get_finished_spans())

    spans = turn()
    sightline.uninstrument()
    after = turn()
    sightline.instrument(only=libraries)
    again = turn()
    entries = {
        each.library: {"outcome": each.outcome.value, "by": each.by, "reason": each.reason, "version": each.version}
        for each in report
    }
    return {"entries": entries, "spans": spans, "after": after, "again": again, "faults": tracing.faults()}


def _told(spans: Any) -> list[dict[str, Any]]:
    names = {span.context.span_id: span.name for span in spans}
    (caller,) = [span for span in spans if span.name == CALLER and span.attributes.get("sightline.stage") == "request"]
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "scope": span.instrumentation_scope.name,
            "parent": "" if span.parent is None else names.get(span.parent.span_id, "?"),
            "same_trace": span.context.trace_id == caller.context.trace_id,
            "linked": any(link.context.trace_id == caller.context.trace_id for link in span.links),
            "status": span.status.status_code.name,
            "attributes": dict(span.attributes),
            "events": [f"{event.name} {dict(event.attributes or {})}" for event in span.events],
        }
        for span in spans
        if span is not caller
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    told_of = _child(sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4:])
    sys.stdout.write(json.dumps(told_of, default=str) + "\n")
