"""``instrument()``: turns on the OpenTelemetry instrumentations that are installed, and says what it did.

Failures of theirs are silent: a library newer than an instrumentation knows is simply not traced, one that nobody
instruments is not mentioned, and where an application has imported a name too early nothing is seen of it. Here each is
a warning, with the package to install or to pin, or the module that came too early.

Source: https://opentelemetry-python-contrib.readthedocs.io/en/latest/instrumentation/base/instrumentor.html
"""

import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from sightline.errors import SettingsError
from sightline.instruments.corrections import CORRECTIONS, Watch, traces_itself
from sightline.instruments.fastapi_apps import leave_apps, tell_of_own_spans, trace_app
from sightline.instruments.libraries import LIBRARIES, OWN, OWN_INSTRUMENTORS, QUIET, Library
from sightline.instruments.report import InstrumentationReport, Instrumented, Outcome
from sightline.runtime import VERSION, runtime

_logger = logging.getLogger("sightline")
_lock = threading.RLock()
_GROUP: Final = "opentelemetry_instrumentor"
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # Without it there is one span for each streamed chunk. Starlette's takes no such option: see `corrections`.
    "fastapi": {"exclude_spans": ["send", "receive"]},
}


@dataclass(frozen=True, slots=True)
class _Candidate:
    package: str
    name: str
    module: str
    load: Callable[[], Any]
    version: str


_Choices = list[tuple[str, list[_Candidate]]]
"""Installed instrumentations of one library, best first: package and its entry points."""


@dataclass(frozen=True, slots=True)
class _Running:
    """What this module turned on for one library."""

    instrumentors: list[Any]
    watch: Watch
    undo: Callable[[], None] | None
    """Takes back a correction, once the instrumentation has stopped."""
    entry: Instrumented

    def stop(self) -> None:
        for instrumentor in self.instrumentors:
            try:
                if instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.uninstrument()
            except Exception as error:
                _logger.warning("sightline: %s could not be turned off (%s)", self.entry.library, _said(error))
        try:
            self.watch.put_back()
            if self.undo is not None:
                self.undo()
        except Exception as error:
            _logger.warning("sightline: %s could not be put back as it was (%s)", self.entry.library, _said(error))


_on: dict[str, _Running] = {}
"""What this module turned on, by library."""
_quieted: list[str] = []
_EARLY: Final = "imported too early to be traced:"


def instrument(
    *, only: Collection[str] | None = None, exclude: Collection[str] = (), app: object = None
) -> InstrumentationReport:
    """Turn on the installed OpenTelemetry instrumentations, each library once, and report.

    Call it once, after ``configure()`` and before clients, engines and apps are made. Another call turns on what has
    been left out before and changes nothing else. Content: unless the capture setting allows it, other people's
    instrumentations are told to record none (environment variables that you have set yourself win).

    Args:
        only: names of the libraries to trace (``fastapi``, ``redis``, ...; see ``libraries``); default all.
        exclude: names of libraries to leave alone.
        app: a FastAPI application that was made before this call, also one that serves already.

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
            try:
                trace_app(app, _OPTIONS["fastapi"])
            except Exception as error:
                _logger.warning("sightline: the application could not be instrumented (%s)", _said(error))
    _tell(report, wanted)
    return report


def uninstrument() -> None:
    """Turn off what ``instrument()`` has turned on, in applications that serve too; what others turned on stays."""
    with _lock:
        had_fastapi = "fastapi" in _on
        while _on:
            _on.popitem()[1].stop()
        leave_apps()
        if had_fastapi:
            tell_of_own_spans()
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
        return _on[library.name].entry
    choices = [(package, found) for package in library.instrumentations if (found := _of(library, package, candidates))]
    own = traces_itself(library, version)
    others = _turned_on_by_others(choices)
    if others or (own and not (choices and library.own_spans_give_way)):
        return _left_alone(library, version, own, others, choices)
    if choices:
        return _choose(library, version, choices)
    if library.covered_by in _on:
        return Instrumented(library.name, version, Outcome.ALREADY, _on[library.covered_by].entry.by)
    known = library.instrumentations
    advised = next((each for each in known if "openinference" in each), known[0])
    return Instrumented(library.name, version, Outcome.MISSING, reason=f"pip install {advised}")


def _turned_on_by_others(choices: _Choices) -> str:
    # Only a module that is loaded can have been turned on by somebody: the others are not imported to ask.
    for package, found in choices:
        for each in found:
            if each.module in sys.modules and _is_on(each):
                return f"{package} {each.version}"
    return ""


def _left_alone(library: Library, version: str, own: str, others: str, choices: _Choices) -> Instrumented:
    """Say who traces a library without us: the library itself, somebody's instrumentation, or (a fault) both."""
    variable = library.own_spans[1]
    if others and (not own or library.own_spans_give_way):
        return Instrumented(library.name, version, Outcome.ALREADY, others, "left as it was")
    if others:
        why = f"{own} makes spans itself as well; set {variable}=false before its clients are made"
        return Instrumented(library.name, version, Outcome.TWICE, others, why)
    why = f"it makes spans itself ({variable}=false turns them off)" if variable else "it makes spans itself"
    left = ", ".join(package for package, _ in choices)
    return Instrumented(library.name, version, Outcome.ALREADY, own, f"{why}; {left} left off" if left else why)


def _choose(library: Library, version: str, choices: _Choices) -> Instrumented:
    """Turn on the first instrumentation that works."""
    reasons: list[str] = []
    for package, found in choices:
        by = f"{package} {found[0].version}"
        watch, undo = Watch(library), _correct(package)
        started, reason = _start(library, found)
        if started:
            watch.started()
            rest = [other for other, _ in choices if other != package]
            note = [library.note] if library.note else []
            if rest:
                note.append(f"{', '.join(rest)} left off: one instrumentation a library")
            early = watch.imported_before()
            if early:
                note.append(f"{_EARLY} {early}")
            entry = Instrumented(library.name, version, Outcome.ON, by, "; ".join([*reasons, *note]))
            _on[library.name] = _Running(started, watch, undo, entry)
            return entry
        if undo is not None:
            undo()
        reasons.append(f"{by}: {reason}")
    return Instrumented(library.name, version, Outcome.FAILED, choices[0][0], "; ".join(reasons))


def _correct(package: str) -> Callable[[], None] | None:
    """Correct what an instrumentation does wrong, where that is known; what takes it back."""
    try:
        return CORRECTIONS[package]() if package in CORRECTIONS else None
    except Exception as error:
        _logger.info("sightline: %s is used as it is (%s)", package, _said(error))
        return None


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


def _tell(report: InstrumentationReport, wanted: Collection[str] | None) -> None:
    if report.on:
        _logger.info("sightline: tracing %s", ", ".join(report.on))
    absent = sorted(set(wanted or ()) - {each.library for each in report})
    if absent:
        _logger.warning("sightline: only= names %s, which is not installed here", ", ".join(absent))
    for each in report:
        _, found, early = each.reason.partition(_EARLY)
        if found and each.outcome is Outcome.ON:
            _logger.warning(
                "sightline: %s: imported before instrument(), so NOT TRACED there:%s. Call instrument() earlier",
                each.library,
                early,
            )
    for each in report.problems:
        if each.outcome is Outcome.FAILED:
            _logger.warning("sightline: %s %s is installed but NOT TRACED: %s", each.library, each.version, each.reason)
        elif each.outcome is Outcome.TWICE:
            _logger.warning("sightline: %s is TRACED TWICE, tokens and all: %s", each.library, each.reason)
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
