"""The bounded queue between the caller and the network, with an exact account of every item.

Invariant, at any moment: ``emitted == exported + dropped + queued``. Nothing leaves silently.

- ``put`` appends to a deque under a re-entrant lock that only callers share (re-entrant: a garbage
  collection inside ``put`` may end another span). It does no I/O and wakes no thread: the worker looks at the
  queue every ``interval_s``.
- The worker retries a batch until the receiver accepts or refuses it. While the receiver is unavailable, the batch
  waits, the queue fills, and further items are dropped and counted.
- At exit the receiver's answers take most of the time: requests grow, while one of them still takes no more than a
  quarter of the time that is left.
- After a fork the child starts with an empty queue and its own worker: the parent sends what it had. What a child had
  not sent when it was killed is part of its parent's account: emitted there, and dropped.

The SDK's BatchSpanProcessor is not used because it gives up on a batch after its timeout and counts
neither those spans nor the ones that a full queue dropped.
"""

import collections
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sightline.export.otlp_http import Answer, Verdict
from sightline.forks import renew_in_child

_logger = logging.getLogger("sightline")
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_LONGEST_RETRY_AFTER_S = 60.0
_LOG_EVERY_S = 60.0
_MAX_REQUEST_BYTES_AT_EXIT = 4 * 1024**2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stats:
    """Account of one process since ``configure()`` (or since the fork)."""

    emitted: int
    """Ended and handed over."""
    exported: int
    """Accepted by the collector."""
    dropped: int
    """Lost: the queue was full, the collector refused them, or the process ended before it came back."""
    queued: int
    """Waiting or on the way."""


@dataclass(frozen=True, slots=True)
class Account(Stats):
    """The account, with the two ways in which something is dropped apart."""

    dropped_queue_full: int
    """Dropped because the queue was full."""
    dropped_undelivered: int
    """Dropped because the collector refused it, or the process ended before it came back."""


