"""``instrument()``: turns on the OpenTelemetry instrumentations that are installed, and says what it did.

Two failures of theirs are silent: a library newer than an instrumentation knows is simply not traced, and one that
nobody instruments is not mentioned. Here both are warnings, with the package to install or to pin.

Source: https://opentelemetry-python-contrib.readthedocs.io/en/latest/instrumentation/base/instrumentor.html
"""

import enum
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from sightline.errors import SettingsError
from sightline.libraries import LIBRARIES, OWN, OWN_INSTRUMENTORS, QUIET, Library
from sightline.runtime import VERSION, runtime

_logger = logging.getLogger("sightline")
_lock = threading.RLock()
_GROUP: Final = "opentelemetry_instrumentor"
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # Without it FastAPI's and Starlette's make one span for each streamed chunk.
    "fastapi": {"exclude_spans": ["send", "receive"]},
    "starlette": {"exclude_spans": ["send", "receive"]},
}


class Outcome(enum.StrEnum):
    """What became of one library."""

    ON = "on"
    """Traced, by this call or an earlier one."""
    ALREADY = "already on"
    """Traced by somebody else before; left as it is."""
    EXCLUDED = "excluded"
    """Left out by ``only=`` or ``exclude=``."""
    MISSING = "not instrumented"
    """Installed, but nothing that instruments it is: a warning."""
    FAILED = "failed"
    """Installed, but its instrumentation refuses or fails: a warning."""


@dataclass(frozen=True, slots=True)
class Instrumented:
    """One installed library and what became of it."""

    library: str
    """Name for ``only=`` and ``exclude=``."""
    version: str
    """Installed version of the library."""
    outcome: Outcome
    """What became of it."""
    by: str = ""
    """Package and version of the instrumentation."""
    reason: str = ""
    """Why not, and the way out; or what to know."""


@dataclass(frozen=True, slots=True)
class InstrumentationReport:
    """What ``instrument()`` found; ``str()`` is a table for people."""

    entries: tuple[Instrumented, ...]
    """One for each installed library that is known here."""

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the libraries that are traced."""
        return tuple(each.library for each in self.entries if each.outcome in (Outcome.ON, Outcome.ALREADY))

    @property
    def problems(self) -> tuple[Instrumented, ...]:
        """Libraries that are installed and not traced, without anybody having wanted that."""
        return tuple(each for each in self.entries if each.outcome in (Outcome.MISSING, Outcome.FAILED))

    def __iter__(self) -> Iterator[Instrumented]:
        return iter(self.entries)

    def __getitem__(self, library: str) -> Instrumented:
        """Return what became of one library; KeyError when it is not installed."""
        for each in self.entries:
            if each.library == library:
                return each
        raise KeyError(library)

    def __str__(self) -> str:
        rows = [(each.library, each.version, each.outcome.value, each.by, each.reason) for each in self.entries]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        return "\n".join(
            "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]).rstrip()
            for row in rows
        )


@dataclass(frozen=True, slots=True)
class _Candidate:
    package: str
    name: str
    module: str
    load: Callable[[], Any]
    version: str


_on: dict[str, tuple[list[Any], Instrumented]] = {}
"""Library -> instrumentors that this module turned on, and what was said about it."""
_quieted: list[str] = []


def instrument(
    *, only: Collection[str] | None = None, exclude: Collection[str] = (), app: object = None
) -> InstrumentationReport:
    """Turn on the installed OpenTelemetry instrumentations, each library once, and report.

    Call it once, after ``configure()`` and before clients, engines and apps are made. Another call turns on what has
    been left out before and changes nothing else. Content: unless the capture setting allows it, other people's
    instrumentations are told to record none (environment variables that you have set yourself win).

    Args:
        only: names of the libraries to trace (``fastapi``, ``redis``, ...; see ``sightline.libraries``); default all.
        exclude: names of libraries to leave alone.
        app: a FastAPI application that was made before this call.

    Raises:
        SettingsError: a name in ``only`` or ``exclude`` is not known here.
    """
    wanted, unwanted = _names("only", only), _names("exclude", exclude)
    with _lock:
        _quiet()
        candidates = _candidates()
        entries = []
        for library in LIBRARIES:
            version = _installed(library.distributions)
            if version is None:
                continue
            if library.name in (unwanted or ()) or (wanted is not None and library.name not in wanted):
                entries.append(Instrumented(library.name, version, Outcome.EXCLUDED))
            else:
                entries.append(_turn_on(library, version, candidates))
        report = InstrumentationReport(tuple(entries))
        if app is not None:
            _instrument_app(app)
    _tell(report)
    return report


def uninstrument() -> None:
    """Turn off what ``instrument()`` has turned on; what others turned on stays."""
    with _lock:
        for library, (instrumentors, _) in list(_on.items()):
            for instrumentor in instrumentors:
                try:
                    if instrumentor.is_instrumented_by_opentelemetry:
                        instrumentor.uninstrument()
                except Exception as error:
                    _logger.warning("sightline: %s could not be turned off (%s)", library, _said(error))
            del _on[library]
        for name in _quieted:
            os.environ.pop(name, None)
        _quieted.clear()


def _names(argument: str, names: Collection[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    told = frozenset([names] if isinstance(names, str) else names)
    known = {library.name for library in LIBRARIES}
    for name in sorted(told - known):
        raise SettingsError(argument, name, f"needs names of: {', '.join(sorted(known))}")
    return told


def _quiet() -> None:
    """Tell other people's instrumentations what our capture setting says about content."""
    if runtime.capture.content:
        return
    for name, value in QUIET.items():
        if name not in os.environ:
            os.environ[name] = value
            _quieted.append(name)


