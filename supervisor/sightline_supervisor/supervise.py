"""Keep roles running, run steps between them, and stop everything in reverse order.

One event loop in the main thread starts every process. A role is `started`, then `healthy`; when it dies or stops
answering it is started again after a pause, as its `RestartPolicy` says, and when that is used up the whole run fails.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sightline_supervisor.errors import RoleFailed, StepFailed
from sightline_supervisor.probe import is_healthy
from sightline_supervisor.process import Launcher, Running, describe_exit
from sightline_supervisor.role import Role, Step, start_order
from sightline_supervisor.screen import Screen
from sightline_supervisor.terminal import LogTerminal

_T = TypeVar("_T")
_HEALTH_EVERY_S = 0.1
_PULSE_EVERY_S = 5.0
_HUNG_AFTER_S = 60.0
_STOP_TURN_S = 2.0


class Stopped(Exception):
    """Ctrl-C or SIGTERM asked for the end."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended."""

    code: int
    """Exit code."""
    stdout: str
    """All of its standard output."""
    took_s: float
    """Wall time in seconds."""


class _Kept:
    """State of one role."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.running: Running | None = None
        self.healthy = asyncio.Event()
        self.given_up = False
        self.keeper: asyncio.Task[None] | None = None
        self.restarts = 0


class Supervisor:
    """Owns the processes of one run; use as an async context manager.

    Args:
        launcher: starts the processes.
        screen: tells the person.
        grace_s: seconds between SIGTERM and SIGKILL.
        hung_after_s: a role that answers no health check for this long, in seconds, is ended and started again.
    """

    def __init__(
        self, launcher: Launcher, screen: Screen, *, grace_s: float = 5.0, hung_after_s: float = _HUNG_AFTER_S
    ) -> None:
        self._launcher = launcher
        self._screen = screen
        self._grace_s = grace_s
        self._hung_after_s = hung_after_s
        self._kept: dict[str, _Kept] = {}
        self._steps: list[Running] = []
        self._failure: asyncio.Future[None]
        self._stop_asked = 0
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Supervisor:
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sig, self._on_signal, sig)
        self._ticker = asyncio.create_task(self._screen.run_ticker())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(sig)
        if self._failure.done() and not self._failure.cancelled():
            self._failure.exception()  # marks it as seen
        self._launcher.close()

    def _on_signal(self, sig: signal.Signals) -> None:
        self._stop_asked += 1
        if self._stop_asked == 1:
            self._fail(Stopped(sig.name))
        else:  # a second Ctrl-C: no more patience
            for running in self._alive():
                running.signal_group(signal.SIGKILL)

    def _fail(self, reason: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(reason)

    async def guard(self, work: Awaitable[_T]) -> _T:
        """Do some work until it is done, a role fails for good, or somebody asks for the end.

        Raises:
            RoleFailed: a required role has used up its tries.
            Stopped: SIGINT, SIGTERM or SIGHUP arrived.
        """
        task = asyncio.ensure_future(work)
        tasks: set[asyncio.Future[Any]] = {task, self._failure}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not self._failure.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._failure.result()  # it only ever carries an exception
        raise AssertionError

    async def run_until_stopped(self) -> None:
        """Do nothing until a role fails for good or somebody asks for the end (raises like `guard`)."""
        await self.guard(asyncio.Event().wait())

    async def start(self, roles: Iterable[Role]) -> None:
        """Start roles, each as soon as those that it waits for are healthy; return when all of them are.

        A role that is not required and gives up counts as settled; ask `is_up`.
        """
        batch = [_Kept(role) for role in start_order(roles)]
        self._kept.update({kept.role.name: kept for kept in batch})
        for kept in batch:
            kept.keeper = asyncio.create_task(self._keep(kept), name=kept.role.name)
        await asyncio.gather(*(kept.healthy.wait() for kept in batch))

    def is_up(self, name: str) -> bool:
        """Say whether a role was started here and has not been given up."""
        kept = self._kept.get(name)
        return kept is not None and not kept.given_up

    def restarts(self) -> Mapping[str, int]:
        """Return how often each role was started again."""
        return {name: kept.restarts for name, kept in self._kept.items() if kept.restarts}

    async def _keep(self, kept: _Kept) -> None:
        role, attempt = kept.role, 0
        try:
            for name in role.start_after:
                if name in self._kept:
                    await self._kept[name].healthy.wait()
            while True:
                running = kept.running = self._launcher.launch(
                    role.name, role.command, role.env, extra=role.extra, without_secrets=role.without_secrets
                )
                reason, steady = await self._follow(kept, running)
                attempt = 1 if steady else attempt + 1
                if not self._again(kept, running, reason, attempt):
                    return
                await asyncio.sleep(role.restart.delay_s(attempt))
                kept.restarts += 1
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # whatever it is, it must end the run instead of one silent task
            self._fail(exc)

    def _again(self, kept: _Kept, running: Running, reason: str, attempt: int) -> bool:
        """Tell how a role ended and decide whether it is started again."""
        role = kept.role
        self._screen.warn(f"{role.name} {reason}. The end of its log ({running.log}):")
        self._screen.block(running.tail())
        if role.restart.may_restart(attempt, running.exit_code()):
            pause = role.restart.delay_s(attempt)
            self._screen.warn(f"{role.name} is started again in {pause:.1f} s (try {attempt} of {role.restart.tries}).")
            return True
        kept.given_up = True
        kept.healthy.set()
        if role.restart.required:
            self._fail(RoleFailed(role.name, reason, attempt, running.log))
        return False

    async def _follow(self, kept: _Kept, running: Running) -> tuple[str, bool]:
        """Follow one process from its start to its end.

        Returns:
            What ended it, in words, and whether it had been healthy long enough to have all its tries again.
        """
        role = kept.role
        begun = time.monotonic()
        with self._screen.waiting(role.name, lambda: running.tail(1)):
            ready = await self._becomes_ready(role, running, begun)
        if not ready:
            if running.exit_code() is None:
                await running.stop(self._grace_s)
                return f"was not ready after {role.ready_timeout_s:.0f} s ({role.health_url} does not answer)", False
            return describe_exit(await running.wait()), False
        ready_at = time.monotonic()
        kept.healthy.set()
        where = f"  {role.address}" if role.address else ""
        self._screen.done(f"{role.name} ready in {ready_at - begun:.1f} s{where}")
        hung = await self._stays(role, running)
        steady = time.monotonic() - ready_at >= role.restart.steady_s
        if hung:
            await running.stop(self._grace_s)
            return f"did not answer its health check for {self._hung_after_s:.0f} s", steady
        return describe_exit(await running.wait()), steady

    async def _becomes_ready(self, role: Role, running: Running, begun: float) -> bool:
        while time.monotonic() - begun < role.ready_timeout_s:
            if running.exit_code() is not None:
                return False
            if role.health_url is None or await is_healthy(role.health_url):
                return running.exit_code() is None
            await asyncio.sleep(_HEALTH_EVERY_S)
        return False

    async def _stays(self, role: Role, running: Running) -> bool:
        """Wait until the process ends (False) or has been silent for too long (True)."""
        answered = asked = time.monotonic()
        while running.exit_code() is None:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            if role.health_url is not None and now - asked >= min(_PULSE_EVERY_S, self._hung_after_s / 4):
                asked = now
                if await is_healthy(role.health_url, timeout_s=min(5.0, self._hung_after_s)):
                    answered = time.monotonic()
                elif time.monotonic() - answered >= self._hung_after_s:
                    return running.exit_code() is None
        return False

    async def run_step(self, step: Step) -> StepResult:
        """Run a command to its end, with the last line of its log on the moving line.

        Raises:
            StepFailed: its exit code is none that the step allows.
            RoleMissing: its command is not installed.
        """
        out = self._launcher.log_dir / f"{step.name}.out"
        begun = time.monotonic()
        with LogTerminal(self._launcher.log_dir / f"{step.name}.log") as terminal:
            running = self._launcher.launch(
                step.name, step.command, step.env, extra=step.extra, stdout=out, stderr=terminal.open_end()
            )
            terminal.close_end()
            self._steps.append(running)
            try:
                with self._screen.waiting(step.title, lambda: running.tail(1)):
                    code = await running.wait()
            finally:
                if running.exit_code() is not None:
                    self._steps.remove(running)
        if code not in step.allowed_codes:
            raise StepFailed(step.name, describe_exit(code), running.log, running.tail())
        return StepResult(code, out.read_text(errors="replace"), time.monotonic() - begun)

    def _alive(self) -> list[Running]:
        """Return what runs, last started first."""
        roles = [kept.running for kept in self._kept.values() if kept.running is not None]
        return [running for running in [*roles, *self._steps][::-1] if running.exit_code() is None]

    async def stop(self) -> None:
        """Stop everything in reverse order; after the grace period nothing is left."""
        keepers = [kept.keeper for kept in self._kept.values() if kept.keeper is not None]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        alive = self._alive()
        with self._screen.waiting(f"stopping {len(alive)} processes"):
            late = [running for running in alive if not await running.stop(self._grace_s, turn_s=_STOP_TURN_S)]
            await asyncio.gather(*(running.stop(self._grace_s - _STOP_TURN_S) for running in late))
        for kept in self._kept.values():  # leaders that died by themselves may have left children
            if kept.running is not None:
                kept.running.kill()
        self._kept.clear()
        self._steps.clear()


def last_json(text: str) -> dict[str, Any] | None:
    """Return the last JSON object in the output of a step: its last line, or else the whole."""
    for candidate in (*reversed(text.strip().splitlines()[-3:]), text):
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None
