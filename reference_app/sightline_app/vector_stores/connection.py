"""The client of a vector store: opened at the first use and kept; its errors are told as ours here, for all stores."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from sightline_app.errors import RetrievalUnavailable
from sightline_app.state.circuit import Circuit

_TIMEOUTS, _PAUSE_S = 3, 1.0
"""After so many searches in a row that took too long, one search in so many seconds waits; the others fail at once."""
_C = TypeVar("_C")


class Connection(Generic[_C]):
    """One client. Thread-safe, as far as the client is; it is closed with the last reference to this, or at the exit.

    Args:
        place: what messages call the store, with its address.
        connect: returns a client.
        failures: what the client raises where the store does not answer, or refuses.
        disconnect: closes a client; None where others use it too.
        renewed: whether a failure ends the connection. A channel of gRPC remembers a server that was down, and does not
            try again for up to two minutes.
    """

    def __init__(
        self,
        place: str,
        connect: Callable[[], _C],
        failures: tuple[type[Exception], ...],
        *,
        disconnect: Callable[[_C], None] | None = None,
        renewed: bool = False,
    ) -> None:
        self._place = place
        self._connect = connect
        self._failures = failures
        self._disconnect = disconnect
        self._renewed = renewed
        self._lock = threading.Lock()
        self._open: list[_C] = []
        weakref.finalize(self, _close, self._open, disconnect)

    @contextlib.contextmanager
    def asking(self) -> Iterator[_C]:
        """Yield the client.

        Raises:
            RetrievalUnavailable: the store did not answer, or refused; says what the client said.
        """
        with translated(self._place, self._failures):
            try:
                yield self._client()
            except self._failures:
                if self._renewed:
                    self.close()
                raise

    def _client(self) -> _C:
        with self._lock:
            if not self._open:
                self._open.append(self._connect())
            return self._open[0]

    def close(self) -> None:
        """Let go of the client; the next use opens another one."""
        with self._lock:
            _close(self._open, self._disconnect)


def _close(clients: list[_C], disconnect: Callable[[_C], None] | None) -> None:
    while clients:
        client = clients.pop()
        if disconnect is not None:
            with contextlib.suppress(Exception):  # it is broken already
                disconnect(client)


@contextlib.contextmanager
def translated(place: str, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    """Tell errors of a client as ours.

    Raises:
        RetrievalUnavailable: in the place of one of the failures.
    """
    try:
        yield
    except failures as exc:
        raise RetrievalUnavailable(f"{place} did not answer, or refused: {brief(exc)}") from exc


def search_circuit(clock: Callable[[], float] = time.monotonic) -> Circuit:
    """Return what says whether a store that did not answer in time is asked again now."""
    return Circuit(_TIMEOUTS, _PAUSE_S, clock)


def brief(exc: BaseException) -> str:
    """Return the message of an error of a client on one line, at most 200 characters."""
    return " ".join(str(exc).split())[:200] or type(exc).__name__
