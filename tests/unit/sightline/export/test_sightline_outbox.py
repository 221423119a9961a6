"""The queue and its account: emitted == exported + dropped + queued, at any moment."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sightline.export.otlp_http import Answer, Verdict
from sightline.export.outbox import Outbox, Stats

SENT = Answer(Verdict.SENT)


def encode(batch: Sequence[int]) -> bytes:
    """Return the batch as text."""
    return ",".join(map(str, batch)).encode()


class Receiver:
    """Answers from a list, then SENT; keeps what it took."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.taken: list[int] = []
        self.attempts: list[float] = []

    def __call__(self, body: bytes, timeout_s: float) -> Answer:
        """Give the next answer."""
        self.attempts.append(time.monotonic())
        answer = self.answers.pop(0) if self.answers else SENT
        if answer.verdict is Verdict.SENT:
            self.taken += [int(item) for item in body.split(b",")]
        return answer


def make(receiver: Callable[[bytes, float], Answer], **options: int | float) -> Outbox[int]:
    """Return a quick outbox."""
    return Outbox("things", encode, receiver, interval_s=0.01, **options)  # type: ignore[arg-type]


def test_everything_arrives_in_order() -> None:
    """What is put arrives once, in order."""
    receiver = Receiver()
    outbox = make(receiver, batch_size=7)
    for item in range(100):
        assert outbox.put(item)
    assert outbox.flush(5)
    assert receiver.taken == list(range(100))
    assert outbox.stats() == Stats(100, 100, 0, 0)
    assert outbox.shutdown(1)


def test_full_queue_drops_and_counts() -> None:
    """While the receiver hangs, what is on top of the queue is dropped, and the account holds."""
    release = threading.Event()

    def hang(body: bytes, timeout_s: float) -> Answer:
        release.wait(5)
        return SENT

    outbox = make(hang, queue_size=10, batch_size=5)
    kept = sum(outbox.put(item) for item in range(100))
    stats = outbox.stats()
    assert stats.emitted == 100
    assert stats.dropped == 100 - kept > 0
    assert stats.queued == kept
    release.set()
    assert outbox.flush(5)
    assert outbox.stats() == Stats(100, kept, 100 - kept, 0)
    outbox.shutdown(1)


def test_retries_until_the_receiver_is_back() -> None:
    """A receiver that is away gets the batch again until it takes it."""
    receiver = Receiver(Answer(Verdict.RETRY, "away"), Answer(Verdict.RETRY, "away"))
    outbox = make(receiver)
    outbox.put(1)
    assert outbox.flush(5)
    assert receiver.taken == [1]
    assert outbox.stats() == Stats(1, 1, 0, 0)
    outbox.shutdown(1)


def test_retry_after_is_kept_even_when_flushed() -> None:
    """A pause that the receiver asked for is kept."""
    receiver = Receiver(Answer(Verdict.RETRY, "busy", retry_after_s=0.3))
    outbox = make(receiver)
    outbox.put(1)
    assert outbox.flush(0.1) is False
    assert outbox.flush(5)
    assert receiver.attempts[1] - receiver.attempts[0] >= 0.3
    outbox.shutdown(1)


def test_refused_batch_is_dropped_and_counted() -> None:
    """What the receiver refuses for good is counted as dropped; the next batch goes on."""
    receiver = Receiver(Answer(Verdict.REFUSED, "HTTP 400"))
    outbox = make(receiver, batch_size=1)
    outbox.put(1)
    outbox.put(2)
    assert outbox.flush(5)
    assert receiver.taken == [2]
    assert outbox.stats() == Stats(2, 1, 1, 0)
    outbox.shutdown(1)


def test_too_large_batch_is_halved() -> None:
    """A request that is too large is sent in halves; a single item that is too large is dropped."""
    receiver = Receiver(*[Answer(Verdict.TOO_LARGE, "413")] * 3)
    outbox = make(receiver)
    with outbox._callers:
        for item in range(4):
            outbox.put(item)
    assert outbox.flush(5)
    assert receiver.taken == [1, 2, 3]
    assert outbox.stats() == Stats(4, 3, 1, 0)
    outbox.shutdown(1)


