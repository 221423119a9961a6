"""``instrument()``: turns on the OpenTelemetry instrumentations that are installed, and reports the result.

Instrumentations fail silently: a library version that one does not support is not traced, a library without one is not
mentioned, and a name that the application imported too early is not traced either. Here each case is a warning that
names the package to install or to pin, or the module that imported too early.

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
from sightline.instruments.corrections import CORRECTIONS, PatchRecord, built_in_tracing
from sightline.instruments.fastapi_apps import log_built_in_spans, trace_app, untrace_apps
from sightline.instruments.libraries import LIBRARIES, NO_CONTENT_VARIABLES, OWN, OWN_INSTRUMENTORS, Library
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
    """What ``instrument()`` turned on for one library."""

    instrumentors: list[Any]
    patches: PatchRecord
    undo_correction: Callable[[], None] | None
    """Undoes the correction of ``corrections.CORRECTIONS``, once the instrumentation has stopped."""
    entry: Instrumented

    def stop(self) -> None:
        for instrumentor in self.instrumentors:
            try:
                if instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.uninstrument()
            except Exception as error:
                _logger.warning("sightline: %s could not be turned off (%s)", self.entry.library, _error_text(error))
        try:
            self.patches.put_back()
            if self.undo_correction is not None:
                self.undo_correction()
        except Exception as error:
            _logger.warning(
                "sightline: %s could not be put back as it was (%s)", self.entry.library, _error_text(error)
            )


_running: dict[str, _Running] = {}
"""What this module turned on, by library."""
_content_variables_set: list[str] = []
_IMPORTED_EARLY: Final = "imported too early to be traced:"


def instrument(
    *, only: Collection[str] | None = None, exclude: Collection[str] = (), app: object = None
) -> InstrumentationReport:
    """Turn on the installed OpenTelemetry instrumentations, each library once, and report.

    Call it once, after ``configure()`` and before clients, engines and apps are made. Another call turns on what has
    been left out before and changes nothing else. Content: unless the capture setting allows it, environment
    variables make third-party instrumentations record none (variables that you have set yourself take precedence).

    Args:
        only: names of the libraries to trace (``fastapi``, ``redis``, ...; see ``libraries``); default all.
        exclude: names of libraries to leave alone.
        app: a FastAPI application that was made before this call, also one that serves already.

    Raises:
        SettingsError: a name in ``only`` or ``exclude`` is not known here.
    """
    only_names, excluded_names = _names("only", only), _names("exclude", exclude)
    with _lock:
        _forbid_content()
        candidates = _candidates()
        entries = []
        for library in LIBRARIES:
            version = _installed(library.distributions)
            if version is None:
                continue
            if library.name in (excluded_names or ()) or (only_names is not None and library.name not in only_names):
                entries.append(Instrumented(library.name, version, Outcome.EXCLUDED))
            else:
                entries.append(_turn_on(library, version, candidates))
        report = InstrumentationReport(tuple(entries))
        if app is not None:
            try:
                trace_app(app, _OPTIONS["fastapi"])
            except Exception as error:
                _logger.warning("sightline: the application could not be instrumented (%s)", _error_text(error))
    _log_report(report, only_names)
    return report


def uninstrument() -> None:
    """Turn off what ``instrument()`` has turned on, in applications that serve too; what others turned on stays."""
    with _lock:
        had_fastapi = "fastapi" in _running
        while _running:
            _running.popitem()[1].stop()
        untrace_apps()
        if had_fastapi:
            log_built_in_spans()
        for name in _content_variables_set:
            os.environ.pop(name, None)
        _content_variables_set.clear()


def _names(argument: str, names: Collection[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    given_names = frozenset([names] if isinstance(names, str) else names)
    known = {library.name for library in LIBRARIES}
    for name in sorted(given_names - known):
        raise SettingsError(argument, name, f"needs names of: {', '.join(sorted(known))}")
    return given_names


def _forbid_content() -> None:
    """Make third-party instrumentations follow the capture setting: no content unless it allows content."""
    if runtime.capture.content:
        return
    for name, value in NO_CONTENT_VARIABLES.items():
        if name not in os.environ:
            os.environ[name] = value
            _content_variables_set.append(name)


def _installed(distributions: Iterable[str]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _candidates() -> dict[str, list[_Candidate]]:
    """Return the installed instrumentations by package."""
    by_package: dict[str, list[_Candidate]] = {}
    for point in metadata.entry_points(group=_GROUP):
        if point.dist is not None:
            package = point.dist.name.lower().replace("_", "-")
            by_package.setdefault(package, []).append(
                _Candidate(package, point.name, point.module, point.load, point.dist.version)
            )
    return by_package


def _candidates_of(library: Library, package: str, candidates: dict[str, list[_Candidate]]) -> list[_Candidate]:
    if package == OWN:
        module, name = OWN_INSTRUMENTORS[library.name]
        return [_Candidate(OWN, library.name, module, lambda: getattr(importlib.import_module(module), name), VERSION)]
    return [
        candidate
        for candidate in candidates.get(package, ())
        if not library.entry_points or candidate.name in library.entry_points
    ]


def _turn_on(library: Library, version: str, candidates: dict[str, list[_Candidate]]) -> Instrumented:
    if library.name in _running:
        return _running[library.name].entry
    choices = [
        (package, candidates_found)
        for package in library.instrumentations
        if (candidates_found := _candidates_of(library, package, candidates))
    ]
    built_in = built_in_tracing(library, version)
    active_elsewhere = _active_instrumentation(choices)
    if active_elsewhere or (built_in and not (choices and library.built_in_spans_yield)):
        return _left_alone(library, version, built_in, active_elsewhere, choices)
    if choices:
        return _choose(library, version, choices)
    if library.covered_by in _running:
        return Instrumented(library.name, version, Outcome.ALREADY, _running[library.covered_by].entry.by)
    packages = library.instrumentations
    recommended = next((package for package in packages if "openinference" in package), packages[0])
    return Instrumented(library.name, version, Outcome.MISSING, reason=f"pip install {recommended}")


def _active_instrumentation(choices: _Choices) -> str:
    # Only an imported instrumentation can be active: the others need not be imported to find out.
    for package, entry_points in choices:
        for entry_point in entry_points:
            if entry_point.module in sys.modules and _is_active(entry_point):
                return f"{package} {entry_point.version}"
    return ""


def _left_alone(
    library: Library, version: str, built_in: str, active_elsewhere: str, choices: _Choices
) -> Instrumented:
    """Return the entry of a library that traces itself, or that an active instrumentation traces already."""
    variable = library.built_in_spans[1]
    if active_elsewhere and (not built_in or library.built_in_spans_yield):
        return Instrumented(library.name, version, Outcome.ALREADY, active_elsewhere, "left as it was")
    if active_elsewhere:
        reason = f"{built_in} makes spans itself as well; set {variable}=false before its clients are made"
        return Instrumented(library.name, version, Outcome.TWICE, active_elsewhere, reason)
    reason = f"it makes spans itself ({variable}=false turns them off)" if variable else "it makes spans itself"
    not_turned_on = ", ".join(package for package, _ in choices)
    return Instrumented(
        library.name,
        version,
        Outcome.ALREADY,
        built_in,
        f"{reason}; {not_turned_on} left off" if not_turned_on else reason,
    )


def _choose(library: Library, version: str, choices: _Choices) -> Instrumented:
    """Turn on the first instrumentation that works."""
    reasons: list[str] = []
    for package, entry_points in choices:
        by = f"{package} {entry_points[0].version}"
        patches, undo_correction = PatchRecord(library), _apply_correction(package)
        started, reason = _start(library, entry_points)
        if started:
            patches.note_patches()
            rest = [other for other, _ in choices if other != package]
            note = [library.note] if library.note else []
            if rest:
                note.append(f"{', '.join(rest)} left off: one instrumentation a library")
            early = patches.imported_before()
            if early:
                note.append(f"{_IMPORTED_EARLY} {early}")
            entry = Instrumented(library.name, version, Outcome.ON, by, "; ".join([*reasons, *note]))
            _running[library.name] = _Running(started, patches, undo_correction, entry)
            return entry
        if undo_correction is not None:
            undo_correction()
        reasons.append(f"{by}: {reason}")
    return Instrumented(library.name, version, Outcome.FAILED, choices[0][0], "; ".join(reasons))


def _apply_correction(package: str) -> Callable[[], None] | None:
    """Apply the correction of an instrumentation, where there is one; returns what undoes it."""
    try:
        return CORRECTIONS[package]() if package in CORRECTIONS else None
    except Exception as error:
        _logger.info("sightline: %s is used as it is (%s)", package, _error_text(error))
        return None


def _is_active(candidate: _Candidate) -> bool:
    try:
        return bool(candidate.load()().is_instrumented_by_opentelemetry)
    except Exception:
        return False


def _start(library: Library, entry_points: list[_Candidate]) -> tuple[list[Any], str]:
    """Turn on all entry points of one instrumentation; returns what was started, and the reasons for what was not."""
    started: list[Any] = []
    reasons = []
    for entry_point in entry_points:
        try:
            instrumentor = entry_point.load()()
            if entry_point.package == OWN:
                instrumentor.instrument()
            else:
                instrumentor.instrument(raise_exception_on_conflict=True, **_OPTIONS.get(library.name, {}))
            if instrumentor.is_instrumented_by_opentelemetry:
                started.append(instrumentor)
            else:
                reasons.append("it does not take this version")
        except Exception as error:
            reasons.append(_error_text(error))
    return started, "; ".join(reasons)


def _error_text(error: BaseException) -> str:
    if type(error).__name__ == "DependencyConflictError":
        conflict = getattr(error, "conflict", None)
        needs = getattr(conflict, "required", None) or ", ".join(getattr(conflict, "required_any", None) or ())
        return f'it takes {needs} only: pip install "{needs}", or a newer instrumentation when there is one'
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _log_report(report: InstrumentationReport, only_names: Collection[str] | None) -> None:
    if report.on:
        _logger.info("sightline: tracing %s", ", ".join(report.on))
    absent = sorted(set(only_names or ()) - {entry.library for entry in report})
    if absent:
        _logger.warning("sightline: only= names %s, which is not installed here", ", ".join(absent))
    for entry in report:
        _, is_early, holders = entry.reason.partition(_IMPORTED_EARLY)
        if is_early and entry.outcome is Outcome.ON:
            _logger.warning(
                "sightline: %s: imported before instrument(), so NOT TRACED there:%s. Call instrument() earlier",
                entry.library,
                holders,
            )
    for entry in report.problems:
        if entry.outcome is Outcome.FAILED:
            _logger.warning(
                "sightline: %s %s is installed but NOT TRACED: %s", entry.library, entry.version, entry.reason
            )
        elif entry.outcome is Outcome.TWICE:
            _logger.warning(
                "sightline: %s is TRACED TWICE, which doubles its token counts: %s", entry.library, entry.reason
            )
    missing = [entry for entry in report.problems if entry.outcome is Outcome.MISSING]
    if missing:
        _logger.warning(
            "sightline: installed but NOT TRACED, nothing instruments them: %s. To trace them: pip install %s",
            ", ".join(entry.library for entry in missing),
            " ".join(entry.reason.removeprefix("pip install ") for entry in missing),
        )
    if _content_variables_set:
        _logger.info(
            "sightline: capture is %s, so other instrumentations record no content (set: %s)",
            runtime.capture.mode.value,
            ", ".join(_content_variables_set),
        )
