"""What can go wrong in alerts.

::

    AlertsError
    ├── RulesInvalid    the rules file can't be used: never retry; each problem names line, rule and field
    ├── SecretMissing   a variable or a file that a channel names is not there
    └── DeliveryFailed  a channel did not take a message: trying again can help
"""

from __future__ import annotations

from collections.abc import Sequence


class AlertsError(Exception):
    """Root of this package's errors."""


class RulesInvalid(AlertsError):
    """A rules file can't be used; `problems` are sentences, each with its line, rule and field."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{file}{problem}" for problem in problems))


class SecretMissing(AlertsError):
    """A secret that a channel names can't be read; `source` is the variable or the file."""

    def __init__(self, channel: str, field: str, source: str, reason: str) -> None:
        self.channel = channel
        self.source = source
        super().__init__(f"channel {channel}: {field} names {source}, {reason}")


class DeliveryFailed(AlertsError):
    """A channel did not take a message. Retrying can help.

    Attributes:
        retry_after_s: seconds that the receiver asks to wait, 0 where it asks for nothing.
    """

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason)
