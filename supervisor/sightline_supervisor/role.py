"""What the supervisor knows about a role: pure data and pure decisions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PortUse:
    """A TCP port that a role listens on, with the names of the settings that move it."""

    host: str
    """Address that the role binds."""
    port: int
    """Port number, 1 to 65535."""
    flag: str
    """Command line option of the supervisor, for example `--port-store`."""
    variable: str
    """Environment variable, for example `SIGHTLINE_STORE_PORT`."""


@dataclass(frozen=True)
class RestartPolicy:
    """How often, and after which pause, a role that died is started again."""

    tries: int = 4
    """Restarts in a row before the whole stops; 0 means that the first death ends it."""
    first_delay_s: float = 0.5
    """Pause before the first restart, in seconds; doubles with each further one."""
    max_delay_s: float = 8.0
    """Longest pause between two starts, in seconds."""
    steady_s: float = 30.0
    """A role that was healthy for this long, in seconds, has all its tries again."""
    final_codes: frozenset[int] = frozenset({2})
    """Exit codes that no restart mends (2: wrong option or setting)."""
    required: bool = True
    """False: the rest goes on without this role when its tries are used up."""

    def delay_s(self, attempt: int) -> float:
        """Return the pause in seconds before restart number `attempt` (from 1)."""
        return float(min(self.first_delay_s * 2 ** (attempt - 1), self.max_delay_s))

    def may_restart(self, attempt: int, code: int | None) -> bool:
        """Say whether restart number `attempt` (from 1) is allowed after exit code `code` (None: it hung)."""
        return attempt <= self.tries and code not in self.final_codes


@dataclass(frozen=True)
class Role:
    """A long-running process, known by its console script."""

    name: str
    """Short name, shown to people and used for the log file."""
    command: tuple[str, ...]
    """Console script and its arguments."""
    health_url: str | None = None
    """Address that answers 200 (http) or accepts (tcp) when the role is ready; None: ready as soon as it runs."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables set for this role, over those of the supervisor."""
    without_secrets: bool = False
    """True: no variable is passed on whose name tells of a key, a password or a token."""
    ports: tuple[PortUse, ...] = ()
    """Ports that must be free before it starts."""
    start_after: tuple[str, ...] = ()
    """Names of roles that must be healthy before this one starts."""
    restart: RestartPolicy = RestartPolicy()
    """What happens when it dies."""
    ready_timeout_s: float = 120.0
    """Longest wait for its health, in seconds."""
    extra: str = "all"
    """Extra of `sightline-platform` that installs the console script."""
    address: str = ""
    """What to show beside the name when it is ready."""


@dataclass(frozen=True)
class Step:
    """A command that runs once and ends, with its progress shown."""

    name: str
    """Short name, shown to people and used for the log file."""
    title: str
    """What it does, in words for the person who waits."""
    command: tuple[str, ...]
    """Console script and its arguments."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables set for this step, over those of the supervisor."""
    allowed_codes: frozenset[int] = frozenset({0})
    """Exit codes that do not end the run."""
    extra: str = "all"
    """Extra of `sightline-platform` that installs the console script."""


def start_order(roles: Iterable[Role]) -> list[Role]:
    """Sort roles so that each comes after those that it waits for; otherwise their order is kept.

    Names in `start_after` that are not among `roles` are ignored: they run elsewhere or not at all.

    Raises:
        ValueError: roles wait for each other in a circle.
    """
    waiting = list(roles)
    names = {role.name for role in waiting}
    ordered: list[Role] = []
    started: set[str] = set()
    while waiting:
        free = [role for role in waiting if not (set(role.start_after) & names) - started]
        if not free:
            raise ValueError(f"these roles wait for each other: {', '.join(role.name for role in waiting)}")
        ordered.append(free[0])
        started.add(free[0].name)
        waiting.remove(free[0])
    return ordered
