"""What a client raises where the store breaks off."""

from __future__ import annotations

from typing import Any

import clickhouse_connect
import pytest
from urllib3.exceptions import ProtocolError

from sightline_store.client import Client
from sightline_store.errors import StoreUnavailable
from sightline_store.settings import StoreSettings


class _Answer:
    """An answer whose connection is cut behind its first piece."""

    def __init__(self) -> None:
        self._pieces = [b"a row\n"]
        self.closed = False

    def read(self, _: int) -> bytes:
        """Return a piece, then break off."""
        if self._pieces:
            return self._pieces.pop()
        raise ProtocolError("Connection broken: IncompleteRead")

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_a_stream_that_breaks_off_says_that_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is given; the driver passes on what its HTTP library raises while it reads."""
    answer = _Answer()

    class Driver:
        """Gives that answer."""

        def raw_stream(self, *_: Any, **__: Any) -> _Answer:
            """Begin it."""
            return answer

    monkeypatch.setattr(clickhouse_connect, "get_client", lambda **_: Driver())
    pieces = Client(StoreSettings()).stream("SELECT 1")
    assert next(pieces) == b"a row\n"
    with pytest.raises(StoreUnavailable, match="Connection broken"):
        next(pieces)
    assert answer.closed
