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
from sightline.runtime import CONTEXT, detach
from sightline.spans import OpenSpan, end_span
from sightline.streaming.traced_streams import TracedAsyncIterator, TracedIterator


class _ManagedStream(TracedIterator):
    """The stream inside of a ``with`` block."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "until_done":
            return self._until_done
        if name == "text_stream":
            return self._texts()
        attribute = super().__getattr__(name)
        if not name.startswith("get_final"):
            return attribute

        def consume_then_call(*args: Any, **kwargs: Any) -> Any:
            self._until_done()
            return attribute(*args, **kwargs)

        return consume_then_call

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
        attribute = super().__getattr__(name)
        if not name.startswith("get_final"):
            return attribute

        async def consume_then_call(*args: Any, **kwargs: Any) -> Any:
            await self._until_done()
            return await attribute(*args, **kwargs)

        return consume_then_call

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

    __slots__ = ("_manager", "_open_span", "_stream")

    def __init__(self, manager: Any, open_span: OpenSpan) -> None:
        self._manager = manager
        self._open_span = open_span
        self._stream: _ManagedStream | None = None

    def __enter__(self) -> Any:
        self._stream = _ManagedStream(_call_in_span(self._open_span, self._manager.__enter__), self._open_span)
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
        open_span = getattr(self, "_open_span", None)
        if open_span is not None and getattr(self, "_stream", None) is None:
            end_span(open_span, None)  # never entered: no request was made


class TracedAsyncManager:
    """A manager of an async stream; other attributes are the manager's."""

    __slots__ = ("_manager", "_open_span", "_stream")

    def __init__(self, manager: Any, open_span: OpenSpan) -> None:
        self._manager = manager
        self._open_span = open_span
        self._stream: _ManagedAsyncStream | None = None

    async def __aenter__(self) -> Any:
        token = CONTEXT.set(self._open_span.context)
        try:
            source = await self._manager.__aenter__()
        except BaseException as error:
            detach(token)
            end_span(self._open_span, error)
            raise
        detach(token)
        self._stream = _ManagedAsyncStream(source, self._open_span)
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
        open_span = getattr(self, "_open_span", None)
        if open_span is not None and getattr(self, "_stream", None) is None:
            end_span(open_span, None)


def _call_in_span(open_span: OpenSpan, call: Callable[[], Any]) -> Any:
    """Call inside of the span; an error ends it."""
    token = CONTEXT.set(open_span.context)
    try:
        result = call()
    except BaseException as error:
        detach(token)
        end_span(open_span, error)
        raise
    detach(token)
    return result
