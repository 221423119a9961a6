"""A SELECT's rows on their way from the engine's pipe to the client."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from sightline_node.execution.engine import Counts
from sightline_node.execution.pipe import Pipe
from sightline_node.http.reply import Reply

_HELD_BYTES = 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_WAITED_IN_MEMORY_BYTES = 16 * 1024**2


class Start:
    """Whether a statement has begun. After `forbid` it never begins, and its pipe can be closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_free = True

    def take(self) -> None:
        """Begin, in the thread; raises CancelledError if it was forbidden."""
        if not self.forbid():
            raise asyncio.CancelledError

    def forbid(self) -> bool:
        """Prevent the start; False if the statement has begun."""
        with self._lock:
            was_free, self._is_free = self._is_free, False
            return was_free


async def send_streamed(source: AsyncIterator[bytes], work: asyncio.Future[Counts], reply: Reply) -> None:
    """Answer as rows come. An answer of less than 1 MiB is sent at its end, with its status and its full summary."""
    first_pieces, size = [], 0
    async for piece in source:
        if reply.is_started:
            await reply.piece(piece)
            continue
        first_pieces.append(piece)
        size += len(piece)
        if size >= _HELD_BYTES:
            await reply.start()
            await reply.piece(b"".join(first_pieces))
    counts = await work
    if reply.is_started:
        await reply.end()
    else:
        await reply.whole(b"".join(first_pieces), counts, is_encoded=True)


async def send_waited(source: AsyncIterator[bytes], work: asyncio.Future[Counts], reply: Reply, folder: Path) -> None:
    """Answer only after the statement has succeeded; large answers wait in `folder`."""
    with tempfile.SpooledTemporaryFile(_WAITED_IN_MEMORY_BYTES, dir=str(folder)) as buffer:
        async for piece in source:
            buffer.write(piece)
        counts = await work
        size = buffer.tell()
        buffer.seek(0)
        if size <= _HELD_BYTES:
            await reply.whole(buffer.read(), counts, is_encoded=True)
            return
        await reply.start(length=size, counts=counts)
        while piece := buffer.read(_PIECE_BYTES):
            await reply.piece(piece)
        await reply.end()


async def pieces(pipe: Pipe) -> AsyncIterator[bytes]:
    """Everything that is written into a pipe."""
    while piece := await pipe.read():
        yield piece


async def after(first: bytes, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A first piece, and then the rest."""
    if first:
        yield first
    async for piece in source:
        yield piece


async def drain(pipe: Pipe) -> None:
    """Read a pipe to its end and drop the bytes."""
    while await pipe.read():
        pass
