"""Counting server-sent events, however the bytes are cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.streaming.sse import EventScanner

STREAM = (
    b": hello\n\nevent: meta\ndata: {}\n\nevent: token\ndata: a\n\nevent:token\r\ndata:b\r\n\r\n"
    b"event: token\ndata: x\ndata: y\n\nevent: token\n\nid: 1\rdata: plain\r\revent: done\ndata: {}\n\n"
)


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    """The count is the same for every way to cut the stream."""
    scanner = EventScanner(frozenset({"token"}))
    edges = [0, *sorted(cuts), len(STREAM)]
    assert sum(scanner.feed(STREAM[a:b]) for a, b in itertools.pairwise(edges)) == 3


@pytest.mark.parametrize(
    ("names", "stream", "expected"),
    [
        (None, b"data: {}\n\ndata: [DONE]\n\n", 1),
        (None, b": ping\n\n", 0),
        (None, b"data:\n\n", 0),
        (frozenset({"message"}), b"data: x\n\n", 1),
        (frozenset({"token"}), b"event: token\ndata: x\n", 0),
        (frozenset({"token"}), b"\xef\xbb\xbfevent: token\ndata: x\n\n", 1),
        (frozenset({"token"}), b"event: token\ndata: " + b"x" * 100_000 + b"\n\n", 1),
    ],
)
def test_what_counts(names: frozenset[str] | None, stream: bytes, expected: int) -> None:
    """Comments, empty data, closing marks and open events do not count."""
    assert EventScanner(names).feed(stream) == expected


def test_memory_is_bounded() -> None:
    """A line that never ends is not kept."""
    scanner = EventScanner(None)
    for _ in range(1000):
        scanner.feed(b"data: " + b"x" * 1000)
    assert len(scanner._line) < 2048
    assert scanner.feed(b"\n\n") == 1
