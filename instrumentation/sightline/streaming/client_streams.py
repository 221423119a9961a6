"""Streams of client libraries, and how each of them is followed.

Most are iterators (OpenAI's and Anthropic's ``Stream``, Mistral's ``EventStream``), some for both kinds of loop
(LiteLLM's ``CustomStreamWrapper``). Some have to be asked for their iterator first (botocore's ``EventStream``, of
Bedrock), and some come out of a ``with`` block (``sightline.streaming.stream_managers``).
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from sightline.spans import OpenSpan
from sightline.streaming.stream_managers import TracedAsyncManager, TracedManager
from sightline.streaming.traced_streams import TracedAsyncIterator, TracedIterator


def follow_client_stream(result: Any, open_span: OpenSpan) -> Any:
    """Return the stream with its span around it; None when the result is no stream."""
    name = type(result).__name__
    if name.endswith("EventStream"):
        # aiobotocore's has the methods of both loops and works in the async one only.
        if isinstance(result, AsyncIterable):
            return _AsyncEvents(result, open_span)
        return _Events(result, open_span) if isinstance(result, Iterable) else None
    if isinstance(result, AsyncIterator):
        return (_EitherIterator if isinstance(result, Iterator) else TracedAsyncIterator)(result, open_span)
    if isinstance(result, Iterator):
        return TracedIterator(result, open_span)
    if name.endswith("StreamManager"):
        return (TracedAsyncManager if hasattr(type(result), "__aenter__") else TracedManager)(result, open_span)
    return None


class _EitherIterator(TracedIterator, TracedAsyncIterator):
    """A stream that can be iterated by ``for`` and by ``async for``: it does not know how its request was made."""

    __slots__ = ()


class _Events(TracedIterator):
    """A stream whose iterator is another object."""

    __slots__ = ("_iterator",)

    def __init__(self, source: Iterable[Any], open_span: OpenSpan) -> None:
        super().__init__(source, open_span)
        self._iterator = iter(source)

    def __next__(self) -> Any:
        return self._step(self._iterator.__next__)


class _AsyncEvents(TracedAsyncIterator):
    """A stream for ``async for`` whose iterator is another object."""

    __slots__ = ("_iterator",)

    def __init__(self, source: AsyncIterable[Any], open_span: OpenSpan) -> None:
        super().__init__(source, open_span)
        self._iterator = aiter(source)

    def __anext__(self) -> Any:
        return self._astep(self._iterator.__anext__)
