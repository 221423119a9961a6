"""`sightline-app reembed`: embed a whole collection again, as a workflow of Temporal, and follow it."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sightline
from sightline_app.errors import BrokerUnavailable, CorpusError, InvalidSetting, MissingExtra
from sightline_app.ingestion.indexing import STAGE
from sightline_app.settings import AppSettings

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

SERVICE = "rag-reembed"
"""`service.name` of its spans."""
_CONNECT_S = 10.0
_LOOK_S = 1.0


def run(settings: AppSettings, options: argparse.Namespace) -> int:
    """Begin it or go on with it."""
    if options.batch < 1:
        raise InvalidSetting("--batch", options.batch, "needs at least 1")
    tracing = sightline.configure(service_name=SERVICE, capture=settings.capture)
    try:
        return asyncio.run(_Command(settings, options.batch).run(options))
    except ImportError as exc:
        if (exc.name or "").partition(".")[0] != "temporalio":
            raise
        raise MissingExtra("SIGHTLINE_APP_TEMPORAL_ADDRESS", "set", "temporal") from exc
    finally:
        tracing.force_flush(5.0)
        tracing.shutdown()


def workflow_id(settings: AppSettings) -> str:
    """Return the id of the workflow of a collection: at most one runs."""
    return f"reembed-{settings.collection}"


class _Command:
    def __init__(self, settings: AppSettings, batch: int) -> None:
        self._settings = settings
        self._batch = batch
        self._client: Client

    async def run(self, options: argparse.Namespace) -> int:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._client = await self._connect()
        if options.status or options.cancel:
            return await self._existing(cancel=options.cancel)
        if options.worker:
            async with self._worker():
                await stop.wait()
            return 0
        with sightline.trace("index.reembed", stage=STAGE, capture="recorded"):
            handle = await self._start()
            sightline.annotate({"temporal.workflow.id": handle.id})
        if options.detach:
            sys.stdout.write(f"{handle.id} runs; `sightline-app reembed --status` says how far it is\n")
            return 0
        async with self._worker():
            return await self._follow(handle, stop)

    async def _connect(self) -> Client:
        from temporalio.client import Client  # noqa: PLC0415
        from temporalio.contrib.opentelemetry import TracingInterceptor  # noqa: PLC0415

        ingestion = self._settings.ingestion
        try:
            connecting = Client.connect(
                ingestion.temporal_address,
                namespace=ingestion.temporal_namespace,
                interceptors=[TracingInterceptor()],
            )
            return await asyncio.wait_for(connecting, _CONNECT_S)
        except (RuntimeError, TimeoutError) as exc:
            raise BrokerUnavailable(
                f"Temporal at SIGHTLINE_APP_TEMPORAL_ADDRESS={ingestion.temporal_address} does not answer; start it "
                "with `temporal server start-dev --headless`"
            ) from exc

    async def _start(self) -> WorkflowHandle[Any, Any]:
        from temporalio.common import WorkflowIDConflictPolicy  # noqa: PLC0415

        from sightline_app.ingestion.reembedding.workflow import Order, ReembedCollection  # noqa: PLC0415

        return await self._client.start_workflow(
            ReembedCollection.run,
            Order(self._batch),
            id=workflow_id(self._settings),
            task_queue=self._settings.ingestion.temporal_task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    def _worker(self) -> Any:
        from temporalio.worker import Worker  # noqa: PLC0415

        from sightline_app.ingestion.reembedding.activities import ReembedActivities  # noqa: PLC0415
        from sightline_app.ingestion.reembedding.steps import Reembedding  # noqa: PLC0415
        from sightline_app.ingestion.reembedding.workflow import ReembedCollection  # noqa: PLC0415

        return Worker(
            self._client,
            task_queue=self._settings.ingestion.temporal_task_queue,
            workflows=[ReembedCollection],
            activities=ReembedActivities(Reembedding(self._settings)).all(),
            activity_executor=ThreadPoolExecutor(1, "reembed"),
            max_concurrent_activities=1,
        )

    async def _existing(self, *, cancel: bool) -> int:
        from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415

        handle = self._client.get_workflow_handle(workflow_id(self._settings))
        try:
            if cancel:
                await handle.cancel()
                sys.stdout.write(f"{handle.id} is being cancelled; a worker removes what it made\n")
                return 0
            described = await handle.describe()
        except RPCError as exc:
            if exc.status is not RPCStatusCode.NOT_FOUND:
                raise BrokerUnavailable(f"Temporal refused: {exc.message}") from exc
            raise CorpusError(f"there is no workflow {handle.id}; `sightline-app reembed` begins one") from exc
        status = described.status.name.lower() if described.status else "unknown"
        progress: dict[str, Any] = {}
        try:
            progress = asdict(await self._progress(handle))
        except RPCError as exc:
            progress = {"error": f"no worker answers: {exc.message}"}
        sys.stdout.write(json.dumps({"workflow": handle.id, "status": status, **progress}) + "\n")
        return 0

    @staticmethod
    async def _progress(handle: WorkflowHandle[Any, Any]) -> Any:
        from datetime import timedelta  # noqa: PLC0415

        from sightline_app.ingestion.reembedding.workflow import ReembedCollection  # noqa: PLC0415

        return await handle.query(ReembedCollection.progress, rpc_timeout=timedelta(seconds=5))

    async def _follow(self, handle: WorkflowHandle[Any, Any], stop: asyncio.Event) -> int:
        """Say how far it is until it ends, or this command is stopped."""
        from temporalio.client import WorkflowFailureError  # noqa: PLC0415
        from temporalio.service import RPCError  # noqa: PLC0415

        result = asyncio.create_task(handle.result())
        stopped = asyncio.create_task(stop.wait())
        said = ""
        while not result.done() and not stopped.done():
            await asyncio.wait({result, stopped}, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            try:
                now = await self._progress(handle)
            except RPCError:
                continue
            told = f"{now.state}: {now.embedded} of {now.passages} passages embedded with {now.model}\n"
            if told != said and now.version:
                sys.stderr.write(told)
                said = told
        stopped.cancel()
        if not result.done():
            result.cancel()
            sys.stdout.write(f"{handle.id} is not finished: run `sightline-app reembed` again to go on\n")
            return 0
        try:
            done = result.result()
        except WorkflowFailureError as exc:
            cause = getattr(exc.cause, "cause", None) or exc.cause
            raise CorpusError(f"{handle.id} ended without a new index: {cause}") from exc
        sys.stdout.write(f"{done['passages'] if isinstance(done, dict) else done.passages} passages embedded again\n")
        return 0
