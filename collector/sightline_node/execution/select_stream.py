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
    """Whether a statement has begun; what is forbidden before never does, and needs its pipe no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_free = True

    def take(self) -> None:
        """Begin, in the thread; raises CancelledError where it is too late."""
        if not self.forbid():
            raise asyncio.CancelledError

    def forbid(self) -> bool:
        """Let nobody begin; False where somebody has."""
        with self._lock:
            was_free, self._is_free = self._is_free, False
            return was_free


async def send_streamed(source: AsyncIterator[bytes], work: asyncio.Future[Counts], reply: Reply) -> None:
    """Answer as rows come. The first MiB is held: what fits into it is answered with all that is known at the end."""
    held, size = [], 0
    async for piece in source:
        if reply.is_started:
            await reply.piece(piece)
            continue
        held.append(piece)
        size += len(piece)
        if size >= _HELD_BYTES:
            await reply.start()
            await reply.piece(b"".join(held))
    counts = await work
    if reply.is_started:
        await reply.end()
    else:
        await reply.whole(b"".join(held), counts, is_encoded=True)


async def send_waited(source: AsyncIterator[bytes], work: asyncio.Future[Counts], reply: Reply, folder: Path) -> None:
    """Answer only when all is known to be well; what is too much for memory waits in `folder`."""
    with tempfile.SpooledTemporaryFile(_WAITED_IN_MEMORY_BYTES, dir=str(folder)) as held:
        async for piece in source:
            held.write(piece)
        counts = await work
        size = held.tell()
        held.seek(0)
        if size <= _HELD_BYTES:
            await reply.whole(held.read(), counts, is_encoded=True)
            return
        await reply.start(length=size, counts=counts)
        while piece := held.read(_PIECE_BYTES):
            await reply.piece(piece)
        await reply.end()


async def pieces(pipe: Pipe) -> AsyncIterator[bytes]:
    """All that comes out of a pipe."""
    while piece := await pipe.read():
        yield piece


async def drain(pipe: Pipe) -> None:
    """Take all that comes out of a pipe and leave it."""
    while await pipe.read():
        pass
