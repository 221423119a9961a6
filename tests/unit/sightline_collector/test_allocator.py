"""The allocator is told to keep what is freed, where there is one that can be told."""

from __future__ import annotations

import platform
import resource

import pytest

from sightline_collector.allocator import keep_freed_memory

_BUFFER_BYTES, _PAGE_BYTES = 3_000_000, 4096
_TIMES = 50


def _use(times: int) -> int:
    """Make and free a buffer so many times; how many pages the kernel had to give for that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        bytes(_BUFFER_BYTES)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone can be told")
def test_freed_memory_is_kept_for_the_next_request() -> None:
    """By default a buffer of some MiB takes new pages from the kernel each time that it is made."""
    assert keep_freed_memory()
    _use(3)
    assert _use(_TIMES) < _TIMES * _BUFFER_BYTES / _PAGE_BYTES / 10
