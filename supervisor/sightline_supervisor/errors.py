"""What can go wrong while roles are started and watched.

    SupervisorError
    ├── SettingInvalid   a setting cannot be used; never retry
    ├── FolderLocked     another supervisor owns the data folder; retry when it has ended
    ├── PortsTaken       one or more ports are in use; retry on other ports
    ├── RoleMissing      a console script is not installed; never retry
    ├── RoleFailed       a role died or never became healthy, more often than its policy allows
    └── StepFailed       a one-shot command ended with an exit code that its step does not allow

Each message is a sentence for the person at the terminal and names the way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class SupervisorError(Exception):
    """Root of the errors that end a run with a message and exit code 1."""


class SettingInvalid(SupervisorError):
    """A setting has a value that cannot be used."""

    def __init__(self, variable: str, value: str, expected: str) -> None:
        super().__init__(f"{variable} is {value!r}; it must be {expected}.")
        self.variable = variable
        self.value = value


class FolderLocked(SupervisorError):
    """Another live supervisor holds the lock of the data folder."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        super().__init__(
            f"Another Sightline ({holder}) already runs on the data folder {data_dir}. "
            "Stop it, or give this one a folder of its own with --data DIR."
        )
        self.data_dir = data_dir
        self.holder = holder


@dataclass(frozen=True)
class TakenPort:
    """A port that a role needs and somebody else holds."""

    role: str
    """Name of the role that wants the port."""
    host: str
    """Address that it wanted to bind."""
    port: int
    """Port number."""
    holder: str
    """`pid 123 (name)` where the system tells, else `another process`."""
    flag: str
    """Command line option that moves the port, for example `--port-store`."""
    variable: str
    """Environment variable that moves the port, for example `SIGHTLINE_STORE_PORT`."""

    def sentence(self) -> str:
        """Say who holds the port and what moves it."""
        free = self.port + 10_000 if self.port < 50_000 else self.port - 10_000
        return (
            f"Port {self.port} for the {self.role} is taken by {self.holder}. "
            f"Stop that, or choose another port: {self.flag} {free} (or {self.variable}={free})."
        )


class PortsTaken(SupervisorError):
    """At least one port is in use; nothing was started."""

    def __init__(self, taken: list[TakenPort]) -> None:
        super().__init__("\n".join(port.sentence() for port in taken))
        self.taken = taken


class RoleMissing(SupervisorError):
    """The console script of a role is neither beside the interpreter nor on PATH."""

    def __init__(self, command: str, extra: str) -> None:
        super().__init__(
            f'The command {command} is not installed. Install it: pip install "sightline-platform[{extra}]".'
        )
        self.command = command
        self.extra = extra


class RoleFailed(SupervisorError):
    """A role was started as often as its policy allows and is still not running."""

    def __init__(self, role: str, reason: str, tries: int, log: Path) -> None:
        times = "once" if tries == 1 else f"{tries} times"
        super().__init__(f"The {role} {reason}, started {times}. Its log: {log}")
        self.role = role
        self.reason = reason
        self.tries = tries
        self.log = log


class StepFailed(SupervisorError):
    """A one-shot command ended with an exit code that its step does not allow."""

    def __init__(self, step: str, reason: str, log: Path, tail: str) -> None:
        end = f"\n{tail}" if tail else ""
        super().__init__(f"The step {step} {reason}. Its log: {log}{end}")
        self.step = step
        self.reason = reason
        self.log = log
