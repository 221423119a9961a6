"""A queue whose worker posts to one OTLP endpoint, built from the settings: for spans, scores and metrics."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sightline.export.otlp_http import Answer, OtlpHttpSender
from sightline.export.otlp_wire import rejected_items
from sightline.export.outbox import Outbox
from sightline.settings import TracingSettings

T = TypeVar("T")


def deliver(
    items_name: str,
    settings: TracingSettings,
    url: str,
    headers: tuple[tuple[str, str], ...],
    encode: Callable[[Sequence[T]], bytes],
    *,
    rejected: Callable[[bytes], int] = rejected_items,
    observe: Callable[[Sequence[T]], None] = lambda _: None,
    answered: Callable[[Answer], None] = lambda _: None,
    queue_size: int | None = None,
    batch_size: int | None = None,
) -> Outbox[T]:
    """Return an outbox whose worker posts what ``encode`` makes of a batch.

    Args:
        items_name: plural noun for the log.
        settings: queue, batches, interval, time limit, compression, certificate.
        url: of the endpoint.
        headers: of each request.
        encode: batch -> request body.
        rejected: response body -> items that the receiver refused.
        observe: called with each batch as it leaves the queue, and with ``()`` when the queue is empty.
        answered: called with each answer of the receiver.
        queue_size: items that may wait, instead of the setting.
        batch_size: items in one request, instead of the setting.
    """
    sender = OtlpHttpSender(url, headers, settings.timeout_s, settings.compression, settings.certificate)

    def send(body: bytes, timeout_s: float) -> Answer:
        answer = sender.send(body, timeout_s)
        answered(answer)
        return answer

    return Outbox(
        items_name,
        encode,
        send,
        rejected=rejected,
        queue_size=queue_size or settings.queue_size,
        batch_size=batch_size or settings.batch_size,
        interval_s=settings.flush_interval_s,
        timeout_s=settings.timeout_s,
        after_fork=sender.leave_to_parent,
        observe=observe,
    )
