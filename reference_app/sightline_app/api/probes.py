"""What supervisors and load balancers ask: what is served, whether questions can be answered, counts of spans."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

import sightline
from sightline_app.api import schema
from sightline_app.api.index_in_use import IndexInUse
from sightline_app.api.openapi import errors
from sightline_app.api.readiness import Readiness
from sightline_app.scaling.drain import Drain
from sightline_app.scaling.signals import CONTENT_TYPE, ScaleSignals
from sightline_app.settings import AppSettings

_STOPPING = {
    "ready": False,
    "degraded": True,
    "parts": {"process": {"ready": False, "needed": True, "detail": "it is stopping"}},
}


def add_probes(
    app: FastAPI,
    settings: AppSettings,
    tracing: sightline.Tracing,
    serving: IndexInUse,
    readiness: Readiness,
    *,
    drain: Drain,
    signals: ScaleSignals,
) -> None:
    """Add the routes, which need no key and are not traced.

    Args:
        app: gets them.
        settings: names of the model.
        tracing: counts spans.
        serving: the pipeline.
        readiness: asks each part.
        drain: whether this process is stopping.
        signals: its metrics.
    """

    @app.get(
        "/healthz",
        tags=["operations"],
        summary="What is served",
        operation_id="health",
        responses={
            200: {"model": schema.HealthBody, "description": "The vector store answers"},
            503: {"model": schema.HealthBody, "description": "It does not"},
        },
    )
    async def health() -> JSONResponse:
        """Return the index, the embedding and the model, and whether the vector store answers."""
        pipeline = serving.pipeline
        ready = await pipeline.retriever.ready()
        told = {
            "ready": ready,
            "embedding": {"name": pipeline.embedding.name, "version": pipeline.embedding.version},
            "retrieval": pipeline.retriever.backend,
            "index": {"version": pipeline.manifest.version, "passages": pipeline.manifest.passages},
            "model": settings.chat_model,
            "note": pipeline.generator.note,
            "priced_as": settings.priced_as,
        }
        return JSONResponse(told, 200 if ready else 503)

    @app.get(
        "/readyz",
        tags=["operations"],
        summary="Whether questions can be answered now",
        operation_id="ready",
        responses={
            200: {"model": schema.ReadyBody, "description": "They can, perhaps without what is not needed"},
            503: {"model": schema.ReadyBody, "description": "They cannot"},
        },
    )
    async def ready() -> JSONResponse:
        """Return each part, whether it is there, and whether it is needed. Addresses are in the log only."""
        if drain.has_begun:
            return JSONResponse(_STOPPING, 503)
        is_ready, told = await readiness.report(serving.pipeline)
        return JSONResponse(told, 200 if is_ready else 503)

    @app.get(
        "/stats",
        tags=["operations"],
        summary="Counts of the spans of this process",
        operation_id="stats",
        responses={200: {"model": schema.StatsBody, "description": "Since its start"}, **errors(422)},
    )
    async def stats(flush: int = 0) -> dict[str, int]:
        """Return how many spans were made, sent and dropped; `flush=1` sends what waits before that."""
        if flush:
            await asyncio.to_thread(tracing.force_flush, 5.0)
        counted = tracing.stats()
        return {name: getattr(counted, name) for name in ("emitted", "exported", "dropped", "queued")}

    @app.get(
        "/metrics",
        tags=["operations"],
        summary="What autoscalers read",
        operation_id="metrics",
        response_class=Response,
        responses={
            200: {
                "description": "Metrics in Prometheus' text form; no tenant and no user is named",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    )
    async def metrics() -> Response:
        """Return work in progress, what waits, times to the first token and of the model, and the use of budgets."""
        return Response(signals.page(), media_type=CONTENT_TYPE)
