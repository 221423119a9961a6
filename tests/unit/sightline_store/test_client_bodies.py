"""How the body of an INSERT is handed to the driver."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import clickhouse_connect
import pytest

from sightline_store.client import Client
from sightline_store.settings import StoreSettings


def test_file_is_sent_in_large_blocks_and_from_its_place_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver sends the body once more where a connection breaks before anything was answered."""
    content = bytes(range(256)) * 5000
    attempts: list[list[bytes]] = []

    class Driver:
        """Sends each body twice."""

        def raw_insert(self, table: str, *, insert_block: Iterable[bytes], **_: Any) -> None:
            """Keep the blocks of both attempts, the first of which breaks in the middle."""
            next(iter(insert_block))
            attempts.extend(list(insert_block) for _ in range(2))

    monkeypatch.setattr(clickhouse_connect, "get_client", lambda **_: Driver())
    file = io.BytesIO(b"head" + content)
    file.seek(4)
    Client(StoreSettings()).insert_raw("t", file, "Protobuf", {})
    assert [b"".join(blocks) for blocks in attempts] == [content, content]
    assert max(map(len, attempts[0])) >= 128 * 1024


def test_bytes_are_sent_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver puts the statement before them."""
    sent: list[object] = []

    class Driver:
        """Keeps what it is given."""

        def raw_insert(self, table: str, *, insert_block: object, **_: Any) -> None:
            """Keep it."""
            sent.append(insert_block)

    monkeypatch.setattr(clickhouse_connect, "get_client", lambda **_: Driver())
    Client(StoreSettings()).insert_raw("t", b"rows", "Protobuf", {})
    assert sent == [b"rows"]
