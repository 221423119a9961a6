"""Traced streams of words for the library's streaming suite, and what became of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import sightline
from sightline import semconv
from sightline.testing import Spans


@sightline.llm("m")
def words(*items: Any) -> Iterator[Any]:
    """Yield the items."""
    for item in items:
        sightline.annotate(last=str(item))
        yield item


@sightline.llm("m")
async def awords(*items: Any) -> AsyncIterator[Any]:
    """Yield the items, giving way before each."""
    for item in items:
        await asyncio.sleep(0)
        sightline.annotate(last=str(item))
        yield item


def outcome(spans: Spans) -> tuple[str, int]:
    """Return outcome and chunk count of the only span."""
    (span,) = spans
    attributes = span.attributes or {}
    assert span.end_time is not None
    return str(attributes[semconv.STREAM_OUTCOME]), int(attributes[semconv.STREAM_CHUNKS])  # type: ignore[arg-type]