def test_item_that_cannot_be_encoded_does_not_block() -> None:
    """One bad item is dropped alone."""

    def picky(batch: Sequence[int]) -> bytes:
        if 2 in batch:
            raise ValueError("two")
        return encode(batch)

    receiver = Receiver()
    outbox: Outbox[int] = Outbox("things", picky, receiver, interval_s=0.01)
    for item in range(4):
        outbox.put(item)
    assert outbox.flush(5)
    assert receiver.taken == [0, 1, 3]
    assert outbox.stats() == Stats(4, 3, 1, 0)
    outbox.shutdown(1)


def test_partial_success_is_counted() -> None:
    """What the receiver reports as rejected is dropped, not exported."""
    outbox: Outbox[int] = Outbox("things", encode, Receiver(), rejected=lambda _: 1, interval_s=0.01)
    outbox.put(1)
    assert outbox.flush(5)
    assert outbox.stats() == Stats(1, 0, 1, 0)
    outbox.shutdown(1)


def test_shutdown_is_quick_and_counts_what_is_left() -> None:
    """With the receiver away, shutdown returns in its time and the rest is counted."""
    outbox = make(lambda body, timeout_s: Answer(Verdict.RETRY, "away"))
    for item in range(10):
        outbox.put(item)
    started = time.monotonic()
    assert outbox.shutdown(0.5) is False
    assert time.monotonic() - started < 2
    assert outbox.stats() == Stats(10, 0, 10, 0)
    assert outbox.put(11) is False
    assert outbox.stats() == Stats(11, 0, 11, 0)


def test_shutdown_sends_what_is_queued() -> None:
    """With the receiver there, shutdown loses nothing."""
    receiver = Receiver()
    outbox = make(receiver, batch_size=2)
    for item in range(10):
        outbox.put(item)
    assert outbox.shutdown(2)
    assert receiver.taken == list(range(10))


def sizes_at_exit(encode: Callable[[Sequence[int]], bytes], items: int, batch_size: int, pause_s: float) -> list[int]:
    """Return how many items each request held when a full queue was sent at exit; nothing may be missing."""
    requests: list[list[int]] = []

    def noting(batch: Sequence[int]) -> bytes:
        if batch:
            requests.append(list(batch))
        return encode(batch)

    def answer(body: bytes, timeout_s: float) -> Answer:
        time.sleep(pause_s)
        return SENT

    outbox: Outbox[int] = Outbox("things", noting, answer, interval_s=600, batch_size=batch_size)
    for item in range(items):
        outbox.put(item)
    assert outbox.shutdown(20)
    assert [item for request in requests for item in request] == list(range(items))
    return [len(request) for request in requests]


def test_requests_grow_at_exit() -> None:
    """The first one is as always; a quick receiver then gets all the rest in a few large ones."""
    first, *rest = sizes_at_exit(encode, 10_000, 100, 0.0)
    assert first == 100
    assert len(rest) < 10


def test_requests_at_exit_stay_below_4_mib() -> None:
    """Items of a mebibyte go by fours."""
    assert max(sizes_at_exit(lambda batch: bytes(len(batch) << 20), 20, 2, 0.0)) == 4


def test_requests_at_exit_fit_the_time_that_is_left() -> None:
    """25 items a second and 18 seconds: none is so large that it would take more than a quarter of them."""
    assert max(sizes_at_exit(encode, 200, 5, 0.2)) <= 25 * 18 // 4


def test_many_threads_lose_no_count() -> None:
    """The account is exact under contention."""
    receiver = Receiver()
    outbox = make(receiver, queue_size=1_000_000)

    def work(_: int) -> None:
        for item in range(2_000):
            outbox.put(item)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert outbox.flush(10)
    assert outbox.stats() == Stats(16_000, 16_000, 0, 0)
    outbox.shutdown(1)


def test_put_from_inside_put_does_not_deadlock() -> None:
    """A garbage collection inside ``put`` may end another span on the same thread."""
    outbox = make(Receiver())
    with outbox._callers:
        assert outbox.put(1)
    assert outbox.flush(5)
    outbox.shutdown(1)
