"""What a role's `doctor` command reports: one line a check, and below a failed one what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    """Name of the check."""
    result: str
    """What is the case."""
    advice: str = ""
    """What to do; '' where all is well."""

    @property
    def is_good(self) -> bool:
        """Whether all is well."""
        return not self.advice


def report(findings: Iterable[Finding]) -> int:
    """Print findings as they come; returns the exit code: 0 where all is well, else 1."""
    code = 0
    for finding in findings:
        sys.stdout.write(f"{'ok  ' if finding.is_good else 'MEND'} {finding.check:11} {finding.result}\n")
        if finding.advice:
            sys.stdout.write(f"     {'':11} {finding.advice}\n")
            code = 1
        sys.stdout.flush()
    return code
