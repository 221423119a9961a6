"""The Celery application: one queue, one task, and settings under which a killed worker loses nothing.

================================  ==================================================================================
late acknowledgement              a message stays in the broker until its document is done
rejected with a lost worker       a killed child's message goes back at once
one message at a time             no worker sits on messages that an idle one could take
visibility above the longest task Redis gives a message to another worker only when its own must have ended
JSON only                         nobody who reaches the broker can make a worker run code
no results                        how far a document is stands in its record, not in the broker
durable queue, confirmed messages RabbitMQ has a message on its disk when sending it returns
================================  ==================================================================================

A message names a document, it does not hold it: original and record are in the data folder. So a message that is lost
with its broker, or comes twice, changes nothing (`broker_queue`, `work`).

Source: https://docs.celeryq.dev/en/stable/userguide/configuration.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sightline_app.errors import BrokerUnavailable, InvalidSetting, MissingExtra
from sightline_app.settings import IngestionSettings

if TYPE_CHECKING:
    from celery import Celery, Task

_SCHEMES: Final = ("redis://", "rediss://", "amqp://", "amqps://")
TASK: Final = "sightline_app.do_document"
"""Name of the task; its arguments are `tenant` and `document`, an id."""
HARD_MARGIN_S: Final = 30.0
"""Seconds between the exception of the time limit and the end of the process."""
_VISIBILITY_MARGIN_S: Final = 60.0
_CONNECT_S: Final = 3.0
_CONFIRM_S: Final = 10.0
"""Longest wait for RabbitMQ to confirm a message: one that is short of memory or disk takes none."""


def make_app(settings: IngestionSettings, do: Callable[[Any, str, str], None]) -> Celery:
    """Return the application.

    Args:
        settings: of the broker.
        do: what the task does; gets the task, a tenant and the id of a document.

    Raises:
        InvalidSetting: the address is none of a broker.
        MissingExtra: Celery is not installed.
    """
    url = settings.broker_secret_url or ""
    if not url.startswith(_SCHEMES):  # not shown: it may hold a password
        raise InvalidSetting("SIGHTLINE_APP_BROKER_URL", "***", f"needs one that begins with {', '.join(_SCHEMES)}")
    try:
        from celery import Celery  # noqa: PLC0415
    except ImportError as exc:
        raise MissingExtra("SIGHTLINE_APP_BROKER_URL", "set", "workers") from exc
    hard_s = settings.task_limit_s + HARD_MARGIN_S
    transport: dict[str, Any] = {}
    if url.startswith("redis"):
        transport = {
            "visibility_timeout": hard_s + _VISIBILITY_MARGIN_S,
            "socket_connect_timeout": _CONNECT_S,
            "socket_timeout": _CONNECT_S + 10.0,
            "health_check_interval": 10,
        }
    else:
        transport = {"confirm_publish": True}
    app = Celery("sightline_app", broker=url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=True,
        task_default_queue=settings.queue,
        task_soft_time_limit=settings.task_limit_s,
        task_time_limit=hard_s,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_transport_options=transport,
        broker_connection_timeout=_CONNECT_S,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry=False,
    )

    def do_document(task: Any, tenant: str, document: str) -> None:  # Celery makes code from a function's own name
        do(task, tenant, document)

    app.task(name=TASK, bind=True, max_retries=None, shared=False)(do_document)
    app.set_current()
    return app


class Publisher:
    """Sends messages for documents.

    Args:
        settings: of the broker.
    """

    def __init__(self, settings: IngestionSettings) -> None:
        def do(task: object, tenant: str, document: str) -> None:
            raise NotImplementedError("documents are done by `sightline-app worker`")

        self._app = make_app(settings, do)
        self._task: Task[Any, Any] = self._app.tasks[TASK]

    def send(self, tenant: str, document: str) -> None:
        """Send one message, in the trace that goes on now.

        Raises:
            BrokerUnavailable: the broker did not take it.
        """
        with _answering():
            self._task.apply_async(kwargs={"tenant": tenant, "document": document}, confirm_timeout=_CONFIRM_S)

    def waiting(self) -> int:
        """Return how many messages wait for a worker; those that a worker holds do not count.

        Raises:
            BrokerUnavailable: the broker did not answer.
        """
        with _answering(), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=_CONNECT_S)
            with connection.channel() as channel:
                try:
                    return int(
                        channel.queue_declare(queue=self._app.conf.task_default_queue, passive=True).message_count
                    )
                except connection.channel_errors:  # there was never a message
                    return 0
                except connection.connection_errors as exc:
                    raise BrokerUnavailable(f"the broker does not answer: {type(exc).__name__}") from exc


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Tell a broker that is away from other errors."""
    from amqp.exceptions import MessageNacked  # noqa: PLC0415
    from celery.exceptions import OperationalError  # noqa: PLC0415

    try:
        yield
    except (OperationalError, MessageNacked, OSError) as exc:
        raise BrokerUnavailable(f"the broker does not answer: {type(exc).__name__}") from exc