class Outbox(Generic[T]):
    """Queue, worker thread and account for one signal.

    Args:
        items_name: plural noun for the log, for example ``"spans"``.
        encode: batch -> request body. Runs on the worker.
        send: (request body, seconds at most) -> answer. Runs on the worker.
        rejected: response body -> items that the receiver refused (OTLP partial success).
        queue_size: items that may wait.
        batch_size: items in one request; more after ``close``, as far as they fit 4 MiB.
        interval_s: seconds between two looks at the queue.
        timeout_s: seconds for one request.
        observe: called with each batch as it leaves the queue, and with ``()`` when the queue is empty. Runs on the
            worker.
    """

    def __init__(
        self,
        items_name: str,
        encode: Callable[[Sequence[T]], bytes],
        send: Callable[[bytes, float], Answer],
        *,
        rejected: Callable[[bytes], int] = lambda _: 0,
        queue_size: int = 16_384,
        batch_size: int = 512,
        interval_s: float = 0.2,
        timeout_s: float = 10.0,
        after_fork: Callable[[], None] = lambda: None,
        observe: Callable[[Sequence[T]], None] = lambda _: None,
    ) -> None:
        self._items_name = items_name
        self._encode = encode
        self._send = send
        self._rejected = rejected
        self._queue_size = queue_size
        self._batch_size = batch_size
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._after_fork = after_fork
        self._observe = observe
        from sightline.export.child_ledger import ChildLedger  # noqa: PLC0415  not at import: processes without an outbox

        self._ledger = ChildLedger()
        self._reset()
        renew_in_child(self._restart_in_child)

    def _reset(self) -> None:
        self._queue: collections.deque[T] = collections.deque()
        self._callers = threading.RLock()
        self._account = threading.Condition()
        self._wake = threading.Event()
        self._worker: threading.Thread | None = None
        self._emitted = 0
        self._dropped_queue_full = 0  # dropped by put, under _callers
        self._exported = 0  # the rest under _account
        self._dropped_undelivered = 0
        self._lost_by_children = 0  # apart: none of them was in this queue, for which a flush waits
        self._closed = False
        self._abandoned = False
        self._give_up_at = float("inf")
        self._bytes_per_item = float("inf")  # of the last request
        self._items_per_s = 0.0  # of the last batch, encoded and answered
        self._logged_at: dict[str, float] = {}
        self._is_child = False
        self._generation = object()  # a worker with another generation belongs to the parent process

    def _restart_in_child(self) -> None:
        closed = self._closed
        self._reset()
        self._closed = closed  # what was shut down stays so: the child may have another one
        self._is_child = True
        self._after_fork()

    def put(self, item: T) -> bool:
        """Queue an item; False when it was dropped (and counted)."""
        with self._callers:
            self._emitted += 1
            if self._closed or len(self._queue) >= self._queue_size:
                self._dropped_queue_full += 1
                return False
            self._queue.append(item)
            if self._is_child:
                self._ledger.accepted(self._emitted - self._dropped_queue_full)
            if self._worker is None:
                self._start()
        return True

    def start(self) -> None:
        """Start the worker now, without an item."""
        with self._callers:
            if self._worker is None and not self._closed:
                self._start()

    def stats(self) -> Stats:
        """Return the account; queued items are what is neither exported nor dropped."""
        account = self.account()
        return Stats(account.emitted, account.exported, account.dropped, account.queued)

    def account(self) -> Account:
        """Return the account with the reasons why items were dropped."""
        self._count_lost_by_children()
        with self._account, self._callers:
            undelivered = self._dropped_undelivered + self._lost_by_children
            emitted = self._emitted + self._lost_by_children
            dropped = self._dropped_queue_full + undelivered
            queued = emitted - self._exported - dropped
            return Account(emitted, self._exported, dropped, queued, self._dropped_queue_full, undelivered)

    def flush(self, timeout_s: float) -> bool:
        """Send everything that is queued now; False when some of it still waits after ``timeout_s`` seconds."""
        with self._callers:
            target = self._emitted - self._dropped_queue_full
        self._wake.set()
        with self._account:
            return self._account.wait_for(lambda: self._exported + self._dropped_undelivered >= target, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Accept no more items; the worker sends the queue for up to ``timeout_s`` seconds. Returns at once."""
        with self._callers:
            if self._closed:
                return
            self._closed = True
        # The worker must be done a little before ``shutdown`` stops waiting for it.
        self._give_up_at = time.monotonic() + timeout_s * 0.9
        self._wake.set()

    def shutdown(self, timeout_s: float) -> bool:
        """Flush for at most ``timeout_s`` seconds, then count what is left as dropped. False when anything was."""
        with self._callers:
            if self._abandoned:
                return True
        self._count_lost_by_children()
        self.close(timeout_s)
        worker = self._worker
        if worker is not None:
            worker.join(timeout_s)
        elif self._queue:
            # The interpreter is shutting down and starts no thread: send from here, within the same time.
            self._run(self._generation)
        with self._account, self._callers:
            undelivered = self._emitted - self._dropped_queue_full - self._exported - self._dropped_undelivered
            self._abandoned = True
            self._ledger.settled(self._exported + self._dropped_undelivered + undelivered)
            if undelivered:
                self._dropped_undelivered += undelivered
                self._queue.clear()
                _logger.warning(
                    "sightline: %d %s dropped at exit: the collector did not take them", undelivered, self._items_name
                )
        return not undelivered

    def _start(self) -> None:
        try:
            worker = threading.Thread(
                target=self._run, args=(self._generation,), name=f"sightline-{self._items_name}", daemon=True
            )
            self._worker = worker
            worker.start()
        except RuntimeError:  # the interpreter is shutting down: no new threads
            self._worker = None

    def _run(self, generation: object) -> None:
        with contextlib.suppress(Exception):
            self._encode(())  # makes the imports of encoding now, not at exit
        while True:
            self._wake.wait(self._interval_s)
            self._stop_if_forked(generation)
            self._wake.clear()
            while self._queue and time.monotonic() < self._give_up_at:
                started = time.monotonic()
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._request_limit()))]
                self._observe(batch)
                self._deliver(batch, generation)
                self._items_per_s = len(batch) / max(time.monotonic() - started, 1e-6)
            self._count_lost_by_children()
            self._observe(())
            if self._closed and (not self._queue or time.monotonic() >= self._give_up_at):
                return

    def _count_lost_by_children(self) -> None:
        """Count what forked children had not sent when they ended as made and lost here."""
        if not self._ledger.has_children:
            return
        with self._account:
            lost = self._ledger.take_lost()
            self._lost_by_children += lost
        if lost:
            _logger.warning(
                "sightline: %d %s lost: a forked child was killed before it had sent them. Let it end by itself (with a"
                " pool: close() and join(), not terminate()), or call force_flush() in it",
                lost,
                self._items_name,
            )

    def _request_limit(self) -> int:
        """Return how many items the next request may hold."""
        if not self._closed:
            return self._batch_size
        in_time = self._items_per_s * (self._give_up_at - time.monotonic()) / 4
        return max(self._batch_size, int(min(in_time, _MAX_REQUEST_BYTES_AT_EXIT / self._bytes_per_item)))

    def _stop_if_forked(self, generation: object) -> None:
        """Block forever when this is the worker of the parent process: gevent's greenlets live on after a fork."""
        while generation is not self._generation:
            threading.Event().wait()  # returning would raise in ``threading``, which no longer knows this thread

    def _deliver(self, batch: list[T], generation: object) -> None:
        try:
            body = self._encode(batch)
            self._bytes_per_item = max(len(body) / len(batch), 1.0)
        except Exception as error:
            if len(batch) == 1:
                self._settle(
                    exported=0, dropped_undelivered=1, reason=f"cannot be encoded ({type(error).__name__}: {error})"
                )
                return
            for item in batch:
                self._deliver([item], generation)
            return
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = self._give_up_at - time.monotonic()
            if left_s <= 0:
                return  # shutdown counts them
            answer = self._send(body, min(self._timeout_s, left_s))
            self._stop_if_forked(generation)
            if answer.verdict is Verdict.SENT:
                refused = min(self._rejected(answer.body), len(batch))
                self._settle(
                    exported=len(batch) - refused, dropped_undelivered=refused, reason="refused by the collector"
                )
                return
            if answer.verdict is Verdict.TOO_LARGE and len(batch) > 1:
                half = len(batch) // 2
                self._deliver(batch[:half], generation)
                self._deliver(batch[half:], generation)
                return
            if answer.verdict is not Verdict.RETRY:
                self._settle(exported=0, dropped_undelivered=len(batch), reason=answer.reason)
                return
            self._log_once_a_minute(
                f"collector unavailable ({answer.reason});"
                f" up to {self._queue_size} {self._items_name} wait, more are dropped"
            )
            if answer.retry_after_s is not None:
                self._pause(min(answer.retry_after_s, _LONGEST_RETRY_AFTER_S), requested=True)
            else:
                self._pause(pause_s * random.uniform(0.8, 1.2), requested=False)  # noqa: S311  jitter only
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _pause(self, seconds: float, *, requested: bool) -> None:
        """Wait before the next attempt. A flush cuts it short unless the receiver requested it."""
        until = time.monotonic() + seconds
        while (left_s := min(until, self._give_up_at) - time.monotonic()) > 0:
            if self._wake.wait(left_s):
                self._wake.clear()
                if not requested:
                    return

    def _settle(self, exported: int, dropped_undelivered: int, reason: str) -> None:
        with self._account:
            if self._abandoned:
                return  # counted as dropped already
            self._exported += exported
            self._dropped_undelivered += dropped_undelivered
            if self._is_child:
                self._ledger.settled(self._exported + self._dropped_undelivered)
            self._account.notify_all()
        if dropped_undelivered:
            self._log_once_a_minute(f"{dropped_undelivered} {self._items_name} dropped: {reason}")

    def _log_once_a_minute(self, message: str) -> None:
        """Log a message, at most once a minute for the same first words."""
        key = message.partition("(")[0].lstrip("0123456789")
        now = time.monotonic()
        if now - self._logged_at.get(key, -_LOG_EVERY_S) >= _LOG_EVERY_S:
            self._logged_at[key] = now
            _logger.warning("sightline: %s", message)
