"""`sightline demo`: everything at once, with a real corpus, real questions and the numbers that came of it.

The order: what needs nothing starts at once (store, collector, dashboards, model server, the search for a Weaviate
server); then ingest; then the application; then questions, scores and the summary. A second run on the same data folder
finds its index and its data again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from sightline_supervisor.account import Account
from sightline_supervisor.drift_runs import compute_drift
from sightline_supervisor.errors import StepFailed
from sightline_supervisor.folder_lock import FolderLock
from sightline_supervisor.harms import break_step, chaos_env
from sightline_supervisor.process import Launcher, tail
from sightline_supervisor.role import RestartPolicy, Role, Step
from sightline_supervisor.roles import (
    CANNOT_BE_HAD,
    MODEL_NOT_INSTALLED,
    app_role,
    base_env,
    demo_env,
    demo_roles,
    redis_role,
    weaviate_role,
)
from sightline_supervisor.screen import Screen
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.store_keys import NO_KEYS, StoreKeys, store_keys
from sightline_supervisor.summary import Summary, table
from sightline_supervisor.supervise import StepResult, Supervisor, last_json
from sightline_supervisor.up import STORE, check_start, open_page, start_store, tell_renewed

_LIGHT_RATE = "0.3"  # conversations a second after the summary: charts move, the machine stays free
_OTHER_DOCS = "The shipped questions are about Python: on other documents they have no known answers, so no hit rate."
_SHOWN_ANSWERS = 3
_NO_MODEL = (
    "NO LANGUAGE MODEL: answers are sentences picked from the passages (extractive, no LLM). The reason: {reason}"
)
_FALLBACK = "Weaviate is not to be had here: vector search runs inside ClickHouse instead (see {log})."
_WHERE_SEEN = (
    "{harm} is undone. Every page marks its begin and its end with ✚: {address}  docs/chaos.md says which one shows it."
)
_NO_REDIS = "No redis-server or valkey-server here: conversations and limits live in the app's process and end with it."


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says beside the settings."""

    docs: Path | None = None
    """Folder or file to answer from; None: the documentation of the Python standard library."""
    once: bool = False
    """End after the summary, with the numbers as JSON on the last line of standard output."""
    questions: int = 30
    """How many questions to ask, follow-ups not counted."""
    scored: int = 20
    """How many answers to score."""
    open_browser: bool = False
    """Open the dashboards in the browser when they are ready."""
    harm: str | None = None
    """A harm of `sightline-app chaos` to do for two minutes, after the summary; None breaks nothing."""


async def demo(settings: SupervisorSettings, environ: Mapping[str, str], options: DemoOptions, screen: Screen) -> int:
    """Run the demo and return the exit code: with `once`, 0 only if every emitted span is stored.

    Raises:
        SupervisorError: something that the demo cannot go on without failed.
        Stopped: somebody asked for the end.
    """
    with FolderLock(settings.data_dir) as lock:
        run = _Demo(settings, environ, options, screen)
        check_start(lock, run.roles, screen)
        launcher = Launcher(settings.data_dir / "logs", settings.stop_timeout_s, base_env(environ))
        async with Supervisor(launcher, screen, grace_s=settings.stop_timeout_s) as supervisor:
            return await run.go(supervisor)


