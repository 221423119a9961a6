"""The report of ``instrument()``: one entry for each installed library."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


class Outcome(enum.StrEnum):
    """Result for one library."""

    ON = "on"
    """Traced, by this call or an earlier one."""
    ALREADY = "already on"
    """Traced by another part of the application, or by the library itself; left as it is."""
    EXCLUDED = "excluded"
    """Left out by ``only=`` or ``exclude=``."""
    MISSING = "not instrumented"
    """Installed, without an installed instrumentation: a warning."""
    FAILED = "failed"
    """Installed, but its instrumentation refuses or fails: a warning."""
    TWICE = "traced twice"
    """It makes spans itself, and an instrumentation was turned on outside of this call: a warning."""


_TRACED: Final = (Outcome.ON, Outcome.ALREADY, Outcome.TWICE)
_PROBLEMS: Final = (Outcome.MISSING, Outcome.FAILED, Outcome.TWICE)


@dataclass(frozen=True, slots=True)
class Instrumented:
    """One installed library and the result for it."""

    library: str
    """Name for ``only=`` and ``exclude=``."""
    version: str
    """Installed version of the library."""
    outcome: Outcome
    """Result."""
    by: str = ""
    """Package and version of the instrumentation."""
    reason: str = ""
    """Why not, and the way out; or what to know."""


@dataclass(frozen=True, slots=True)
class InstrumentationReport:
    """The result of ``instrument()``; ``str()`` is a table for people."""

    entries: tuple[Instrumented, ...]
    """One for each installed library that is known here."""

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the libraries that are traced."""
        return tuple(entry.library for entry in self.entries if entry.outcome in _TRACED)

    @property
    def problems(self) -> tuple[Instrumented, ...]:
        """Libraries that are installed and not traced, or traced twice, although not excluded."""
        return tuple(entry for entry in self.entries if entry.outcome in _PROBLEMS)

    def __iter__(self) -> Iterator[Instrumented]:
        return iter(self.entries)

    def __getitem__(self, library: str) -> Instrumented:
        """Return the entry of one library; KeyError when it is not installed."""
        for entry in self.entries:
            if entry.library == library:
                return entry
        raise KeyError(library)

    def __str__(self) -> str:
        rows = [(entry.library, entry.version, entry.outcome.value, entry.by, entry.reason) for entry in self.entries]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        return "\n".join(
            "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]).rstrip()
            for row in rows
        )
