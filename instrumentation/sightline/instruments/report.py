"""What ``instrument()`` found and did, library by library."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


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
    TWICE = "traced twice"
    """It makes spans itself, and somebody has turned on an instrumentation besides: a warning."""


_TRACED: Final = (Outcome.ON, Outcome.ALREADY, Outcome.TWICE)
_PROBLEMS: Final = (Outcome.MISSING, Outcome.FAILED, Outcome.TWICE)


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
        return tuple(each.library for each in self.entries if each.outcome in _TRACED)

    @property
    def problems(self) -> tuple[Instrumented, ...]:
        """Libraries that are installed and not traced, or traced twice, without anybody having wanted that."""
        return tuple(each for each in self.entries if each.outcome in _PROBLEMS)

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
