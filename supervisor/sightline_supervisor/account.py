"""The account of a demo: what its processes emitted, and what every role says came of it.

Each number comes from a role's own interface; the wait for it is here, the record and its table are in `summary`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sightline_supervisor.probe import fetch_json
from sightline_supervisor.role import Step
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.summary import Summary, count, first_row, number, worst_answer
from sightline_supervisor.supervise import Supervisor

_SETTLE_S: Final = 60.0
_PRICED_S: Final = 15.0


class Account:
    """Follows one run from its making on.

    Args:
        settings: where the roles are.
    """

    def __init__(self, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._begun_s = time.monotonic()
        self._since = datetime.now(UTC)
        self._emitted = 0
        self._dropped = 0

    @property
    def wall_s(self) -> float:
        """Seconds since the begin."""
        return time.monotonic() - self._begun_s

    def add_spans(self, facts: Mapping[str, Any]) -> None:
        """Add the spans of a process that has ended, from the JSON object that it printed."""
        spans = facts.get("spans")
        if isinstance(spans, dict):
            self._emitted += count(spans.get("emitted")) or 0
            self._dropped += count(spans.get("dropped")) or 0

    async def answers_stored(self) -> None:
        """Wait until the spans of the answers are in the store: what is scored is read from there."""
        await fetch_json(f"{self._settings.app_address}/stats?flush=1", timeout_s=30)
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            collector = await self._collector()
            received, stored = (count(collector.get(f"{fate}_spans")) or 0 for fate in ("received", "stored"))
            if received and stored + (count(collector.get("dead_letter_spans")) or 0) >= received:
                return
            await asyncio.sleep(0.2)

    async def sum_up(
        self,
        supervisor: Supervisor,
        env: Mapping[str, str],
        *,
        ready_s: float,
        scored: Mapping[str, Any],
        knows_answers: bool,
        notes: Sequence[str],
    ) -> Summary:
        """Wait until what was emitted has arrived, then ask every role for its numbers.

        Args:
            supervisor: of the run.
            env: of who reads the store.
            ready_s: how long it took until questions could be asked, in seconds.
            scored: the report of the scores; empty where there is none.
            knows_answers: whether the questions have known answers.
            notes: what the person must know.
        """
        settings = self._settings
        app = await fetch_json(f"{settings.app_address}/stats?flush=1", timeout_s=30) or {}
        health = await fetch_json(f"{settings.app_address}/healthz") or {}
        emitted = self._emitted + (count(app.get("emitted")) or 0)
        row = await self._stored(supervisor, env, emitted)
        collector = await self._collector()
        restarts = supervisor.restarts()
        if "app" in restarts:
            notes = [*notes, "The app was started again: what it emitted before is not among the spans emitted."]
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
            priced_as=env.get("SIGHTLINE_PRICED_AS"),
            retrieval_hit_at_5=number(row.get("retrieval_hit_at_5")) if knows_answers else None,
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
            wall_s=self.wall_s,
            embedding=_named(health.get("embedding")),
            retrieval_backend=str(health["retrieval"]) if health.get("retrieval") else None,
            model=f"{model} ({model_note})" if model and model_note else model,
            restarts=dict(restarts),
            notes=tuple(notes),
        )

    async def _collector(self) -> Mapping[str, Any]:
        return await fetch_json(f"{self._settings.collector_address}/stats") or {}

    async def _stored(self, supervisor: Supervisor, env: Mapping[str, str], emitted: int) -> Mapping[str, Any]:
        """Ask the store until it has all spans, scores and prices, or for as long as that can take."""
        # The begin of the run as ClickHouse reads a DateTime64(3, 'UTC').
        since = f"{self._since:%Y-%m-%d %H:%M:%S}.{self._since.microsecond // 1000:03}"
        step = Step(
            "summary",
            "waiting until every span is stored",
            ("sightline-store", "query", "demo_summary", "--format", "json", "--param", f"since={since}"),
            env,
            extra="collector",
        )
        deadline, priced_until = time.monotonic() + _SETTLE_S, time.monotonic() + _PRICED_S
        while True:
            # Scores arrive as logs: what the collector had received before the question must be in the answer.
            collector = await self._collector()
            logs = {fate: count(collector.get(f"{fate}_logs")) or 0 for fate in ("received", "stored", "dead_letter")}
            all_scored = logs["stored"] + logs["dead_letter"] >= logs["received"]
            text = (await supervisor.run_step(step)).stdout
            row = first_row(json.loads(text) if text.strip() else None)
            all_stored = all_scored and (count(row.get("spans_stored")) or 0) >= emitted
            priced = number(row.get("cost_usd")) is not None or "SIGHTLINE_PRICED_AS" not in env
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