def _installed(distributions: Iterable[str]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _candidates() -> dict[str, list[_Candidate]]:
    """Return the installed instrumentations by package."""
    found: dict[str, list[_Candidate]] = {}
    for point in metadata.entry_points(group=_GROUP):
        if point.dist is not None:
            package = point.dist.name.lower().replace("_", "-")
            found.setdefault(package, []).append(
                _Candidate(package, point.name, point.module, point.load, point.dist.version)
            )
    return found


def _of(library: Library, package: str, candidates: dict[str, list[_Candidate]]) -> list[_Candidate]:
    if package == OWN:
        module, name = OWN_INSTRUMENTORS[library.name]
        return [_Candidate(OWN, library.name, module, lambda: getattr(importlib.import_module(module), name), VERSION)]
    return [
        each for each in candidates.get(package, ()) if not library.entry_points or each.name in library.entry_points
    ]


def _turn_on(library: Library, version: str, candidates: dict[str, list[_Candidate]]) -> Instrumented:
    if library.name in _on:
        return _on[library.name][1]
    choices = [(package, found) for package in library.instrumentations if (found := _of(library, package, candidates))]
    for package, found in choices:
        # Only a module that is loaded can have been turned on by somebody: the others are not imported to ask.
        for each in found:
            if each.module in sys.modules and _is_on(each):
                by = f"{package} {each.version}"
                return Instrumented(library.name, version, Outcome.ALREADY, by, "left as it was")
    if not choices:
        if library.covered_by in _on:
            return Instrumented(library.name, version, Outcome.ALREADY, _on[library.covered_by][1].by)
        known = library.instrumentations
        advised = next((each for each in known if "openinference" in each), known[0])
        return Instrumented(library.name, version, Outcome.MISSING, reason=f"pip install {advised}")
    reasons: list[str] = []
    for package, found in choices:
        by = f"{package} {found[0].version}"
        started, reason = _start(library, found)
        if started:
            rest = [other for other, _ in choices if other != package]
            note = [library.note] if library.note else []
            if rest:
                note.append(f"{', '.join(rest)} left off: one instrumentation a library")
            entry = Instrumented(library.name, version, Outcome.ON, by, "; ".join([*reasons, *note]))
            _on[library.name] = (started, entry)
            return entry
        reasons.append(f"{by}: {reason}")
    return Instrumented(library.name, version, Outcome.FAILED, choices[0][0], "; ".join(reasons))


def _is_on(candidate: _Candidate) -> bool:
    try:
        return bool(candidate.load()().is_instrumented_by_opentelemetry)
    except Exception:
        return False


def _start(library: Library, found: list[_Candidate]) -> tuple[list[Any], str]:
    """Turn on all entry points of one instrumentation; what was started, and why nothing was."""
    started: list[Any] = []
    reasons = []
    for each in found:
        try:
            instrumentor = each.load()()
            if each.package == OWN:
                instrumentor.instrument()
            else:
                instrumentor.instrument(raise_exception_on_conflict=True, **_OPTIONS.get(library.name, {}))
            if instrumentor.is_instrumented_by_opentelemetry:
                started.append(instrumentor)
            else:
                reasons.append("it does not take this version")
        except Exception as error:
            reasons.append(_said(error))
    return started, "; ".join(reasons)


def _said(error: BaseException) -> str:
    if type(error).__name__ == "DependencyConflictError":
        conflict = getattr(error, "conflict", None)
        needs = getattr(conflict, "required", None) or ", ".join(getattr(conflict, "required_any", None) or ())
        return f'it takes {needs} only: pip install "{needs}", or a newer instrumentation when there is one'
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _instrument_app(app: Any) -> None:
    """Trace one FastAPI application that was made before."""
    try:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

        FastAPIInstrumentor.instrument_app(app, **_OPTIONS["fastapi"])
    except Exception as error:
        _logger.warning("sightline: the application could not be instrumented (%s)", _said(error))


def _tell(report: InstrumentationReport) -> None:
    if report.on:
        _logger.info("sightline: tracing %s", ", ".join(report.on))
    for each in report.problems:
        if each.outcome is Outcome.FAILED:
            _logger.warning("sightline: %s %s is installed but NOT TRACED: %s", each.library, each.version, each.reason)
    missing = [each for each in report.problems if each.outcome is Outcome.MISSING]
    if missing:
        _logger.warning(
            "sightline: installed but NOT TRACED, nothing instruments them: %s. To trace them: pip install %s",
            ", ".join(each.library for each in missing),
            " ".join(each.reason.removeprefix("pip install ") for each in missing),
        )
    if _quieted:
        _logger.info(
            "sightline: capture is %s, so other instrumentations were told to record no content (%s)",
            runtime.capture.mode.value,
            ", ".join(_quieted),
        )