class _Demo:
    """One run of the demo."""

    def __init__(
        self, settings: SupervisorSettings, environ: Mapping[str, str], options: DemoOptions, screen: Screen
    ) -> None:
        self._settings = settings
        self._options = options
        self._screen = screen
        self._account = Account(settings)
        self._env = demo_env(settings, environ)
        if options.harm is not None:
            self._env |= chaos_env()
        self._keys: StoreKeys = NO_KEYS
        self._base_env = base_env(environ)
        self._wants_weaviate = environ.get("SIGHTLINE_RETRIEVAL", "auto") != "clickhouse"
        self._wants_redis = environ.get("SIGHTLINE_APP_STATE", "auto") != "process"
        self._notes: list[str] = [_OTHER_DOCS] if options.docs else []
        self._problems: list[str] = []
        self._supervisor: Supervisor
        self.roles = self._all_roles()

    async def go(self, supervisor: Supervisor) -> int:
        self._supervisor = supervisor
        self._keys = await supervisor.guard(store_keys(self._settings, self._base_env))
        tell_renewed(self._keys, self._screen)
        self.roles = self._all_roles()
        await supervisor.guard(start_store(supervisor, self._screen, self.roles, self._admin_env))
        await supervisor.guard(self._get_ready())
        ready_s = self._account.wall_s
        self._screen.done(f"Ready in {ready_s:.1f} s. Dashboards: {self._settings.dashboards_address}")
        if self._options.open_browser:
            open_page(self._settings.dashboards_address)
        await supervisor.guard(self._ask())
        await supervisor.guard(self._account.answers_stored())
        scored = await supervisor.guard(self._try(self._score_step()))
        summary = await supervisor.guard(
            self._account.sum_up(
                supervisor,
                self._reader_env,
                ready_s=ready_s,
                scored=scored,
                knows_answers=self._options.docs is None,
                notes=self._notes,
            )
        )
        out = Console(highlight=False)
        out.print(table(summary))
        if not summary.is_whole:
            self._tell_what_is_missing(summary)
        if self._options.once:
            sys.stdout.write(json.dumps(summary.to_json()) + "\n")
            sys.stdout.flush()
            return 0 if summary.is_whole and not self._problems else 1
        self._screen.done(f"Dashboards: {self._settings.dashboards_address}  Light traffic goes on; Ctrl-C ends all.")
        await supervisor.guard(supervisor.start([self._traffic_role()]))
        if self._options.harm is not None:
            await supervisor.guard(self._break(self._options.harm))
        window_s = self._settings.drift_window_s
        await supervisor.guard(compute_drift(supervisor, self._screen, self._reader_env, window_s))
        await supervisor.run_until_stopped()
        return 0

    def _all_roles(self) -> list[Role]:
        wanted = {"with_weaviate": self._wants_weaviate, "with_redis": self._wants_redis}
        return demo_roles(self._settings, self._env, self._keys, **wanted)

    def _tell_what_is_missing(self, summary: Summary) -> None:
        """Say loudly that spans are missing, and what the collector said last."""
        lost = "an unknown number" if summary.spans_lost is None else f"{summary.spans_lost:,}"
        self._screen.warn(
            f"{lost} of {summary.spans_emitted or 0:,} spans are not stored. The collector's log ends so:"
        )
        self._screen.block(tail(self._settings.data_dir / "logs" / "collector.log", 5))

    async def _get_ready(self) -> None:
        """Start what needs nothing but the store, find Weaviate beside it, ingest, then start the application."""
        late = {STORE, "app", "weaviate", "redis"}
        first = [role for role in self.roles if role.name not in late]
        await self._choose_model()
        await asyncio.gather(self._supervisor.start(first), self._weaviate(), self._redis())
        ingested = await self._step(self._ingest_step())
        self._screen.done(f"corpus ready in {ingested.took_s:.1f} s")
        self._account.add_spans(last_json(ingested.stdout) or {})
        self._screen.block("\n".join(line for line in ingested.stdout.splitlines() if not line.startswith("{")))
        await self._supervisor.start([app_role(self._settings, self._admin_env)])

    async def _choose_model(self) -> None:
        """Check that the language model can run here; without it the extractive server answers, and that is said.

        Raises:
            StepFailed: it was asked for by name, or its file is not the expected one.
        """
        if self._settings.openai_base_url is not None or self._env["SIGHTLINE_MODEL"] == "extractive":
            return
        wanted = self._settings.model is not None
        cannot_run = frozenset() if wanted else frozenset({MODEL_NOT_INSTALLED, -signal.SIGILL})
        step = Step(
            "model-check",
            "checking the language model",
            ("sightline-model", "--check"),
            self._env,
            frozenset({0}) | cannot_run,
            "app",
        )
        if (await self._step(step)).code != 0:
            log = self._settings.data_dir / "logs" / "model-check.log"
            note = _NO_MODEL.format(reason=tail(log, 1))
            self._screen.warn(note)
            self._notes.append(note)
            self._env["SIGHTLINE_MODEL"] = "extractive"

    async def _weaviate(self) -> None:
        if self._settings.weaviate_url or not self._wants_weaviate:
            return
        step = Step(
            "weaviate-install",
            "getting the Weaviate server (a first build takes some minutes)",
            ("sightline-weaviate", "--install-only"),
            self._env,
            frozenset({0, CANNOT_BE_HAD}),
            "app",
        )
        if (await self._step(step)).code == CANNOT_BE_HAD:
            note = _FALLBACK.format(log=self._settings.data_dir / "logs" / "weaviate-install.log")
            self._screen.warn(note)
            self._notes.append(note)
            self._env["SIGHTLINE_RETRIEVAL"] = "clickhouse"
            return
        await self._supervisor.start([weaviate_role(self._settings, self._env)])

    async def _redis(self) -> None:
        if self._settings.redis_secret_url or not self._wants_redis:
            return
        command = ("sightline-redis", "--find-only")
        step = Step("redis-find", "looking for Redis", command, self._env, frozenset({0, CANNOT_BE_HAD}), "app")
        if (await self._step(step)).code == CANNOT_BE_HAD:
            self._screen.warn(_NO_REDIS)
            self._notes.append(_NO_REDIS)
            self._env["SIGHTLINE_APP_STATE"] = "process"
            return
        await self._supervisor.start([redis_role(self._settings, self._env)])

    @property
    def _admin_env(self) -> Mapping[str, str]:
        """For who writes into the store; the application does where its vectors are there."""
        return {**self._env, **self._keys.admin}

    @property
    def _reader_env(self) -> Mapping[str, str]:
        """For who only reads it."""
        return {**self._env, **self._keys.reader}

    async def _step(self, step: Step) -> StepResult:
        return await self._supervisor.run_step(step)

    async def _try(self, step: Step) -> Mapping[str, Any]:
        """Run a step whose failure the demo survives, and return the JSON that it printed."""
        try:
            result = await self._step(step)
        except StepFailed as error:
            self._problems.append(str(error))
            self._screen.warn(str(error))
            return {}
        facts = last_json(result.stdout) or {}
        self._account.add_spans(facts)
        self._screen.done(f"{step.title}: done in {result.took_s:.1f} s")
        return facts

    async def _break(self, harm: str) -> None:
        """Do a harm and undo it, and say where it is seen."""
        known = len(self._problems)
        await self._try(break_step(harm, self._admin_env))
        if len(self._problems) == known:
            self._screen.done(_WHERE_SEEN.format(harm=harm, address=self._settings.dashboards_address))

    def _ingest_step(self) -> Step:
        docs = ("--docs", str(self._options.docs.resolve())) if self._options.docs else ()
        command = ("sightline-app", "ingest", "--json", *docs)
        return Step("ingest", "reading and indexing the corpus", command, self._admin_env)

    async def _ask(self) -> Mapping[str, Any]:
        """Ask the questions; the first answers are shown while they arrive."""
        shown = self._settings.data_dir / "logs" / "ask.out"
        shown.unlink(missing_ok=True)
        follower = asyncio.create_task(self._show_lines(shown))
        try:
            return await self._try(self._ask_step())
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def _show_lines(self, file: Path) -> None:
        """Show whole lines as a program writes them; its JSON is none for a person."""
        text, shown = "", 0
        while True:
            await asyncio.sleep(0.1)
            with contextlib.suppress(OSError):
                text = file.read_text(errors="replace")
            end = text.rfind("\n") + 1
            self._screen.block("\n".join(line for line in text[shown:end].splitlines() if not line.startswith("{")))
            shown = max(shown, end)

    def _ask_step(self) -> Step:
        # The local language model computes few requests at once; more would only wait.
        at_once = "2" if self._env.get("SIGHTLINE_MODEL") == "smollm2" else "4"
        command = ("sightline-app", "ask", "--json", "--limit", str(self._options.questions), "--concurrency", at_once)
        return Step("ask", "asking questions", (*command, "--show", str(_SHOWN_ANSWERS)), self._admin_env)

    def _score_step(self) -> Step:
        window_s = math.ceil(self._account.wall_s) + 1
        command = ("sightline-evals", "run", "--since", f"{window_s}s", "--limit", str(self._options.scored))
        return Step("evals", "scoring answers with RAGAS", (*command, "--json", "-"), self._reader_env, extra="evals")

    def _traffic_role(self) -> Role:
        command = ("sightline-app", "ask", "--forever", "--concurrency", "1", "--rate", _LIGHT_RATE)
        return Role("traffic", command, env=self._admin_env, restart=RestartPolicy(required=False), extra="app")
