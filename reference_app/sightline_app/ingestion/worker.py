"""`sightline-app worker`: a Celery worker with the settings of `celery_app`, traced, for the documents of the app.

It needs the data folder of the app, where originals and the index's manifest are. SIGTERM lets it finish what it is
busy with; a worker that is killed leaves its documents to the others.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
from typing import Any

import sightline
from sightline_app.errors import AppError, InvalidSetting
from sightline_app.index import open_writer
from sightline_app.ingestion import retrying
from sightline_app.ingestion.celery_app import make_app
from sightline_app.ingestion.loaded_index import LoadedIndex
from sightline_app.ingestion.work import DocumentWork
from sightline_app.settings import AppSettings

SERVICE = "rag-worker"
"""`service.name` of its spans."""
_log = logging.getLogger("sightline.app")
_CHILD_TASKS = 1000
"""Documents after which a child of the worker is replaced: what a parser leaks is bounded."""


class DocumentTasks:
    """What the task does in a process; index and embedding are loaded at its first document.

    Not before: the process forks, and what runs threads (the embedding, gRPC) does not outlive a fork.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._work: DocumentWork | None = None

    def work(self) -> DocumentWork:
        """Return what does the work, made once."""
        from celery.exceptions import SoftTimeLimitExceeded  # noqa: PLC0415

        if self._work is None:
            passing = (SoftTimeLimitExceeded,)
            self._work = DocumentWork(self._settings, LoadedIndex(self._settings).target, open_writer, passing=passing)
        return self._work

    def do(self, task: Any, tenant: str, document: str) -> None:
        """Do a document; it comes again later where that can help."""
        work, longest_s = self.work(), self._settings.ingestion.longest_wait_s
        found = work.folder.find(tenant, document)
        if found is None:
            return
        try:
            later = work.do(found)
        except (AppError, OSError) as exc:  # a setting that does not suit the index, or a full disk
            _log.warning("document %s waits: %s", document, exc)
            raise task.retry(countdown=retrying.delay_s(task.request.retries + 1, longest_s), exc=exc) from exc
        if later is not None:
            wait_s = later.after_s or (retrying.delay_s(task.request.retries + 1, longest_s) if later.why else 1.0)
            raise task.retry(countdown=wait_s)


def run(settings: AppSettings, options: argparse.Namespace) -> int:
    """Work until a signal."""
    if settings.ingestion.broker_secret_url is None:
        raise InvalidSetting(
            "SIGHTLINE_APP_BROKER_URL", "", "set it to a Redis or RabbitMQ, such as redis://127.0.0.1:6379/1"
        )
    if options.concurrency < 1:
        raise InvalidSetting("--concurrency", options.concurrency, "needs at least 1")
    app = make_app(settings.ingestion, DocumentTasks(settings).do)
    # Before the fork: the library renews itself in each child, and sends what a child made before it ends.
    tracing = sightline.configure(service_name=SERVICE, capture=settings.capture)
    sightline.instrument(only=("celery",))
    name = options.name or f"{socket.gethostname()}-{os.getpid()}"
    arguments = ["worker", "--loglevel", "INFO", "--hostname", f"documents@{name}"]
    arguments += ["--concurrency", str(options.concurrency), "--max-tasks-per-child", str(_CHILD_TASKS)]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--queues", settings.ingestion.queue]
    try:
        app.worker_main(arguments)
    except SystemExit as exc:
        return int(exc.code or 0)
    finally:
        tracing.shutdown()
    return 0
