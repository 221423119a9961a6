"""Celery: what a request sends to a queue is part of its trace, in whichever process it is done.

    celery --workdir examples -A celery_worker worker --pool solo
    python examples/celery_worker.py "Paris is the capital of France."

Needs `celery[redis]`, `opentelemetry-instrumentation-celery`, a Redis (CELERY_BROKER_URL) and the collector.
"""

import os
import sys

from celery import Celery, signals

import sightline

URL = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
app = Celery("celery_worker", broker=URL, backend=URL)


@signals.worker_init.connect
@signals.worker_process_init.connect  # each process of a pool that forks sends its own spans
def start(**_: object) -> None:
    """Trace the worker."""
    sightline.configure(service_name="celery-worker")
    sightline.instrument(only=["celery"])


@app.task(name="index")
@sightline.workflow("index")
def index(text: str) -> int:
    """Cut a text into words, as a stand-in for the work of an ingestion."""
    return len(text.split())


if __name__ == "__main__":
    sightline.configure(service_name="celery-client")
    sightline.instrument(only=["celery"])
    with sightline.request("upload"):
        sys.stdout.write(f"{index.delay(sys.argv[1]).get(timeout=300)} words\n")
