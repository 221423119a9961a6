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
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from sightline_supervisor.drift_runs import compute_drift
from sightline_supervisor.errors import StepFailed
from sightline_supervisor.folder_lock import FolderLock
from sightline_supervisor.harms import break_step, chaos_env
from sightline_supervisor.probe import fetch_json
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
from sightline_supervisor.summary import Summary, count, first_row, number, table, worst_answer
from sightline_supervisor.supervise import StepResult, Supervisor, last_json
from sightline_supervisor.up import STORE, check_start, open_page, start_store, tell_renewed

_SETTLE_S = 60.0
_PRICED_S = 15.0
_LIGHT_RATE = "0.3"  # conversations a second after the summary: charts move, the machine stays free
_OTHER_DOCS = "The shipped questions are about Python: on other documents they have no known answers, so no hit rate."
_SHOWN_ANSWERS = 3
_NO_MODEL = (
    "NO LANGUAGE MODEL: answers are sentences picked from the passages (extractive, no LLM). The reason: {reason}"
)
_FALLBACK = "Weaviate is not to be had here: vector search runs inside ClickHouse instead (see {log})."
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
    """One of `harms.HARMS` to do for two minutes, after the summary; None breaks nothing."""


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
        self._begun_s = time.monotonic()
        self._since = datetime.now(UTC)
        self._env = demo_env(settings, environ)
        if options.harm is not None:
            self._env |= chaos_env()
        self._keys: StoreKeys = NO_KEYS
        self._base_env = base_env(environ)
        self._wants_weaviate = environ.get("SIGHTLINE_RETRIEVAL", "auto") != "clickhouse"
        self._wants_redis = environ.get("SIGHTLINE_APP_STATE", "auto") != "process"
        self._notes: list[str] = [_OTHER_DOCS] if options.docs else []
        self._problems: list[str] = []
        self._emitted = 0
        self._dropped = 0
        self._supervisor: Supervisor
        self.roles = self._all_roles()

    async def go(self, supervisor: Supervisor) -> int:
        self._supervisor = supervisor
        self._keys = await supervisor.guard(store_keys(self._settings, self._base_env))
        tell_renewed(self._keys, self._screen)
        self.roles = self._all_roles()
        await supervisor.guard(start_store(supervisor, self._screen, self.roles, self._admin_env))
        await supervisor.guard(self._get_ready())
        ready_s = time.monotonic() - self._begun_s
        self._screen.done(f"Ready in {ready_s:.1f} s. Dashboards: {self._settings.dashboards_address}")
        if self._options.open_browser:
            open_page(self._settings.dashboards_address)
        await supervisor.guard(self._ask())
        await supervisor.guard(self._answers_stored())
        scored = await supervisor.guard(self._try(self._score_step()))
        summary = await supervisor.guard(self._sum_up(ready_s, scored))
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
            await supervisor.guard(self._try(break_step(self._options.harm, self._admin_env)))
        window_s = self._settings.drift_window_s
        await supervisor.guard(compute_drift(supervisor, self._screen, self._reader_env, window_s))
        await supervisor.run_until_stopped()
        return 0

    def _all_roles(self) -> list[Role]:
        wanted = {"with_weaviate": self._wants_weaviate, "with_redis": self._wants_redis}
        return demo_roles(self._settings, self._env, self._keys, **wanted)

    async def _answers_stored(self) -> None:
        """Wait until the spans of the answers are in the store: what is scored is read from there."""
        await fetch_json(f"{self._settings.app_address}/stats?flush=1", timeout_s=30)
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            collector = await fetch_json(f"{self._settings.collector_address}/stats") or {}
            received, stored = (count(collector.get(f"{fate}_spans")) or 0 for fate in ("received", "stored"))
            if received and stored + (count(collector.get("dead_letter_spans")) or 0) >= received:
                return
            await asyncio.sleep(0.2)

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
        self._count_spans(last_json(ingested.stdout) or {})
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
        self._count_spans(facts)
        self._screen.done(f"{step.title}: done in {result.took_s:.1f} s")
        return facts

    def _count_spans(self, facts: Mapping[str, Any]) -> None:
        """Add the spans that a process of its own emitted."""
        spans = facts.get("spans")
        if isinstance(spans, dict):
            self._emitted += count(spans.get("emitted")) or 0
            self._dropped += count(spans.get("dropped")) or 0

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
        window_s = math.ceil(time.monotonic() - self._begun_s) + 1
        command = ("sightline-evals", "run", "--since", f"{window_s}s", "--limit", str(self._options.scored))
        return Step("evals", "scoring answers with RAGAS", (*command, "--json", "-"), self._reader_env, extra="evals")

    def _traffic_role(self) -> Role:
        command = ("sightline-app", "ask", "--forever", "--concurrency", "1", "--rate", _LIGHT_RATE)
        return Role("traffic", command, env=self._admin_env, restart=RestartPolicy(required=False), extra="app")

    @property
    def _since_text(self) -> str:
        """The begin of the run as ClickHouse reads a DateTime64(3, 'UTC')."""
        return f"{self._since:%Y-%m-%d %H:%M:%S}.{self._since.microsecond // 1000:03}"

    async def _sum_up(self, ready_s: float, scored: Mapping[str, Any]) -> Summary:
        """Wait until what was emitted has arrived, then ask every role for its numbers."""
        settings = self._settings
        app = await fetch_json(f"{settings.app_address}/stats?flush=1", timeout_s=30) or {}
        health = await fetch_json(f"{settings.app_address}/healthz") or {}
        emitted = self._emitted + (count(app.get("emitted")) or 0)
        row = await self._stored(emitted)
        collector = await fetch_json(f"{settings.collector_address}/stats") or {}
        restarts = self._supervisor.restarts()
        if "app" in restarts:
            self._notes.append("The app was started again: what it emitted before is not among the spans emitted.")
        model_note = str(health.get("note") or "")
        model = str(health.get("model") or "") or None
        low, high = (number(_inside(scored, "metrics", "faithfulness").get(end)) for end in ("low", "high"))
        return Summary(
            requests=count(row.get("requests")),
            errors=count(row.get("errors")),
            error_types=str(row.get("error_types") or "") or None,
            ttft_p50_ms=number(row.get("ttft_p50_ms")),
            ttft_p95_ms=number(row.get("ttft_p95_ms")),
            total_p50_ms=number(row.get("total_p50_ms")),
            total_p95_ms=number(row.get("total_p95_ms")),
            input_tokens=count(row.get("input_tokens")),
            output_tokens=count(row.get("output_tokens")),
            queue_p50_ms=number(row.get("queue_p50_ms")),
            queue_p95_ms=number(row.get("queue_p95_ms")),
            prompt_p50_ms=number(row.get("prompt_p50_ms")),
            prompt_p95_ms=number(row.get("prompt_p95_ms")),
            cached_input_tokens=count(row.get("cached_input_tokens")),
            worst=worst_answer(scored),
            cost_usd=number(row.get("cost_usd")),
            priced_as=self._env.get("SIGHTLINE_PRICED_AS"),
            retrieval_hit_at_5=None if self._options.docs else number(row.get("retrieval_hit_at_5")),
            faithfulness=number(row.get("faithfulness")),
            faithfulness_low=low,
            faithfulness_high=high,
            faithfulness_n=count(row.get("faithfulness_n")),
            judge=str(_inside(scored, "run").get("judge") or "") or None,
            spans_emitted=emitted if app else None,
            spans_dropped=self._dropped + (count(app.get("dropped")) or 0),
            spans_received=count(collector.get("received_spans")),
            spans_stored=count(row.get("spans_stored")),
            ready_s=ready_s,
            wall_s=time.monotonic() - self._begun_s,
            embedding=_named(health.get("embedding")),
            retrieval_backend=str(health["retrieval"]) if health.get("retrieval") else None,
            model=f"{model} ({model_note})" if model and model_note else model,
            restarts=dict(restarts),
            notes=tuple(self._notes),
        )

    async def _stored(self, emitted: int) -> Mapping[str, Any]:
        """Ask the store until it has all spans, scores and prices, or for as long as that can take."""
        step = Step(
            "summary",
            "waiting until every span is stored",
            ("sightline-store", "query", "demo_summary", "--format", "json", "--param", f"since={self._since_text}"),
            self._reader_env,
            extra="collector",
        )
        deadline, priced_until = time.monotonic() + _SETTLE_S, time.monotonic() + _PRICED_S
        while True:
            # Scores arrive as logs: what the collector had received before the question must be in the answer.
            collector = await fetch_json(f"{self._settings.collector_address}/stats") or {}
            logs = {fate: count(collector.get(f"{fate}_logs")) or 0 for fate in ("received", "stored", "dead_letter")}
            all_scored = logs["stored"] + logs["dead_letter"] >= logs["received"]
            text = (await self._step(step)).stdout
            row = first_row(json.loads(text) if text.strip() else None)
            all_stored = all_scored and (count(row.get("spans_stored")) or 0) >= emitted
            priced = number(row.get("cost_usd")) is not None or "SIGHTLINE_PRICED_AS" not in self._env
            if (all_stored and (priced or time.monotonic() > priced_until)) or time.monotonic() > deadline:
                return row
            await asyncio.sleep(1.0)


def _inside(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the object at a path of keys; empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _named(embedding: Any) -> str | None:
    """Return `name version` of the embedding as the app's health answer gives it."""
    if isinstance(embedding, dict):
        return " ".join(str(embedding[key]) for key in ("name", "version") if embedding.get(key)) or None
    return str(embedding) if embedding else None
