"""The client of a vector store is kept, closed, renewed and its errors told, whichever store it is of."""

from __future__ import annotations

import gc

import pytest

from sightline_app.errors import RetrievalUnavailable
from sightline_app.vector_stores.connection import Connection


class Server:
    """Counts the clients that were opened and closed."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.closed: list[int] = []

    def connect(self) -> int:
        """Open one more."""
        self.opened.append(len(self.opened))
        return self.opened[-1]

    def connection(self, *, renewed: bool = False) -> Connection[int]:
        """Return a connection to it."""
        return Connection("A store", self.connect, (OSError,), disconnect=self.closed.append, renewed=renewed)


def test_client_is_opened_at_the_first_use_and_kept() -> None:
    """Nothing is opened before, and one client serves all."""
    server = Server()
    connection = server.connection()
    assert server.opened == []
    for _ in range(3):
        with connection.asking() as client:
            assert client == 0
    assert (server.opened, server.closed) == ([0], [])


@pytest.mark.parametrize(("renewed", "then"), [(True, 1), (False, 0)])
def test_failure_is_told_as_ours_and_ends_a_connection_that_is_renewed(*, renewed: bool, then: int) -> None:
    """The message names the store and what its client said."""
    server = Server()
    connection = server.connection(renewed=renewed)
    with pytest.raises(RetrievalUnavailable, match=r"A store .*: no route"), connection.asking():
        raise OSError("no\n  route")
    assert server.closed == [0] * renewed
    with connection.asking() as client:
        assert client == then


def test_other_errors_are_not_the_stores() -> None:
    """A fault of ours is not hidden, and costs no connection."""
    server = Server()
    connection = server.connection(renewed=True)
    with pytest.raises(KeyError), connection.asking():
        raise KeyError("x")
    assert server.closed == []


def test_client_is_closed_with_its_owner() -> None:
    """Whoever forgets to close leaves no socket behind."""
    server = Server()
    connection = server.connection()
    with connection.asking():
        pass
    del connection
    gc.collect()
    assert server.closed == [0]
