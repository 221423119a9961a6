"""Has the C library's allocator keep the memory of a request for the next one.

By default glibc gives memory at the end of its heap back to the kernel as soon as 128 KiB of it are free. Whether a
request's buffers stand there depends on what else is alive: one parsed request that is kept makes parsing and writing
the next ones take two and a half times the CPU, nearly all of it for pages that are taken back and zeroed again.

Source: https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 16 * 1024 * 1024
_LARGEST_IN_HEAP_BYTES = 4 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Keep up to 16 MiB at the end of a heap, and take buffers of up to 4 MiB from there; False without glibc.

    Larger buffers go back to the kernel when they are freed, as before.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_M_MMAP_THRESHOLD, _LARGEST_IN_HEAP_BYTES))
