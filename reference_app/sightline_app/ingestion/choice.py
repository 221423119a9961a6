"""Who works on the documents of an app: the app itself, or the workers behind a broker."""

from __future__ import annotations

import logging

import sightline
from sightline_app.ingestion.broker_queue import BrokerQueue
from sightline_app.ingestion.process_queue import ProcessQueue, Serving
from sightline_app.ingestion.queue import DocumentQueue
from sightline_app.ingestion.work import OpenWriter
from sightline_app.settings import AppSettings

_log = logging.getLogger("sightline.app")


def open_queue(settings: AppSettings, serving: Serving, open_writer: OpenWriter) -> DocumentQueue:
    """Return the queue of the settings, and say in the log which one it is.

    Args:
        settings: of the broker; without one, this process works.
        serving: the index that is served.
        open_writer: of the vector store.

    Raises:
        MissingExtra: a broker is set, and Celery is not installed.
    """
    if settings.ingestion.broker_secret_url is None:
        _log.info("no SIGHTLINE_APP_BROKER_URL: this process indexes what is uploaded, one document after the other")
        return ProcessQueue(settings, serving, open_writer)
    from sightline_app.ingestion.celery_app import Publisher  # noqa: PLC0415

    publisher = Publisher(settings.ingestion)
    sightline.instrument(only=("celery",))
    _log.info("what is uploaded is indexed by `sightline-app worker`, behind SIGHTLINE_APP_BROKER_URL")
    return BrokerQueue(settings, publisher)
