"""Which parts of the app are away: asked by load balancers before they send questions here.

Everybody may ask, so the answer names no addresses; the log does.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx

from sightline_app.ingestion.queue import DocumentQueue
from sightline_app.limits.limiter import Limiter
from sightline_app.pipeline import Pipeline
from sightline_app.settings import AppSettings, ModelEndpoint
from sightline_app.state.redis_link import RedisLink

_log = logging.getLogger("sightline.app")
_MODEL_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Part:
    """What a question needs, or can do without."""

    away: str
    """Why it is away; '' when it is there."""
    needed: bool
    """Whether no question can be answered without it."""
    detail: str


class Readiness:
    """Asks each part whether it is there.

    Args:
        settings: addresses of the models, and what limits are set.
        link: the Redis; None where this process keeps the state.
        limiter: what it does without its ledger.
        documents: uploads that wait.
        asks_keys: whether callers need API keys.
    """

    def __init__(
        self,
        settings: AppSettings,
        link: RedisLink | None,
        limiter: Limiter,
        documents: DocumentQueue,
        *,
        asks_keys: bool,
    ) -> None:
        self._settings = settings
        self._link = link
        self._limiter = limiter
        self._documents = documents
        self._client = httpx.AsyncClient(timeout=_MODEL_TIMEOUT_S)
        self._keys = "API keys are asked for" if asks_keys else "open: no API keys are asked for"

    async def parts(self, pipeline: Pipeline) -> dict[str, Part]:
        """Ask all parts at the same time."""
        settings = self._settings
        small = settings.endpoint, "OPENAI_BASE_URL"
        large_at = (
            "OPENAI_BASE_URL" if settings.route.large_base_url is None else settings.route.variable("large_base_url")
        )
        large = settings.large_endpoint, large_at
        index, model, large_model, state = await asyncio.gather(
            self._index(pipeline), self._model(*small), self._model(*large), self._state()
        )
        kept = "this process only" if self._link is None else "Redis"
        when_away = "answers unchecked" if self._limiter.admits_when_away else "answers 503"
        limits = (
            f"{self._keys}; without its ledger a limited request gets {when_away}; {self._limiter.owed} charges wait"
        )
        return {
            "retrieval": Part(index, True, pipeline.retriever.backend),
            **self._models(model, large_model),
            "conversations": Part(state, False, f"kept in {kept}"),
            "limits": Part(state, not self._limiter.admits_when_away, limits),
            "documents": Part(self._documents_away(), False, f"{self._documents.waiting} wait to be indexed"),
        }

    async def report(self, pipeline: Pipeline) -> tuple[bool, dict[str, Any]]:
        """Return whether questions can be answered, and the state of each part."""
        parts = await self.parts(pipeline)
        ready = not any(part.away and part.needed for part in parts.values())
        degraded = self._link is None or any(part.away for part in parts.values())
        told = {
            name: {"ready": not part.away, "needed": part.needed, "detail": part.away or part.detail}
            for name, part in parts.items()
        }
        return ready, {"ready": ready, "degraded": degraded, "parts": told}

    def _documents_away(self) -> str:
        return f"{self._documents.waiting} wait; the log says why" if self._documents.failure else ""

    async def _index(self, pipeline: Pipeline) -> str:
        return "" if await pipeline.retriever.ready() else f"{pipeline.retriever.backend} does not answer"

    def _models(self, away: str, large_away: str) -> dict[str, Part]:
        """Return the parts of the models; where one stands in for the other, neither alone is needed."""
        route, large = self._settings.route, self._settings.large_endpoint
        if large is None:
            return {"model": Part(away, True, self._settings.chat_model)}
        all_large = route.rule == "large"
        needed, large_needed = (bool(large_away), bool(away)) if route.fallback else (not all_large, all_large)
        return {
            "model": Part(away, needed, self._settings.chat_model),
            "large_model": Part(large_away, large_needed, large.model),
        }

    async def _model(self, endpoint: ModelEndpoint | None, variable: str) -> str:
        """Return why a model is away; '' where it is there, or where there is none."""
        if endpoint is None:
            return ""
        url = f"{endpoint.base_url.rstrip('/')}/models"
        headers = {"authorization": f"Bearer {endpoint.api_key}"}
        try:
            status = (await self._client.get(url, headers=headers)).status_code
        except httpx.HTTPError as exc:
            _log.warning("the model at %s is not reachable: %s", url, exc)
            return f"it is not reachable ({variable})"
        return f"it answers {status} ({variable})" if status >= 500 else ""

    async def _state(self) -> str:
        return "" if self._link is None or await self._link.answers() else "Redis is away"

    async def close(self) -> None:
        """Close the connections to the models."""
        await self._client.aclose()
