"""Streams that come out of a ``with`` block: the stream helpers of OpenAI's and Anthropic's clients.

``client.chat.completions.stream(...)``, ``client.responses.stream(...)`` and ``client.messages.stream(...)`` return a
manager that opens the request on entry. Its span starts with the call, as for any stream, and ends with the block at
the latest. What the helpers offer to consume a stream whole (``until_done``, ``get_final_...``, ``text_stream``) goes
through the same account.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any

from sightline import semconv
from sightline.runtime import CONTEXT, restore
from sightline.spans import OpenSpan, leave
from sightline.streaming.streams import TracedAsyncIterator, TracedIterator


class _ManagedStream(TracedIterator):
    """The stream inside of a ``with`` block."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "until_done":
            return self._until_done
        if name == "text_stream":
            return self._texts()
        found = super().__getattr__(name)
        if not name.startswith("get_final"):
            return found

        def consumed(*args: Any, **kwargs: Any) -> Any:
            self._until_done()
            return found(*args, **kwargs)

        return consumed

    def _until_done(self) -> "_ManagedStream":
        for _ in self:
            pass
        return self

    def _texts(self) -> Iterator[str]:
        for event in self:
            text = _text_of(event)
            if text:
                yield text


class _ManagedAsyncStream(TracedAsyncIterator):
    """The stream inside of an ``async with`` block."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "until_done":
            return self._until_done
        if name == "text_stream":
            return self._texts()
        found = super().__getattr__(name)
        if not name.startswith("get_final"):
            return found

        async def consumed(*args: Any, **kwargs: Any) -> Any:
            await self._until_done()
            return await found(*args, **kwargs)

        return consumed

    async def _until_done(self) -> "_ManagedAsyncStream":
        async for _ in self:
            pass
        return self

    async def _texts(self) -> AsyncIterator[str]:
        async for event in self:
            text = _text_of(event)
            if text:
                yield text


def _text_of(event: Any) -> str | None:
    if getattr(event, "type", None) != "content_block_delta":
        return None
    text = getattr(getattr(event, "delta", None), "text", None)
    return text if isinstance(text, str) else None


class TracedManager:
    """A manager of a sync stream; other attributes are the manager's."""

    __slots__ = ("_manager", "_opened", "_stream")

    def __init__(self, manager: Any, opened: OpenSpan) -> None:
        self._manager = manager
        self._opened = opened
        self._stream: _ManagedStream | None = None

    def __enter__(self) -> Any:
        self._stream = _ManagedStream(_inside(self._opened, self._manager.__enter__), self._opened)
        return self._stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        try:
            return self._manager.__exit__(kind, error, trace)
        finally:
            if self._stream is not None:
                self._stream._meter.finish(semconv.OUTCOME_CLOSED)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_manager"), name)

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is not None and getattr(self, "_stream", None) is None:
            leave(opened, None)  # never entered: no request was made


class TracedAsyncManager:
    """A manager of an async stream; other attributes are the manager's."""

    __slots__ = ("_manager", "_opened", "_stream")

    def __init__(self, manager: Any, opened: OpenSpan) -> None:
        self._manager = manager
        self._opened = opened
        self._stream: _ManagedAsyncStream | None = None

    async def __aenter__(self) -> Any:
        token = CONTEXT.set(self._opened.context)
        try:
            source = await self._manager.__aenter__()
        except BaseException as error:
            restore(token)
            leave(self._opened, error)
            raise
        restore(token)
        self._stream = _ManagedAsyncStream(source, self._opened)
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        try:
            return await self._manager.__aexit__(kind, error, trace)
        finally:
            if self._stream is not None:
                self._stream._meter.finish(semconv.OUTCOME_CLOSED)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_manager"), name)

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is not None and getattr(self, "_stream", None) is None:
            leave(opened, None)


def _inside(opened: OpenSpan, call: Callable[[], Any]) -> Any:
    """Call inside of the span; an error ends it."""
    token = CONTEXT.set(opened.context)
    try:
        result = call()
    except BaseException as error:
        restore(token)
        leave(opened, error)
        raise
    restore(token)
    return result
